"""Recall by kind of article and kind of user: the share of the held-out clicks of each segment that the lists hit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dssm_core.intervals import as_json, bootstrap_ratios, two_way_ratios

_HOUR = 3_600_000
_MOST_VALUES = 20
_SHOWN_VALUES = 8


@dataclass(frozen=True)
class Segment:
    """A way to part the held-out clicks: `codes` (m,) int64 give each click's place in `values`, −1 for none."""

    name: str
    values: tuple[str, ...]
    codes: np.ndarray


def popularity_thirds(clicks: np.ndarray) -> np.ndarray:
    """0 head, 1 torso, 2 tail for every article, from its train clicks: (n_articles,) int64.

    The head is the fewest articles that gather a third of all train clicks, the torso the next third, the tail the
    rest, articles without clicks included. Ties go to the lower row.
    """
    order = np.argsort(-clicks, kind="stable")
    before = np.cumsum(clicks[order]) - clicks[order]
    thirds = np.empty(len(clicks), np.int64)
    thirds[order] = np.where(clicks[order] > 0, 3 * before // max(clicks.sum(), 1), 2)
    return thirds


def age_bins(time: np.ndarray, ctime: np.ndarray) -> np.ndarray:
    """0 for an article under 6 h old when clicked, 1 up to 24 h, 2 up to 3 days, 3 older; −1 where a time (ms) is 0."""
    bins = np.searchsorted(np.array([6, 24, 72]) * _HOUR, time - ctime, side="right")
    return np.where((time > 0) & (ctime > 0), bins, -1)


def activity_bins(train_clicks: np.ndarray) -> np.ndarray:
    """0 for a user without train clicks, 1 for 1–4, 2 for 5–19, 3 for 20 and more."""
    return np.searchsorted([1, 5, 20], train_clicks, side="right")


def attribute_segment(name: str, column: pd.Series, rows: np.ndarray) -> Segment | None:
    """The held-out clicks by an attribute: `column` of a table, `rows` (m,) of it. None unless it has 2 to 20 values.

    The 8 values with the most held-out clicks are kept, most first.
    """
    if not 2 <= column.iloc[1:].nunique() <= _MOST_VALUES:
        return None
    frequent = tuple(column.iloc[rows].value_counts().index[:_SHOWN_VALUES])
    return Segment(name, frequent, pd.Index(frequent).get_indexer(column.iloc[rows]))


def segments_of(
    held_out: pd.DataFrame,
    users: pd.DataFrame,
    articles: pd.DataFrame,
    article_clicks: np.ndarray,
    user_clicks: np.ndarray,
) -> Iterator[Segment]:
    """Every way to part the held-out clicks that the dataset allows.

    `held_out` has user, article, time (ms, 0 unknown) and warm; `users` and `articles` are the dataset's tables;
    `article_clicks` and `user_clicks` count the train clicks of each of their rows.
    """
    user, article = held_out["user"].to_numpy(), held_out["article"].to_numpy()
    yield Segment("article popularity", ("head", "torso", "tail"), popularity_thirds(article_clicks)[article])
    yield Segment("article in train", ("warm", "cold"), np.where(held_out["warm"], 0, 1))
    ages = age_bins(held_out["time"].to_numpy(), articles["ctime"].to_numpy()[article])
    if (ages >= 0).any():
        yield Segment("article age", ("under 6 h", "6–24 h", "1–3 days", "over 3 days"), ages)
    yield Segment("user train clicks", ("0", "1–4", "5–19", "20+"), activity_bins(user_clicks)[user])
    for side, table, rows in (("user", users, user), ("article", articles, article)):
        for column in table.columns.difference([f"{side}_id", "title", "ctime"], sort=False):
            segment = attribute_segment(f"{side} {column}", table[column], rows)
            if segment is not None:
                yield segment


def segment_recall(
    segments: list[Segment], held_out: pd.DataFrame, ks: list[int], resamples: int, rng: np.random.Generator
) -> list[dict]:
    """Recall@k of each value of the segments, pooled over its held-out clicks, with a bootstrap interval over users.

    Returns dicts {"segment", "value", "held_out_clicks", "recall@k": {"value", "low", "high"}, …}, as metrics.json
    holds them.
    """
    _, owner = np.unique(held_out["user"], return_inverse=True)
    n_users = owner.max(initial=-1) + 1
    ranks = held_out["list_rank"].to_numpy()
    labels = [(segment, code) for segment in segments for code in range(len(segment.values))]
    members = [segment.codes == code for segment, code in labels]
    held = _per_user(members, owner, n_users)
    intervals = {}
    for k in ks:
        found = (ranks > 0) & (ranks <= k)
        hits = _per_user([member & found for member in members], owner, n_users)
        intervals[k] = np.column_stack(bootstrap_ratios(hits, held, resamples, rng))
    return [
        {
            "segment": segment.name,
            "value": str(segment.values[code]),
            "held_out_clicks": int(held[:, column].sum()),
            **{f"recall@{k}": as_json(*intervals[k][column]) for k in ks},
        }
        for column, (segment, code) in enumerate(labels)
        if held[:, column].any()
    ]


def segment_recall_of_seeds(segment: Segment, held_outs: list[pd.DataFrame], k: int) -> list[dict]:
    """The same of runs that differ by their seed alone, for one segment and K: the mean of the seeds, with an interval
    over users and seeds.

    `held_outs` hold the same clicks in the same order.
    """
    _, owner = np.unique(held_outs[0]["user"], return_inverse=True)
    n_users = owner.max(initial=-1) + 1
    members = [segment.codes == code for code in range(len(segment.values))]
    held = _per_user(members, owner, n_users)
    ranks = [table["list_rank"].to_numpy() for table in held_outs]
    hits = [_per_user([member & (rank > 0) & (rank <= k) for member in members], owner, n_users) for rank in ranks]
    intervals = np.column_stack(two_way_ratios(np.stack(hits), held))
    told = {"segment": segment.name}
    return [
        told | {"value": str(value), "held_out_clicks": int(clicks), f"recall@{k}": as_json(*interval)}
        for value, clicks, interval in zip(segment.values, held.sum(axis=0), intervals, strict=True)
        if clicks
    ]


def _per_user(members: list[np.ndarray], owner: np.ndarray, n_users: int) -> np.ndarray:
    """How many of each user's clicks are in each of `members`: (n_users, len(members)) int64."""
    return np.column_stack([np.bincount(owner[member], minlength=n_users) for member in members])
