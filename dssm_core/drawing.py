"""How strategies draw: from weights, by rank, from sets; and again where a draw hit one of the user's own clicks."""

from collections.abc import Callable

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.errors import UserError
from dssm_core.strategy import Draw, Draws, Sample, Strategy

_MAX_REPEATS = 50

DrawOne = Callable[[np.ndarray, np.ndarray, np.random.Generator], Draws]
"""(users (n,), positives (n,), rng) → one negative for each click, (n, 1)."""

Again = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(rows, rng) → one new draw for each of these rows."""

Last = Callable[[int, np.random.Generator], int]
"""(row, rng) → one exact draw outside the user's own clicks, 0 where there is none."""


def independent(clicked: UserArticles, probability: np.ndarray, sample: Sample) -> Strategy:
    """A strategy whose draws from `probability` do not depend on the click, but for the user's own clicks."""

    def draw(users: np.ndarray, positives: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        articles = sample(len(users) * k, rng).reshape(len(users), k)
        repeated = repeat_own_clicks(
            articles,
            users,
            clicked,
            lambda rows, rng: sample(len(rows), rng),
            lambda row, rng: _outside(clicked.of(users[row]), probability, rng),
            rng,
        )
        return Draws(articles, repeated)

    return Strategy(probability, draw, sample)


def from_weights(clicked: UserArticles, weight: np.ndarray) -> Strategy:
    """q ∝ `weight` (articles,); a UserError where all are 0."""
    if not weight.any():
        raise UserError("no article can be drawn as a negative: train has no exposures to count")
    probability = weight / weight.sum()
    articles = np.flatnonzero(weight).astype(np.int32)
    cumulative = np.cumsum(probability[articles])

    def sample(size: int, rng: np.random.Generator) -> np.ndarray:
        # the last step of the cumulative sum may round to just below 1
        place = np.searchsorted(cumulative, rng.random(size), side="right")
        return articles[np.minimum(place, len(articles) - 1)]

    return independent(clicked, probability, sample)


def log_uniform(clicked: UserArticles, ranked: np.ndarray) -> Strategy:
    """q = (ln(r+2) − ln(r+1)) / ln(n+1) for the article at rank r = 0, 1, … of the n `ranked`."""
    ranks = np.arange(len(ranked))
    probability = np.zeros(clicked.n_articles)
    probability[ranked] = (np.log(ranks + 2) - np.log(ranks + 1)) / np.log(len(ranked) + 1)

    def sample(size: int, rng: np.random.Generator) -> np.ndarray:
        # the inverse of the distribution function ln(r+2) / ln(n+1)
        rank = np.exp(rng.random(size) * np.log(len(ranked) + 1)).astype(np.int64) - 1
        return ranked[np.clip(rank, 0, len(ranked) - 1)]

    return independent(clicked, probability, sample)


def singly(one: DrawOne) -> Draw:
    """k draws a click as k single ones, whose q does not depend on k."""

    def draw(users: np.ndarray, positives: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        drawn = one(np.repeat(users, k), np.repeat(positives, k), rng)
        return Draws(drawn.articles.reshape(len(users), k), drawn.repeated, drawn.topped_up)

    return draw


def from_sets(
    sets: UserArticles, group_of: Callable[[np.ndarray, np.ndarray], np.ndarray], clicked: UserArticles, fill: Strategy
) -> DrawOne:
    """(users, positives, rng) → one draw a click from the set of its group, (n, 1); from `fill` where that has none.

    `group_of(users, positives)` says which set each click draws from; all of its articles have the same chance.
    """

    def draw(users: np.ndarray, positives: np.ndarray, rng: np.random.Generator) -> Draws:
        groups = group_of(users, positives)
        articles = pick(sets, groups, rng)[:, None]
        _leave_out_where_all_is_clicked(articles, users, groups, sets, clicked)
        repeated = repeat_own_clicks(
            articles,
            users,
            clicked,
            lambda rows, rng: pick(sets, groups[rows], rng),
            lambda row, rng: _any_of(np.setdiff1d(sets.of(groups[row]), clicked.of(users[row])), rng),
            rng,
        )
        return top_up(Draws(articles, repeated), users, positives, fill, rng)

    return draw


def _leave_out_where_all_is_clicked(
    articles: np.ndarray, users: np.ndarray, groups: np.ndarray, sets: UserArticles, clicked: UserArticles
) -> None:
    """Put 0, in place, for the draws (n, 1) of clicks whose user clicked the whole set: repeating them is in vain."""
    hit = np.flatnonzero(clicked.contains(users, articles[:, 0]))
    place, own = clicked.flat(users[hit])
    within = np.bincount(place, sets.contains(groups[hit][place], own), len(hit))
    articles[hit[within == sets.counts()[groups[hit]]]] = 0


def pick(sets: UserArticles, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One article of each group's set, (n,) int32, all alike; 0 for an empty set."""
    size = sets.start[groups + 1] - sets.start[groups]
    articles = np.zeros(len(groups), np.int32)
    some = size > 0
    place = (rng.random(len(groups)) * size).astype(np.int64)
    articles[some] = sets.articles[(sets.start[groups] + place)[some]]
    return articles


def stratified(sets: UserArticles, users: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k articles of each row's own set, (n, k) int32: one from each k-th of the set; all of a smaller set, then 0.

    Every article of the set has the same chance, and a row rarely holds the same article twice.
    """
    size = (sets.start[users + 1] - sets.start[users])[:, None]
    strata = ((np.arange(k) + rng.random((len(users), k))) * (size / k)).astype(np.int64)
    place = np.where(size >= k, np.minimum(strata, size - 1), np.arange(k))
    within = place < size
    articles = np.zeros((len(users), k), np.int32)
    articles[within] = sets.articles[(sets.start[users][:, None] + place)[within]]
    return articles


def top_up(draws: Draws, users: np.ndarray, positives: np.ndarray, fill: Strategy, rng: np.random.Generator) -> Draws:
    """`draws` with every empty place filled, in place, from `fill`, and counted as topped up."""
    rows, columns = np.nonzero(draws.articles == 0)
    extra = fill.draw(users[rows], positives[rows], 1, rng)
    draws.articles[rows, columns] = extra.articles[:, 0]
    return Draws(draws.articles, draws.repeated + extra.repeated, draws.topped_up + extra.drawn)


def repeat_own_clicks(
    articles: np.ndarray, users: np.ndarray, clicked: UserArticles, again: Again, last: Last, rng: np.random.Generator
) -> int:
    """Draw again, in place, whatever of `articles` (n, k) hit one of the user's own clicks; returns how often.

    A row that still hits one after many repeats gets its exact `last` draw.
    """
    rows, columns = np.nonzero(clicked.contains(users[:, None], articles))
    repeated = 0
    for _ in range(_MAX_REPEATS):
        if not len(rows):
            return repeated
        repeated += len(rows)
        articles[rows, columns] = again(rows, rng)
        still = clicked.contains(users[rows], articles[rows, columns])
        rows, columns = rows[still], columns[still]
    for row, column in zip(rows, columns, strict=True):
        articles[row, column] = last(row, rng)
    return repeated


def spread(users: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places (row, column) that give each distinct user k draws, spread as evenly as can be over the user's rows."""
    order = np.argsort(users, kind="stable")
    _, first, counts = np.unique(users[order], return_index=True, return_counts=True)
    draws = np.tile(np.arange(k), len(first))
    owner = np.repeat(np.arange(len(first)), k)
    return order[first[owner] + draws % counts[owner]], draws // counts[owner]


def _outside(own: np.ndarray, probability: np.ndarray, rng: np.random.Generator) -> int:
    """One exact draw from q without the articles `own`, for users who clicked nearly all that can be drawn; else 0."""
    left = probability.copy()
    left[own] = 0
    total = left.sum()
    return int(rng.choice(len(left), p=left / total)) if total > 0 else 0


def _any_of(articles: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.choice(articles)) if len(articles) else 0
