"""Hard negatives mined from an earlier run: what it ranks high for a user, but not at the very top."""

from dataclasses import dataclass

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.config import IndexConfig
from dssm_core.errors import UserError
from dssm_core.indexes import INDEXES
from dssm_core.retrieval import VectorRecommender

_EXACT_UP_TO = 50_000
"""Candidates above this many are searched through IVF, which misses next to none of the ranks that are mined."""


@dataclass(frozen=True)
class EarlierRun:
    """What an earlier run left: unit vectors of all users (users rows, d) and of its pool (p,) (p, d), float32.

    `users`: the rows to mine for, ascending.
    """

    name: str
    user_vectors: np.ndarray
    pool: np.ndarray
    pool_vectors: np.ndarray
    users: np.ndarray


def hard_articles(
    earlier: EarlierRun, clicked: UserArticles, train_pool: np.ndarray, rank_from: int, rank_to: int
) -> UserArticles:
    """For each of `earlier.users`: the articles of `train_pool` that the earlier run ranks from `rank_from` to
    `rank_to` (counted from 1) among those that the user did not click in train (Huang et al., KDD 2020, 6.1.1).

    A UserError where the earlier run has fewer such articles than `rank_from`.
    """
    inside = np.isin(earlier.pool, train_pool)
    pool, vectors = earlier.pool[inside], np.ascontiguousarray(earlier.pool_vectors[inside])
    if len(pool) < rank_from:
        raise UserError(
            f"run {earlier.name} has vectors of {len(pool)} articles of the train pool, so none is at rank "
            f"{rank_from}: lower negatives.rank_from"
        )
    index = INDEXES["exact" if len(pool) <= _EXACT_UP_TO else "ivf"](vectors, IndexConfig())
    recommender = VectorRecommender(earlier.user_vectors, pool, vectors, index, clicked, clicked.n_articles)
    lists = recommender.recall(earlier.users, min(rank_to, len(pool))).articles[:, rank_from - 1 :]
    row, column = np.nonzero(lists)
    return UserArticles.from_pairs(earlier.users[row], lists[row, column], len(clicked.start) - 1, clicked.n_articles)
