"""What a strategy's draws look like before anything is trained: how popular they are, and how often they are wrong."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dssm_core.clicks import UserArticles
from dssm_core.dataset import UNKNOWN, Dataset
from dssm_core.intervals import jackknife, random_groups
from dssm_core.mining import EarlierRun
from dssm_core.popularity import later_clicks
from dssm_core.split import Split
from dssm_core.strategy import Strategy
from dssm_core.train_counts import TrainCounts

DECILES = 10
NEVER = DECILES + 1
"""The group of the articles of the pool that were never exposed in train."""

MEASURES = ("false negative", "never exposed", "same category", "drawn again", "topped up")
"""What a share is measured of: see `measure_shares`."""

_LEAST_CLICKS = 500


@dataclass(frozen=True)
class TrainFacts:
    """What drawn negatives are looked up in.

    `counts`: of train. `later`: each user's clicks in validation and test, which no strategy may know. `category`
    (articles,) int64: each article's category as a number, 0 where unknown; None for a log without categories.
    `decile` (articles,) int64: see `popularity_deciles`. `users` (u,) int32: the users with train clicks, in a fixed
    random order. `start`, `clicked`: each user's train clicks as the log has them, user u's at
    `clicked[start[u]:start[u + 1]]`, repeats included.
    """

    counts: TrainCounts
    later: UserArticles
    category: np.ndarray | None
    decile: np.ndarray
    users: np.ndarray
    start: np.ndarray
    clicked: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, split: Split, counts: TrainCounts) -> "TrainFacts":
        """Collect them from a dataset, its split and its counts."""
        exposures = dataset.exposures
        later = later_clicks(dataset, split)
        clicks = split.train[exposures.click[split.train]]
        start = np.searchsorted(exposures.user[clicks], np.arange(len(dataset.users) + 1))
        users = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(start)).astype(np.int32))
        category = _numbers(dataset.articles["cate"]) if "cate" in dataset.articles else None
        return cls(
            counts,
            later,
            category,
            popularity_deciles(counts),
            users,
            start,
            exposures.article[clicks].astype(np.int32),
        )

    def clicks_of(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All train clicks of `users`: (user, article) of each, two int32 arrays, a user's together."""
        size = self.start[users + 1] - self.start[users]
        offset = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        return np.repeat(users, size).astype(np.int32), self.clicked[np.repeat(self.start[users], size) + offset]


def popularity_deciles(counts: TrainCounts) -> np.ndarray:
    """The popularity group of every article, (articles,) int64: 0 outside the pool, `NEVER` for those never exposed.

    The exposed articles of the pool are in ten groups of equal size: 1 holds the most exposed, 10 the least. Ties keep
    the order of the table.
    """
    decile = np.zeros(len(counts.exposures), np.int64)
    decile[counts.pool] = NEVER
    exposed = counts.pool[counts.exposures[counts.pool] > 0]
    by_exposures = exposed[np.argsort(-counts.exposures[exposed], kind="stable")]
    decile[by_exposures] = np.arange(len(exposed)) * DECILES // max(1, len(exposed)) + 1
    return decile


def decile_shares(facts: TrainFacts, probabilities: dict[str, np.ndarray]) -> pd.DataFrame:
    """What falls on each popularity group: columns decile, articles, exposures, clicks and one of each strategy's name.

    `articles` are counted; exposures and clicks are shares of all in train, those of `probabilities` (name → q(a)) the
    share of the draws. Groups without an article are left out.
    """
    weights = {"exposures": facts.counts.exposures, "clicks": facts.counts.clicks, **probabilities}
    articles = np.bincount(facts.decile, minlength=NEVER + 1)
    table = pd.DataFrame({"decile": np.arange(NEVER + 1), "articles": articles})
    for name, weight in weights.items():
        table[name] = np.bincount(facts.decile, weight, NEVER + 1) / max(weight.sum(), 1e-300)
    return table[(table["decile"] > 0) & (table["articles"] > 0)].reset_index(drop=True)


