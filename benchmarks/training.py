"""What the timings of training share: a learner over a large synthetic log, and its rate."""

import os
import time
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from benchmarks.side_by_side import USERS, large_counts, large_features
from dssm_core.config import Config, with_settings
from dssm_core.features import Features
from dssm_core.mining import EarlierRun
from dssm_core.negatives import make_strategy
from dssm_core.sampled_learner import SampledLearner
from dssm_core.train_counts import TrainCounts
from dssm_core.training_data import Clicks, History, TrainingData

BASE = (
    "tower.hidden=[64]",
    "tower.dim=32",
    "tower.embedding_dim=16",
    "train.batch_size=1024",
    "features.id_dropout=0",
    "negatives.run=earlier",
)
"""fun-rec's dims and layers."""


class LargeLog:
    """Clicks of 50,000 users on a long tail of `articles`, with fun-rec's fields."""

    def __init__(self, articles: int, seed: int = 0):
        rng = np.random.default_rng(seed)
        users, clicked, counts = large_counts(articles, rng)
        self.features: Features = large_features(articles, rng)
        self._clicks = Clicks(users, clicked, np.zeros((len(users), 2), np.int32))
        self._history = History(clicked, np.zeros((USERS + 1, 2), np.int32))
        self._counts = _with_tables(counts, rng)

    def data(self, positives: int) -> TrainingData:
        """The first clicks, none of them to validate on."""
        return TrainingData(self._clicks.at(slice(positives)), self._clicks.at(slice(0)), self._history, self._counts)

    def learner(self, positives: int, *settings: str) -> SampledLearner:
        """Ours, for that many positives an epoch."""
        config = with_settings(Config(), [*BASE, *settings])
        return SampledLearner(
            self.features, self.data(positives), make_strategy(self._counts, config.negatives), config
        )


def warmed(learner):
    """The same learner after an epoch, in which it compiles."""
    learner.epoch(lambda steps, losses: None)
    return learner


def rate(learner, positives: int) -> float:
    """Positives a second of one epoch."""
    started = time.perf_counter()
    learner.epoch(lambda steps, losses: None)
    return positives / (time.perf_counter() - started)


def _with_tables(counts: TrainCounts, rng: np.random.Generator) -> TrainCounts:
    """The same with categories of articles, and an earlier run over a tenth of them that ranks at random."""
    pool = counts.pool[::10]
    vectors = rng.normal(size=(USERS + 1 + len(pool), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    earlier = EarlierRun(
        "earlier", vectors[: USERS + 1], pool, vectors[USERS + 1 :], np.arange(1, USERS + 1, dtype=np.int32)
    )
    categories = np.array(["unknown", *(f"c{i}" for i in range(30))])[rng.integers(1, 31, len(counts.clicks))]
    categories[0] = "unknown"
    return replace(
        counts, users=pd.DataFrame({"user_id": [""]}), articles=pd.DataFrame({"cate": categories}), earlier=earlier
    )
