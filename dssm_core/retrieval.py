"""Recall lists from vectors through an index, and exact ranks by comparing with the whole pool."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.indexes import Index
from dssm_core.recommender import RecallLists

BLOCK_BYTES = 200_000_000
"""What one block of users' scores may take; a copy or a mask of it comes on top."""

BLOCK_USERS = 4096
"""Users per block at most: as many as FAISS compares at once, and a share of the work that can be handed on."""

Each = Callable[..., Iterable]
"""Carries out a method for every block of users, in order: `map`, or one that shares them out among workers."""

RankBlock = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of a block of distinct users ((b,) int32), how many columns are asked of each, descending, and these in order: their
ranks and scores. See `ranks_in_rows`."""


def block_length(width: int) -> int:
    """Users per block such that their float32 scores over `width` articles stay within the memory bound."""
    return min(BLOCK_USERS, max(1, BLOCK_BYTES // (4 * max(width, 1))))


def positions_in(pool: np.ndarray, n_articles: int) -> np.ndarray:
    """Where each article row stands in `pool`: (n_articles,) int64, −1 outside."""
    positions = np.full(n_articles, -1, np.int64)
    positions[pool] = np.arange(len(pool))
    return positions


def seen_positions(
    seen: UserArticles | None, users: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(place in `users`, position) of every seen article that has a position: two arrays of equal length."""
    if seen is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    places, articles = seen.flat(users)
    inside = positions[articles] >= 0
    return places[inside], positions[articles[inside]]


