"""Trains our own towers with sampled negatives, many row-wise steps a call."""

import time
from collections.abc import Callable

import numpy as np

from dssm_core.batches import Batches, BatchMaker
from dssm_core.config import Config
from dssm_core.features import Features
from dssm_core.losses import log_probability
from dssm_core.negatives import Draws, Strategy
from dssm_core.step import Step
from dssm_core.training import TrainingData
from dssm_core.two_tower import TwoTower

_SECONDS_PER_CALL = 0.5
_FIRST_STEPS = 8


class SampledLearner:
    """A two-tower model, its strategy and its compiled step."""

    def __init__(self, features: Features, data: TrainingData, strategy: Strategy, config: Config):
        self.model = TwoTower(features, config.tower, config.seed)
        self.batch = min(config.train.batch_size, max(2, len(data.users)))
        self.steps = -(-len(data.users) // self.batch)
        self._data = data
        self._step = Step(self.model, config, log_probability(strategy.probability), strategy.in_batch)
        self._maker = BatchMaker(strategy, data.counts.clicked, config)
        self._rng = np.random.default_rng(config.seed)
        self._validation = self._validation_batch(np.random.default_rng(config.split.seed))
        self._steps_per_call = _FIRST_STEPS
        self._done = 0

    def epoch(self, progress: Callable[[int, np.ndarray], None]) -> Draws:
        """One pass over the clicks, in calls of about half a second."""
        draws, calls = self._maker.epoch(
            self._data.users, self._data.positives, self.batch, self._rng, lambda: self._steps_per_call
        )
        for batches in calls:
            started = time.monotonic()
            losses = self._step.train(batches, self._done)
            seconds = time.monotonic() - started
            if self._done:
                self._steps_per_call = int(np.clip(_SECONDS_PER_CALL * len(batches) / seconds, 1, 1000))
            self._done += len(batches)
            progress(len(batches), losses)
        return draws

    def validate(self) -> dict:
        """Loss and cosines of the validation clicks among the batch that they were put in; see `train`."""
        rows = min(self.batch, len(self._data.validation_users))
        if not rows:
            return {"validation_loss": None}
        loss, positive, negative = self._step.score(self._validation)
        return {
            "validation_loss": float(loss[:rows].mean()),
            "positive_scores": _histogram(positive[:rows]),
            "negative_scores": _histogram(negative),
        }

    def _validation_batch(self, rng: np.random.Generator) -> Batches:
        """The validation clicks as one batch, filled up with train clicks so that its loss compares with train's."""
        fill = rng.integers(len(self._data.users), size=self.batch)
        users = np.concatenate([self._data.validation_users, self._data.users[fill]])[: self.batch]
        articles = np.concatenate([self._data.validation_articles, self._data.positives[fill]])[: self.batch]
        return self._maker.one(users, articles, rng)


def _histogram(cosines: np.ndarray) -> dict[str, list]:
    counts, edges = np.histogram(cosines, bins=40, range=(-1, 1))
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": counts.tolist()}
