"""Ways to draw negatives: articles taken as not clicked. Each states its q(a), for the losses to correct by."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.config import NegativesConfig
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.popularity import Popularity, train_clicks
from dssm_core.split import Split

_MAX_REPEATS = 50

Sample = Callable[[int, np.random.Generator], np.ndarray]
"""(size, rng) → int32 article rows, drawn independently from q."""


@dataclass(frozen=True)
class TrainCounts:
    """What the strategies know of train.

    `pool`: C, the articles of the training period, ascending int32. `exposures` n(a) and `clicks` c(a): (articles,)
    int64. `clicked`: each user's train clicks; `exposed`: what each user was shown in train and never clicked there.
    """

    pool: np.ndarray
    exposures: np.ndarray
    clicks: np.ndarray
    clicked: UserArticles
    exposed: UserArticles


@dataclass(frozen=True)
class Draws:
    """Negatives drawn for rows of users.

    `articles` (n, k) int32; 0 means that this row has no such negative (`funrec_mix` spreads k draws per user over the
    user's rows; or the user has clicked every article that could be drawn). `repeated` counts the draws that hit one of
    the user's own clicks and were drawn again; `topped_up` those that the strategy itself could not supply.
    """

    articles: np.ndarray
    repeated: int = 0
    topped_up: int = 0

    @property
    def drawn(self) -> int:
        """Number of negatives."""
        return int((self.articles > 0).sum())


@dataclass(frozen=True)
class Strategy:
    """A way to draw negatives.

    `probability`: q(a), (articles,) float64 summing to 1: the chance that one draw for a user picked by their clicks
    is a, before own clicks are drawn again. `draw(users (n,), k, rng)` draws for each row of users. `sample` draws
    from q whoever the user is, for sets shared by a batch; None where draws depend on the user. `in_batch`: training
    takes the batch's other positives instead of drawing.
    """

    probability: np.ndarray
    draw: Callable[[np.ndarray, int, np.random.Generator], Draws]
    sample: Sample | None
    in_batch: bool = False


def count_train(dataset: Dataset, split: Split) -> TrainCounts:
    """Count exposures and clicks of the train rows."""
    users, articles = dataset.exposures.user[split.train], dataset.exposures.article[split.train]
    clicked, popularity = train_clicks(dataset, split), Popularity.in_train(dataset, split)
    never = ~dataset.exposures.click[split.train]
    never[never] = ~clicked.contains(users[never], articles[never])
    exposed = UserArticles.from_pairs(users[never], articles[never], len(dataset.users), len(dataset.articles))
    return TrainCounts(split.train_pool, popularity.exposures, popularity.clicks, clicked, exposed)


def make_strategy(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The strategy that the config names, ready to draw."""
    return STRATEGIES[config.strategy](counts, config)


def uniform(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """q ∝ 1 over C: global random negatives."""
    probability = np.zeros(len(counts.exposures))
    probability[counts.pool] = 1 / len(counts.pool)
    return _independent(counts, probability, lambda size, rng: counts.pool[rng.integers(len(counts.pool), size=size)])


def popularity(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """q ∝ n(a)^α: popular articles oversampled as negatives; α = 0.75 is word2vec's (Mikolov et al., 2013)."""
    weight = counts.exposures.astype(np.float64) ** config.alpha * (counts.exposures > 0)
    return _from_weights(counts, weight)


def ralm(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """q = (ln(r+2) − ln(r+1)) / ln(|C|+1), r = 0 for the most exposed: log-uniform by rank (RALM; Liu et al., 2019)."""
    return _log_uniform(counts, _by_exposures(counts))


def suppressed(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """`ralm` with ranks reversed: the more exposed an article, the less often it is drawn (fun-rec's description)."""
    return _log_uniform(counts, _by_exposures(counts)[::-1])


def exposed(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The user's own exposed-but-not-clicked articles; users with fewer than k of them are topped up from `uniform`."""
    fill = uniform(counts, config)
    q_exposed, share_topped_up = _exposed_probability(counts, config.k)

    def draw(users: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        articles = _stratified(counts.exposed, users, k, rng)
        rows, columns = np.nonzero(articles == 0)
        extra = fill.draw(users[rows], 1, rng)
        articles[rows, columns] = extra.articles[:, 0]
        return Draws(articles, extra.repeated, extra.drawn)

    return Strategy(q_exposed + share_topped_up * fill.probability, draw, None)


def funrec_mix(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """fun-rec's recipe: one exposed-not-clicked article a click, plus k rank-based (`ralm`) draws a user.

    Drawn for one epoch's rows at a time: (n, 1 + k), where the k draws of a user are spread over the user's rows.
    """
    own, ranked = exposed(counts, config.model_copy(update={"k": 1})), ralm(counts, config)
    clicks = counts.clicked.counts().sum()
    ranked_share = config.k * (counts.clicked.counts() > 0).sum()
    mixed = (clicks * own.probability + ranked_share * ranked.probability) / (clicks + ranked_share)

    def draw(users: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        first = own.draw(users, 1, rng)
        rows, columns = _spread(users, k)
        rest = ranked.draw(users[rows], 1, rng)
        articles = np.zeros((len(users), 1 + k), np.int32)
        articles[:, :1] = first.articles
        articles[rows, 1 + columns] = rest.articles[:, 0]
        return Draws(articles, first.repeated + rest.repeated, first.topped_up)

    return Strategy(mixed, draw, None)


def in_batch(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The other positives of the batch, q ∝ c(a): a negative as often as it is clicked (Yi et al., 2019)."""
    drawn = _from_weights(counts, counts.clicks.astype(np.float64))
    return Strategy(drawn.probability, drawn.draw, None, in_batch=True)


STRATEGIES: dict[str, Callable[[TrainCounts, NegativesConfig], Strategy]] = {
    "uniform": uniform,
    "popularity": popularity,
    "ralm": ralm,
    "suppressed": suppressed,
    "exposed": exposed,
    "funrec_mix": funrec_mix,
    "in_batch": in_batch,
}


def _independent(counts: TrainCounts, probability: np.ndarray, sample: Sample) -> Strategy:
    """A strategy whose draws do not depend on the user, but for the user's own clicks."""

    def draw(users: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        articles = sample(len(users) * k, rng).reshape(len(users), k)
        return _repeat_own_clicks(articles, users, counts.clicked, probability, sample, rng)

    return Strategy(probability, draw, sample)


def _from_weights(counts: TrainCounts, weight: np.ndarray) -> Strategy:
    if not weight.any():
        raise UserError("no article can be drawn as a negative: train has no exposures to count")
    probability = weight / weight.sum()
    articles = np.flatnonzero(weight).astype(np.int32)
    cumulative = np.cumsum(probability[articles])

    def sample(size: int, rng: np.random.Generator) -> np.ndarray:
        # the last step of the cumulative sum may round to just below 1
        place = np.searchsorted(cumulative, rng.random(size), side="right")
        return articles[np.minimum(place, len(articles) - 1)]

    return _independent(counts, probability, sample)


def _by_exposures(counts: TrainCounts) -> np.ndarray:
    """C, most exposed first; ties keep the order of the table."""
    return counts.pool[np.argsort(-counts.exposures[counts.pool], kind="stable")]


def _log_uniform(counts: TrainCounts, ranked: np.ndarray) -> Strategy:
    ranks = np.arange(len(ranked))
    probability = np.zeros(len(counts.exposures))
    probability[ranked] = (np.log(ranks + 2) - np.log(ranks + 1)) / np.log(len(ranked) + 1)

    def sample(size: int, rng: np.random.Generator) -> np.ndarray:
        # the inverse of the distribution function ln(r+2) / ln(|C|+1)
        rank = np.exp(rng.random(size) * np.log(len(ranked) + 1)).astype(np.int64) - 1
        return ranked[np.clip(rank, 0, len(ranked) - 1)]

    return _independent(counts, probability, sample)


def _repeat_own_clicks(
    articles: np.ndarray,
    users: np.ndarray,
    clicked: UserArticles,
    probability: np.ndarray,
    sample: Sample,
    rng: np.random.Generator,
) -> Draws:
    """Draw again, in place, whatever hit one of the user's own clicks."""
    own = np.nonzero(clicked.contains(users[:, None], articles))
    repeated = 0
    for _ in range(_MAX_REPEATS):
        if not len(own[0]):
            break
        repeated += len(own[0])
        articles[own] = sample(len(own[0]), rng)
        still = clicked.contains(users[own[0]], articles[own])
        own = (own[0][still], own[1][still])
    for row, column in zip(*own, strict=True):
        articles[row, column] = _outside(clicked.of(users[row]), probability, rng)
    return Draws(articles, repeated)


def _outside(own: np.ndarray, probability: np.ndarray, rng: np.random.Generator) -> int:
    """One exact draw from q without the articles `own`, for users who clicked nearly all that can be drawn; else 0."""
    left = probability.copy()
    left[own] = 0
    total = left.sum()
    return int(rng.choice(len(left), p=left / total)) if total > 0 else 0


def _stratified(sets: UserArticles, users: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
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


def _exposed_probability(counts: TrainCounts, k: int) -> tuple[np.ndarray, float]:
    """What the own exposed-not-clicked articles add to q when k are drawn, and the share that must be topped up."""
    clicks = counts.clicked.counts() / max(1, counts.clicked.counts().sum())
    sizes = counts.exposed.counts()
    own = np.minimum(sizes, k) / k
    share = np.repeat(clicks * own / np.maximum(sizes, 1), sizes)
    probability = np.bincount(counts.exposed.articles, weights=share, minlength=len(counts.exposures))
    return probability, float((clicks * (1 - own)).sum())


def _spread(users: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places (row, column) that give each distinct user k draws, spread as evenly as can be over the user's rows."""
    order = np.argsort(users, kind="stable")
    _, first, counts = np.unique(users[order], return_index=True, return_counts=True)
    draws = np.tile(np.arange(k), len(first))
    owner = np.repeat(np.arange(len(first)), k)
    return order[first[owner] + draws % counts[owner]], draws // counts[owner]
