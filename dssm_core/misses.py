"""Why a held-out click is not in the recall list: one reason per click."""

import numpy as np
import pandas as pd

HIT = "hit"
NOT_IN_POOL = "not in pool"
REMOVED_AS_SEEN = "removed as seen"
LOST_BY_INDEX = "lost by the index"
COLD_ARTICLE = "cold article"
COLD_USER = "cold user"
OUTRANKED = "outranked"
REASONS = (HIT, NOT_IN_POOL, REMOVED_AS_SEEN, LOST_BY_INDEX, COLD_ARTICLE, COLD_USER, OUTRANKED)
"""In the order in which they are tried: the first that holds is the click's reason."""

_TIE = 1e-6
"""Scores closer than this (relative above 1) are equal: the index and the exact ranks sum in different orders."""


def reasons(
    *,
    k: int,
    list_rank: np.ndarray,
    in_pool: np.ndarray,
    exact_rank: np.ndarray,
    score: np.ndarray,
    last_score: np.ndarray,
    warm_article: np.ndarray,
    warm_user: np.ndarray,
) -> np.ndarray:
    """One of REASONS per held-out click: (m,) object array of str. All arguments but `k` are (m,).

    `list_rank`: place in the list of `k`, 0 if absent. `exact_rank`: among all that qualify, 0 for none. `score`: of
    the click; `last_score`: at the list's place k, NaN where the list is shorter. `warm_article`: exposed in train;
    `warm_user`: has a train click.

    An article whose exact rank is within k but whose score only equals that of the list's last place lost a tie, not
    the index: it gets one of the later reasons.
    """
    beats_last = ~(score <= last_score + _TIE * np.maximum(1, np.abs(last_score)))
    conditions = [
        list_rank > 0,
        ~in_pool,
        exact_rank == 0,
        (exact_rank <= k) & beats_last,
        ~warm_article,
        ~warm_user,
    ]
    return np.select(conditions, [np.array(reason, object) for reason in REASONS[:-1]], np.array(OUTRANKED, object))


def reasons_at(held_out: pd.DataFrame, k: int) -> np.ndarray:
    """The reason of each held-out click for lists of the first `k`: (m,) object array of str.

    `held_out` is held_out.parquet, whose own reasons are those of the run's full lists; `k` is at most as long. A click
    beyond the first `k` places has the first reason that holds there.
    """
    rank, found = held_out["list_rank"], held_out["reason"]
    conditions = [
        (rank > 0) & (rank <= k),
        found == NOT_IN_POOL,
        found == REMOVED_AS_SEEN,
        (found == LOST_BY_INDEX) & (held_out["exact_rank"] <= k),
        ~held_out["warm"],
        ~held_out["warm_user"],
    ]
    return np.select(conditions, [np.array(reason, object) for reason in REASONS[:-1]], np.array(OUTRANKED, object))


def counts(found: np.ndarray) -> dict[str, int]:
    """How many clicks have each of REASONS, in that order, zeros included."""
    return {reason: int((found == reason).sum()) for reason in REASONS}