def sample_clicks(facts: TrainFacts, draws: int, k: int, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Train clicks of the first of `users`, enough for about `draws` draws at k a click: their users and articles.

    Whole users are taken, since `funrec_mix` draws by user, until their clicks are enough or there are no more.
    """
    clicks = np.cumsum(facts.start[users + 1] - facts.start[users])
    enough = np.searchsorted(clicks, max(_LEAST_CLICKS, draws // k)) + 1
    return facts.clicks_of(users[:enough])


def train_clicks_of(dataset: Dataset, split: Split, user: int) -> np.ndarray:
    """Rows of the exposures that are train clicks of a user, in the order of time: (n,) int64."""
    users = dataset.exposures.user
    # of the same type: searchsorted copies the whole column otherwise
    first, last = np.searchsorted(users, np.array([user, user + 1], users.dtype))
    start, end = np.searchsorted(split.train, [first, last])
    rows = split.train[start:end]
    return rows[dataset.exposures.click[rows]]


def mined_for_one(earlier: EarlierRun, counts: TrainCounts, user: int, rank_to: int) -> EarlierRun:
    """An earlier run to mine for one user alone, with no more of its pool than can be at the first `rank_to` ranks."""
    inside = np.isin(earlier.pool, counts.pool)
    pool, vectors = earlier.pool[inside], earlier.pool_vectors[inside]
    most = rank_to + len(counts.clicked.of(user))
    if most < len(pool):
        near = np.sort(np.argpartition(-(vectors @ earlier.user_vectors[user]), most)[:most])
        pool, vectors = pool[near], vectors[near]
    return replace(earlier, pool=pool, pool_vectors=vectors, users=np.array([user], np.int32))


@dataclass(frozen=True)
class Shares:
    """What a sample of draws was like.

    `shares`: measure → (value, low, high), the share with its 95 % interval; all NaN where nothing could be measured.
    `draws`, `clicks`, `users`: the size of the sample. `distinct`: different articles among the draws.
    """

    shares: dict[str, tuple[float, float, float]]
    draws: int
    clicks: int
    users: int
    distinct: int


def measure_shares(
    strategy: Strategy,
    facts: TrainFacts,
    users: np.ndarray,
    positives: np.ndarray,
    k: int,
    rng: np.random.Generator,
) -> Shares:
    """Draw k negatives for each click of `users` on `positives` (n,) and measure the shares of the draws that are

    - false negative: an article that the user clicks in validation or test;
    - never exposed: an article that nobody was shown in train;
    - same category: in the positive's category, of the draws for positives that have one;
    - drawn again: hit one of the user's own train clicks, of all draws with those that were drawn again;
    - topped up: drawn elsewhere, since the strategy could not supply them.

    Intervals come from leaving out one of up to 20 groups of users at a time. A click's draws are not independent.
    """
    distinct_users, user = np.unique(users, return_inverse=True)
    group = random_groups(len(distinct_users), rng)[user]
    measured, drawn = [], np.zeros(0, np.int32)
    for number in range(group.max(initial=-1) + 1):
        rows = group == number
        counted, articles = _count(strategy, facts, users[rows], positives[rows], k, rng)
        measured.append(counted)
        drawn = np.union1d(drawn, articles)
    counted = np.array(measured).reshape(-1, 2, len(MEASURES))
    totals = counted.sum(axis=0)
    shares = {name: _share(counted[:, :, i], totals[:, i]) for i, name in enumerate(MEASURES)}
    return Shares(shares, int(totals[1, 0]), len(users), len(distinct_users), len(drawn))


def _count(
    strategy: Strategy, facts: TrainFacts, users: np.ndarray, positives: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """How many draws each of `MEASURES` is true of, and of how many: (2, measures); and the articles drawn."""
    draws = strategy.draw(users, positives, k, rng)
    rows, columns = np.nonzero(draws.articles)
    user, positive, article = users[rows], positives[rows], draws.articles[rows, columns]
    category = facts.category if facts.category is not None else np.zeros(len(facts.decile), np.int64)
    of_known = category[positive] > 0
    counted = [
        [
            facts.later.contains(user, article).sum(),
            (facts.counts.exposures[article] == 0).sum(),
            (of_known & (category[article] == category[positive])).sum(),
            draws.repeated,
            draws.topped_up,
        ],
        [len(article), len(article), of_known.sum(), len(article) + draws.repeated, len(article)],
    ]
    return np.array(counted, np.float64), article


def _share(groups: np.ndarray, total: np.ndarray) -> tuple[float, float, float]:
    """A share with its interval: `total` (2,) is count and size, `groups` (g, 2) the same of each group of users.

    Where none or all were counted, groups do not differ, and the far end is Clopper and Pearson's (1934).
    """
    count, size = total
    if not size:
        return (np.nan, np.nan, np.nan)
    far = float(0.025 ** (1 / size))
    if count in (0, size):
        return (0.0, 0.0, 1 - far) if count == 0 else (1.0, far, 1.0)
    if len(groups) < 2 or (total - groups)[:, 1].min() <= 0:
        return (float(count / size), np.nan, np.nan)
    value, low, high = jackknife(lambda counted: counted[0] / counted[1], total, groups)
    return (float(value), max(0.0, float(low)), min(1.0, float(high)))


def _numbers(column: pd.Series) -> np.ndarray:
    """A number for each value, 0 for unknown ones, which row 0 of every table is."""
    return pd.factorize(column.where(~column.isin(["", UNKNOWN]), UNKNOWN))[0]
