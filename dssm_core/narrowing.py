"""Puts runs that were tested on different clicks, or with different articles to choose from, on common ground."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.misses import HIT, NOT_IN_POOL


@dataclass(frozen=True)
class Outcome:
    """What a run's test came to: its held-out clicks and recall lists as its folder has them, and its candidate pool.

    `pool` (p,) int32 article rows; `longest`: the K that its lists reach. Rows are those of one dataset's tables.
    """

    held_out: pd.DataFrame
    recall: pd.DataFrame
    pool: np.ndarray
    longest: int

    def in_rows_of(self, own: Dataset, other: Dataset) -> "Outcome":
        """The same in the rows of another dataset's tables, matched by raw ids; what that does not have is left out."""
        if own.id == other.id:
            return self
        users = _rows_in(own.users["user_id"], other.users["user_id"])
        articles = _rows_in(own.articles["article_id"], other.articles["article_id"])
        pool = articles[self.pool]
        return Outcome(
            _translated(self.held_out, users, articles),
            _translated(self.recall, users, articles),
            np.sort(pool[pool > 0]).astype(np.int32),
            self.longest,
        )


def narrowed(outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    """Keep of each run what all share: clicks that all held out, their users, and articles that are in every pool.

    Lists are those of each run without the articles that another could not recall, so they are shorter: `longest` is
    the length that every user's list in every run still has. A click outside the common pool is a miss of all; exact
    ranks stay those of each run's own pool. A UserError where no click or no article is common.
    """
    clicks = _common([_keys(outcome.held_out) for outcome in outcomes.values()])
    pool = _common([outcome.pool for outcome in outcomes.values()])
    if not len(clicks) or not len(pool):
        what = "held-out click" if not len(clicks) else "article of the candidate pools"
        raise UserError(f"these runs have no {what} in common: compare runs of one dataset and split")
    outcomes = {run: _narrowed(outcome, clicks, pool) for run, outcome in outcomes.items()}
    longest = min(outcome.longest for outcome in outcomes.values())
    if not longest:
        raise UserError("some user's recall list holds none of the common articles: compare runs of one pool")
    return {run: _cut(outcome, longest) for run, outcome in outcomes.items()}


def _narrowed(outcome: Outcome, clicks: np.ndarray, pool: np.ndarray) -> Outcome:
    held_out = outcome.held_out[np.isin(_keys(outcome.held_out), clicks)]
    users = held_out["user"].unique()
    recall = outcome.recall[outcome.recall["user"].isin(users) & outcome.recall["article"].isin(pool)]
    recall = recall.sort_values(["user", "rank"])
    recall = recall.assign(rank=recall.groupby("user").cumcount().to_numpy(np.int32) + 1)
    shortest = int(recall["user"].value_counts().reindex(users, fill_value=0).min())
    return Outcome(held_out.sort_values(["user", "article"]), recall, pool, min(outcome.longest, shortest))


def _cut(outcome: Outcome, longest: int) -> Outcome:
    """The lists cut to `longest`, and the held-out clicks with their places in them."""
    recall = outcome.recall[outcome.recall["rank"] <= longest]
    place = pd.Series(recall["rank"].to_numpy(), index=_keys(recall))
    ranks = place.reindex(_keys(outcome.held_out), fill_value=0).to_numpy(np.int32)
    held_out = outcome.held_out.assign(list_rank=ranks, in_pool=outcome.held_out["article"].isin(outcome.pool))
    reason = held_out["reason"].mask(~held_out["in_pool"], NOT_IN_POOL).mask(ranks > 0, HIT)
    return replace(
        outcome, held_out=held_out.assign(reason=reason).reset_index(drop=True), recall=recall, longest=longest
    )


def _keys(table: pd.DataFrame) -> np.ndarray:
    """One int64 a row for its (user, article)."""
    return (table["user"].to_numpy(np.int64) << 32) + table["article"].to_numpy(np.int64)


def _common(sets: list[np.ndarray]) -> np.ndarray:
    common = sets[0]
    for other in sets[1:]:
        common = np.intersect1d(common, other)
    return common


def _rows_in(ids: pd.Series, others: pd.Series) -> np.ndarray:
    """The row of each id among the other ids: (n,) int64, 0 for "unknown" and for those that are not there."""
    return np.maximum(pd.Index(others).get_indexer(pd.Index(ids)), 0)


def _translated(table: pd.DataFrame, users: np.ndarray, articles: np.ndarray) -> pd.DataFrame:
    user, article = users[table["user"].to_numpy()], articles[table["article"].to_numpy()]
    known = (user > 0) & (article > 0)
    return table.assign(user=user.astype(np.int32), article=article.astype(np.int32))[known]
