"""Training with every strategy and every loss against `uniform`, on the same positives: 50,000 users, 630,000 articles.

Both draw five negatives a click, or take those of the batch. Rates are positives a second, after a first call that
compiles; for each strategy the ratio is taken in pairs, one after the other.
"""

import numpy as np
import pandas as pd

from benchmarks.side_by_side import USERS, large_counts, large_features, print_ratio
from benchmarks.training_vs_deepmatch import rate
from dssm_core.config import Config, with_settings
from dssm_core.mining import EarlierRun
from dssm_core.negatives import STRATEGIES, make_strategy
from dssm_core.sampled_learner import SampledLearner
from dssm_core.train_counts import TrainCounts
from dssm_core.training_data import Clicks, History, TrainingData

ARTICLES = 630_000
POSITIVES = 100_000
BASE = ("tower.dim=32", "features.id_dropout=0", "split.validation_users=0")
VARIANTS = {
    **{f"strategy {name}": (f"negatives.strategy={name}",) for name in STRATEGIES if name != "uniform"},
    **{f"loss {name}": ("negatives.strategy=uniform", f"loss.kind={name}") for name in ("bce", "bpr", "triplet")},
    "learned temperature": ("negatives.strategy=uniform", "loss.learn_temperature=true"),
}


def main() -> None:
    """Print a ratio for each."""
    rng = np.random.default_rng(0)
    users, articles, counts = large_counts(ARTICLES, rng)
    counts = _with_tables(counts, rng)
    clicks = Clicks(users, articles, np.zeros((len(users), 2), np.int32)).at(slice(POSITIVES))
    history = History(articles, np.zeros((USERS + 1, 2), np.int32))
    data = TrainingData(clicks, clicks.at(slice(0)), history, counts)
    features = large_features(ARTICLES, rng)

    def learner(*settings: str) -> SampledLearner:
        config = with_settings(Config(), [*BASE, "negatives.run=earlier", *settings])
        return SampledLearner(features, data, make_strategy(counts, config.negatives), config)

    uniform = learner("negatives.strategy=uniform")
    for name, settings in VARIANTS.items():
        variant = learner(*settings)
        print_ratio(
            f"{name} vs uniform", lambda v=variant: rate(v, POSITIVES), lambda: rate(uniform, POSITIVES), rounds=3
        )


def _with_tables(counts: TrainCounts, rng: np.random.Generator) -> TrainCounts:
    """The same with categories of articles, and an earlier run over a tenth of them that ranks at random."""
    pool = counts.pool[::10]
    vectors = rng.normal(size=(USERS + 1 + len(pool), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    earlier = EarlierRun(
        "earlier", vectors[: USERS + 1], pool, vectors[USERS + 1 :], np.arange(1, USERS + 1, dtype=np.int32)
    )
    categories = np.array(["unknown", *(f"c{i}" for i in range(30))])[rng.integers(1, 31, ARTICLES + 1)]
    categories[0] = "unknown"
    return TrainCounts(
        counts.pool,
        counts.exposures,
        counts.clicks,
        counts.clicked,
        counts.exposed,
        pd.DataFrame({"user_id": [""]}),
        pd.DataFrame({"cate": categories}),
        earlier,
    )


if __name__ == "__main__":
    main()
