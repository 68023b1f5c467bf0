"""Ways to draw negatives: articles taken as not clicked. Each states its q(a), for the losses to correct by."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from dssm_core.blending import blended
from dssm_core.clicks import UserArticles
from dssm_core.config import NegativesConfig
from dssm_core.dataset import UNKNOWN
from dssm_core.drawing import from_sets, from_weights, independent, log_uniform, singly, spread, stratified, top_up
from dssm_core.errors import UserError, unknown_name
from dssm_core.mining import hard_articles
from dssm_core.strategy import Draws, Strategy
from dssm_core.subsampling import keep_probability
from dssm_core.train_counts import TrainCounts

_NO_GROUPS = ("article_id", "user_id", "title", "ctime", "key_words")
"""Columns whose values do not put articles together."""


def make_strategy(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The strategy that the config names, with the second one blended in, ready to draw.

    A UserError where the log cannot supply it, or where the pool is smaller than the draws.
    """
    strategy = STRATEGIES[config.strategy](counts, config)
    if config.blend:
        # blended strategies draw one negative at a time
        one = config.model_copy(update={"k": 1})
        strategy = blended(STRATEGIES[config.strategy](counts, one), _second(counts, one), config.blend_share)
    _check_pool(strategy, counts, config)
    return strategy


def _second(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    try:
        return STRATEGIES[config.blend](counts, config)
    except UserError as error:
        raise UserError(f"{error}; here {config.blend} is blended in: negatives.blend=none leaves it out") from None


def uniform(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """q ∝ 1 over C: global random negatives."""
    probability = np.zeros(len(counts.exposures))
    probability[counts.pool] = 1 / len(counts.pool)
    return independent(
        counts.clicked, probability, lambda size, rng: counts.pool[rng.integers(len(counts.pool), size=size)]
    )


def popularity(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """q ∝ n(a)^α: popular articles oversampled as negatives; α = 0.75 is word2vec's (Mikolov et al., 2013)."""
    return from_weights(counts.clicked, counts.exposures.astype(np.float64) ** config.alpha * (counts.exposures > 0))


def ralm(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """q = (ln(r+2) − ln(r+1)) / ln(|C|+1), r = 0 for the most exposed: log-uniform by rank (RALM; Liu et al., 2019)."""
    return log_uniform(counts.clicked, _by_exposures(counts))


def suppressed(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """`ralm` with ranks reversed: the more exposed an article, the less often it is drawn (fun-rec's description)."""
    return log_uniform(counts.clicked, _by_exposures(counts)[::-1])


def exposed(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The user's own exposed-but-not-clicked articles; users with fewer than k of them are topped up from `uniform`."""
    if not len(counts.exposed.articles):
        raise UserError(
            "the log has no exposure without a click in train, which negatives.strategy exposed and funrec_mix draw "
            "from: set negatives.strategy=uniform or in_batch, or bring a log of exposures, not of clicks alone"
        )
    fill = uniform(counts, config)
    q_exposed, share_topped_up = _exposed_probability(counts, config.k)

    def draw(users: np.ndarray, positives: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        return top_up(Draws(stratified(counts.exposed, users, k, rng)), users, positives, fill, rng)

    return Strategy(q_exposed + share_topped_up * fill.probability, draw, None)


def funrec_mix(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """fun-rec's recipe: one exposed-not-clicked article a click, plus k rank-based (`ralm`) draws a user.

    Drawn for one epoch's clicks at a time: (n, 1 + k), where the k draws of a user are spread over the user's clicks.
    """
    own, ranked = exposed(counts, config.model_copy(update={"k": 1})), ralm(counts, config)
    clicks = counts.clicked.counts().sum()
    ranked_share = config.k * (counts.clicked.counts() > 0).sum()
    mixed_q = (clicks * own.probability + ranked_share * ranked.probability) / (clicks + ranked_share)

    def draw(users: np.ndarray, positives: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        first = own.draw(users, positives, 1, rng)
        rows, columns = spread(users, k)
        rest = ranked.draw(users[rows], positives[rows], 1, rng)
        articles = np.zeros((len(users), 1 + k), np.int32)
        articles[:, :1] = first.articles
        articles[rows, 1 + columns] = rest.articles[:, 0]
        return Draws(articles, first.repeated + rest.repeated, first.topped_up)

    return Strategy(mixed_q, draw, None, extra=1)


def same_attribute(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """Articles that share an attribute with the clicked one, or that were clicked by users who share one with the user.

    The business-rule hard negative (same market: Grbovic & Cheng, KDD 2018). All articles of a group have the same
    chance; clicks without a value, or whose user clicked the whole group, are topped up from `uniform`.
    """
    sets, group_of, clicks = _groups(counts, config.attribute)
    if sets.counts().max() < 2:
        raise UserError(
            f"negatives.attribute {config.attribute} puts no two articles of the train pool together, so that "
            "same_attribute has nothing to draw: set another attribute, or negatives.strategy=uniform"
        )
    fill = uniform(counts, config)
    one = from_sets(sets, group_of, counts.clicked, fill)
    q_sets, share_topped_up = _sets_probability(sets, clicks)
    return Strategy(q_sets + share_topped_up * fill.probability, singly(one), None)


def mined(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """Articles that an earlier run ranks between a and b for the user, a share of them among `uniform` ones.

    EBR's hard mining (Huang et al., KDD 2020, section 6.1.1; Fan et al., MOBIUS, KDD 2019).
    """
    if counts.earlier is None:
        raise UserError("negatives.strategy mined needs an earlier run: set negatives.run to the id of one")
    sets = hard_articles(counts.earlier, counts.clicked, counts.pool, config.rank_from, config.rank_to)
    fill = uniform(counts, config)
    one = from_sets(sets, lambda users, positives: users, counts.clicked, fill)
    clicks = np.zeros(len(sets.start) - 1)
    clicks[counts.earlier.users] = counts.clicked.counts()[counts.earlier.users]
    q_sets, share_topped_up = _sets_probability(sets, clicks)
    hard = Strategy(q_sets + share_topped_up * fill.probability, singly(one), None)
    return blended(fill, hard, config.hard_share)


def in_batch(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The other positives of the batch, q ∝ c(a): a negative as often as it is clicked (Yi et al., 2019)."""
    weight = counts.clicks * keep_probability(counts.clicks, config.subsample)
    drawn = from_weights(counts.clicked, weight)
    return Strategy(drawn.probability, drawn.draw, None, in_batch=True)


def in_batch_streaming(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """`in_batch` whose q is estimated on the fly from how many steps pass between two clicks (Yi et al., 2019)."""
    return replace(in_batch(counts, config), streaming=True)


def mixed(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """`in_batch` and a uniform set shared by the batch, q the mixture (mixed negative sampling; Yang et al., 2020)."""
    return blended(in_batch(counts, config), uniform(counts, config), config.blend_share)


def cross_batch(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """`in_batch` and a FIFO memory of the last batches' article vectors (Wang et al., SIGIR 2021).

    The memory's vectors get no gradient; the step multiplies that of the batch's articles in their stead.
    """
    return replace(in_batch(counts, config), memory=config.memory)


def in_batch_hard(counts: TrainCounts, config: NegativesConfig) -> Strategy:
    """The hardest of the `in_batch` negatives: those of the highest logit after correction and masking."""
    return replace(in_batch(counts, config), hardest=config.hardest)


STRATEGIES: dict[str, Callable[[TrainCounts, NegativesConfig], Strategy]] = {
    "uniform": uniform,
    "popularity": popularity,
    "ralm": ralm,
    "suppressed": suppressed,
    "exposed": exposed,
    "funrec_mix": funrec_mix,
    "same_attribute": same_attribute,
    "mined": mined,
    "in_batch": in_batch,
    "in_batch_streaming": in_batch_streaming,
    "mixed": mixed,
    "cross_batch": cross_batch,
    "in_batch_hard": in_batch_hard,
}


def _check_pool(strategy: Strategy, counts: TrainCounts, config: NegativesConfig) -> None:
    """Refuse more negatives a click than there are articles; a set shared by a batch may well hold some twice."""
    if not strategy.in_batch and not config.shared and config.k >= len(counts.pool):
        raise UserError(
            f"negatives.k={config.k} draws from a pool of only {len(counts.pool)} articles: "
            "lower negatives.k, or set negatives.strategy=in_batch"
        )


def _by_exposures(counts: TrainCounts) -> np.ndarray:
    """C, most exposed first; ties keep the order of the table."""
    return counts.pool[np.argsort(-counts.exposures[counts.pool], kind="stable")]


def _exposed_probability(counts: TrainCounts, k: int) -> tuple[np.ndarray, float]:
    """What the own exposed-not-clicked articles add to q when k are drawn, and the share that must be topped up."""
    clicks = counts.clicked.counts() / max(1, counts.clicked.counts().sum())
    sizes = counts.exposed.counts()
    own = np.minimum(sizes, k) / k
    share = np.repeat(clicks * own / np.maximum(sizes, 1), sizes)
    probability = np.bincount(counts.exposed.articles, weights=share, minlength=len(counts.exposures))
    return probability, float((clicks * (1 - own)).sum())


def _groups(
    counts: TrainCounts, attribute: str
) -> tuple[UserArticles, Callable[[np.ndarray, np.ndarray], np.ndarray], np.ndarray]:
    """Each value's articles, (users, positives) → the values' numbers, and the train clicks of each value.

    Number 0 is "unknown", whose set is empty. An attribute of articles goes before one of users.
    """
    n_articles = counts.clicked.n_articles
    known = [name for name in (*counts.articles, *counts.users) if name not in _NO_GROUPS]
    if not known:
        raise UserError(
            "the log has no attribute of articles or users for negatives.strategy same_attribute to draw by: set "
            "negatives.strategy=uniform or in_batch"
        )
    if attribute not in known:
        raise unknown_name(
            "attribute of articles or users, which negatives.strategy same_attribute draws by,", attribute, known
        )
    if attribute in counts.articles:
        codes, n_values = _codes(counts.articles[attribute])
        in_group = counts.pool[codes[counts.pool] > 0]
        sets = UserArticles.from_pairs(codes[in_group], in_group, n_values, n_articles)
        return sets, lambda users, positives: codes[positives], np.bincount(codes, counts.clicks, n_values)
    codes, n_values = _codes(counts.users[attribute])
    clicks = counts.clicked.counts()
    group, article = codes[np.repeat(np.arange(len(clicks)), clicks)], counts.clicked.articles
    sets = UserArticles.from_pairs(group[group > 0], article[group > 0], n_values, n_articles)
    return sets, lambda users, positives: codes[users], np.bincount(codes, clicks, n_values)


def _codes(column: pd.Series) -> tuple[np.ndarray, int]:
    """Each value's number, 0 for "unknown" (which row 0 of every table is), and how many numbers there are."""
    codes, values = pd.factorize(column.where(~column.isin(["", UNKNOWN]), UNKNOWN))
    return codes, len(values)


def _sets_probability(sets: UserArticles, clicks: np.ndarray) -> tuple[np.ndarray, float]:
    """What draws from each group's set add to q when a group is picked by its `clicks`, and the share of empty sets."""
    share = clicks / max(1, clicks.sum())
    sizes = sets.counts()
    each = np.repeat(share / np.maximum(sizes, 1), sizes)
    probability = np.bincount(sets.articles, weights=each, minlength=sets.n_articles)
    return probability, float(share[sizes == 0].sum())