def fill_lists(articles: np.ndarray, scores: np.ndarray, drop: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `k` of each row that are not dropped, order kept; article 0 and score NaN at the empty places.

    All three are (n, m): int, float and bool; returns (n, k) int32 and (n, k) float32.
    """
    first = np.argsort(drop, axis=1, kind="stable")[:, :k]
    empty = np.take_along_axis(drop, first, axis=1)
    lists = np.zeros((len(drop), k), np.int32)
    filled = np.full((len(drop), k), np.nan, np.float32)
    lists[:, : first.shape[1]] = np.where(empty, 0, np.take_along_axis(articles, first, axis=1))
    filled[:, : first.shape[1]] = np.where(empty, np.nan, np.take_along_axis(scores, first, axis=1))
    return lists, filled


def exact_by_block(
    rank_block: RankBlock, width: int, users: np.ndarray, columns: np.ndarray, each: Each = map
) -> tuple[np.ndarray, np.ndarray]:
    """Rank among a row's columns, and score, of each (user, column): (m,) int64 from 1 and (m,) float32.

    Each distinct user is scored once for all their pairs, over `width` columns.
    """
    distinct, owner, counts = np.unique(users, return_inverse=True, return_counts=True)
    # Users with the most pairs come first, so that those who have an n-th pair are the top rows of their block.
    places = np.empty(len(distinct), np.int64)
    places[np.argsort(-counts, kind="stable")] = np.arange(len(distinct))
    by_place = np.argsort(places[owner], kind="stable")
    starts = np.searchsorted(places[owner][by_place], np.arange(len(distinct) + 1))
    blocks = [starts[first : first + block_length(width) + 1] for first in range(0, len(distinct), block_length(width))]
    pairs = [by_place[block[0] : block[-1]] for block in blocks]
    asked = [users[by_place[block[:-1]]] for block in blocks], map(np.diff, blocks), [columns[own] for own in pairs]
    ranks, scores = np.zeros(len(users), np.int64), np.full(len(users), np.nan, np.float32)
    for own, found in zip(pairs, each(rank_block, *asked), strict=True):
        ranks[own], scores[own] = found
    return ranks, scores


def ranks_in_rows(rows: np.ndarray, counts: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks (int64, from 1) and scores of `columns` in rows of scores: `counts[i]`, descending, belong to row i.

    A column's own score is read from the same matrix that it is compared with, so that no rounding can put an article
    ahead of itself.
    """
    starts = np.cumsum(counts) - counts
    own = rows[np.repeat(np.arange(len(rows)), counts), columns]
    ranks = np.empty(len(columns), np.int64)
    for nth in range(counts[0]):
        pairs = starts[: np.count_nonzero(counts > nth)] + nth
        ranks[pairs] = 1 + np.count_nonzero(rows[: len(pairs)] > own[pairs, None], axis=1)
    return ranks, own


@dataclass(frozen=True)
class VectorRecommender:
    """A Recommender whose score is the cosine of the user's and the article's vector.

    `user_vectors` (all users rows, d) and `pool_vectors` (p, d) are float32 unit rows; `pool` (p,) int32 are the
    articles that `pool_vectors` and `index` hold, in that order. `seen`: what each user may not be given; None gives
    all. `n_articles`: rows of the articles table. `index` may be None where only exact ranks are asked for.
    """

    user_vectors: np.ndarray
    pool: np.ndarray
    pool_vectors: np.ndarray
    index: Index | None
    seen: UserArticles | None
    n_articles: int

    def __post_init__(self) -> None:
        if self.pool_vectors.shape != (len(self.pool), self.user_vectors.shape[1]):
            raise ValueError(
                f"pool_vectors must be ({len(self.pool)}, {self.user_vectors.shape[1]}), got {self.pool_vectors.shape}"
            )

    @cached_property
    def _positions(self) -> np.ndarray:
        return positions_in(self.pool, self.n_articles)

    def recall(self, users: np.ndarray, k: int, each: Each = map) -> RecallLists:
        """The best `k` articles of each of `users` ((n,) int32): a list is k long whenever k articles qualify."""
        blocks = list(self._blocks(users, k))
        asked = [users[block] for block, _ in blocks], [fetch for _, fetch in blocks], [k] * len(blocks)
        articles, scores = np.zeros((len(users), k), np.int32), np.full((len(users), k), np.nan, np.float32)
        for (block, _), found in zip(blocks, each(self.search, *asked), strict=True):
            articles[block], scores[block] = found
        return RecallLists(users, articles, scores)

    def _blocks(self, users: np.ndarray, k: int) -> Iterator[tuple[np.ndarray, int]]:
        """Blocks of places in `users`, and how many articles are to be fetched for each.

        A user's search is lengthened by the number of pool articles they have seen, rounded up to a power of two so
        that users of a like number share one search.
        """
        places, _ = seen_positions(self.seen, users, self._positions)
        extra = np.bincount(places, minlength=len(users))
        extra = np.where(extra > 0, 2 ** np.ceil(np.log2(np.maximum(extra, 1))), 0).astype(np.int64)
        for more in np.unique(extra):
            group = np.flatnonzero(extra == more)
            fetch = min(k + int(more), len(self.pool))
            for first in range(0, len(group), block_length(4 * fetch)):
                yield group[first : first + block_length(4 * fetch)], fetch

    def search(self, users: np.ndarray, fetch: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The best `k` of the `fetch` nearest articles that a user may be given: (b, k) int32 and float32."""
        positions, cosines = self.index.search(self.user_vectors[users], fetch)
        articles = self.pool[positions]
        drop = positions < 0
        if self.seen is not None:
            drop |= self.seen.contains(users[:, None], articles)
        return fill_lists(articles, cosines, drop, k)

    def exact(self, users: np.ndarray, articles: np.ndarray, each: Each = map) -> tuple[np.ndarray, np.ndarray]:
        """Exact rank and score of each (user, article) pair, as in `Recommender.exact`, whatever the index."""
        qualifies = self._positions[articles] >= 0
        if self.seen is not None:
            qualifies &= ~self.seen.contains(users, articles)
        ranks, scores = np.zeros(len(users), np.int64), np.full(len(users), np.nan, np.float32)
        ranks[qualifies], scores[qualifies] = exact_by_block(
            self.rank, len(self.pool), users[qualifies], self._positions[articles[qualifies]], each
        )
        return ranks, scores

    def rank(self, users: np.ndarray, counts: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exact ranks and scores of `counts[i]` (descending) of some `positions` for each user: see `ranks_in_rows`."""
        return ranks_in_rows(self._scores(users), counts, positions)

    def _scores(self, users: np.ndarray) -> np.ndarray:
        scores = self.user_vectors[users] @ self.pool_vectors.T
        scores[seen_positions(self.seen, users, self._positions)] = -np.inf
        return scores
