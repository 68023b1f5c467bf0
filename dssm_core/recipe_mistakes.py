"""The mistakes of fun-rec's published DSSM recipe as pure functions, each beside the right way.

Source of all: Datawhale, fun-rec, the chapter on two-tower recall (section "代码实现"), as published in docs/ch02 of
https://github.com/datawhalechina/fun-rec. What the chapter does is told in words; no code of it is here.
"""

from collections.abc import Callable

import numpy as np

DROPPED = 30
"""How many of a user's first clicks the recipe takes off the list of articles that are not drawn as negatives."""


def cosines(distances: np.ndarray) -> np.ndarray:
    """Cosines from Annoy's angular distances, of any shape: 1 − d²/2. A distance is small where two are alike."""
    return 1 - distances**2 / 2


def farthest_first(articles: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Recall lists (n, K) as the recipe orders them: by distance, largest first. Right: smallest first.

    The K articles are the same; only a shorter cut of the list, or a metric that looks at places, can tell.
    """
    return np.take_along_axis(articles, np.argsort(-distances, axis=1, kind="stable"), axis=1)


def merged(channels: list[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
    """The best `k` articles of several channels, as fun-rec's next stage merges them: (n, k), 0 at empty places.

    A channel is (articles (n, K) with 0 at empty places, scores (n, K)), row i of each for the same user. Scores are
    put to 0..1 within each user's list and channel, and summed by article: so they must be similarities. Where
    distances are handed on as scores, the farthest article of a list gets 1 and the nearest 0.
    """
    articles = np.hstack([articles for articles, _ in channels])
    scores = np.hstack([_min_max_rows(scores, articles > 0) for articles, scores in channels])
    order = np.argsort(articles, axis=1, kind="stable")
    articles, scores = (np.take_along_axis(side, order, axis=1) for side in (articles, scores))
    first = np.diff(articles, axis=1, prepend=-1) > 0
    owner = np.cumsum(first.ravel()) - 1
    totals = np.zeros(articles.shape)
    totals[first] = np.bincount(owner, scores.ravel())
    totals[~first | (articles == 0)] = -1
    best = np.argsort(-totals, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(totals, best, axis=1) >= 0, np.take_along_axis(articles, best, axis=1), 0)


def _min_max_rows(scores: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Each row's scores put to 0..1 over its filled places, 0 at the others; 1 where all of a row are equal."""
    low = np.where(filled, scores, np.inf).min(axis=1, keepdims=True)
    high = np.where(filled, scores, -np.inf).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(filled, np.where(high > low, (scores - low) / (high - low), 1.0), 0.0)


def still_excluded(users: np.ndarray, dropped: int = DROPPED) -> np.ndarray:
    """Which of the users' clicks the recipe still keeps from being drawn as their own negatives: (m,) bool.

    `users` (m,): the user of each distinct clicked article, in the order of the log. Of a user with `dropped` clicks or
    more, the first `dropped` are left out of the exclusion list. Right: all are kept.
    """
    order = np.argsort(users, kind="stable")
    ordered = users[order]
    clicks = np.bincount(users)[users]
    nth = np.empty(len(users), np.int64)
    nth[order] = np.arange(len(users)) - np.searchsorted(ordered, ordered)
    return (clicks < dropped) | (nth >= dropped)


def own_click_shares(q: np.ndarray, users: np.ndarray, articles: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """For each user the expected share of negatives that are articles they clicked: (users.max() + 1,) float64.

    `q` (articles,): the probability of a draw; `users`, `articles`, `excluded` (m,): each distinct click, and whether
    a draw of it is repeated. The share is Σ q over the clicks not excluded ÷ (1 − Σ q over the excluded).
    """
    left = np.bincount(users, np.where(excluded, 0, q[articles]))
    repeated = np.bincount(users, np.where(excluded, q[articles], 0))
    return left / (1 - repeated)


def shifted_rows(ids: np.ndarray) -> np.ndarray:
    """For each row of a table the row whose attributes the recipe joins to it: (n,) int64, −1 for the first id.

    An encoder numbers ids in their sorted order from 0. The recipe adds 1 to the numbers of the profiles and not to
    those of the log, so that each log row meets the profile before its own. Right: each row its own.
    """
    order = np.argsort(ids, kind="stable")
    rows = np.full(len(ids), -1, np.int64)
    rows[order[1:]] = order[:-1]
    return rows


def read_by_name(cache: dict, name: str, make: Callable, **parameters: object) -> object:
    """What the recipe's cache gives: what was first kept under `name`, whatever it is asked for now."""
    if name not in cache:
        cache[name] = make(**parameters)
    return cache[name]


def read_by_parameters(cache: dict, name: str, make: Callable, **parameters: object) -> object:
    """The right way: what was kept for these very parameters ((key, hashable value) each), else made anew."""
    key = (name, *sorted(parameters.items()))
    if key not in cache:
        cache[key] = make(**parameters)
    return cache[key]


def scaled(values: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
    """`values` put to the range that `fitted_on` spans: (v − min) / (max − min).

    The recipe fits on train and test together. Right: on train alone, where test values may then leave 0..1.
    """
    low, high = fitted_on.min(), fitted_on.max()
    return (values - low) / max(high - low, np.finfo(np.float64).tiny)
