"""Training by our row-wise step against DeepMatch's DSSM through model.fit, on the same positives.

50,000 users, 630,000 articles, fun-rec's fields, dims 16, layers 64-32, in-batch softmax, batch 1,024. Rates are
positives a second, after a first call that compiles.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.side_by_side import large_counts, large_features, print_ratio
from dssm_core.config import Config, with_settings
from dssm_core.deepmatch_learner import DeepMatchLearner
from dssm_core.negatives import make_strategy
from dssm_core.sampled_learner import SampledLearner
from dssm_core.training_data import Clicks, History, TrainingData

ARTICLES = 630_000
OURS, THEIRS = 300_000, 30_000
"""Positives a round: DeepMatch gets fewer, or a round would take minutes."""


def main() -> None:
    """Print the ratio."""
    rng = np.random.default_rng(0)
    users, articles, counts = large_counts(ARTICLES, rng)
    features = large_features(ARTICLES, rng)
    config = with_settings(
        Config(), ["tower.hidden=[64]", "tower.dim=32", "train.batch_size=1024", "features.id_dropout=0"]
    )
    clicks = Clicks(users, articles, np.zeros((len(users), 2), np.int32))
    history = History(articles, np.zeros((len(counts.clicked.start) - 1, 2), np.int32))

    def learner_of(n: int, make):
        return make(TrainingData(clicks.at(slice(n)), clicks.at(slice(0)), history, counts))

    ours = learner_of(
        OURS, lambda data: SampledLearner(features, data, make_strategy(counts, config.negatives), config)
    )
    theirs = learner_of(THEIRS, lambda data: DeepMatchLearner(features, data, config))
    print_ratio("training_vs_deepmatch", lambda: rate(ours, OURS), lambda: rate(theirs, THEIRS), rounds=4)


def rate(learner, positives: int) -> float:
    """Positives a second of one epoch; the first time an epoch before it compiles."""
    if not getattr(learner, "warm", False):
        learner.epoch(lambda steps, losses: None)
        learner.warm = True
    started = time.perf_counter()
    learner.epoch(lambda steps, losses: None)
    return positives / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
