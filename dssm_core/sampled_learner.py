"""Trains our own towers with sampled negatives, many row-wise steps a call."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dssm_core.batches import BatchMaker
from dssm_core.checkpoint import generator_state, part_of, set_generator_state, under
from dssm_core.config import Config
from dssm_core.false_negatives import FalseNegatives
from dssm_core.features import Features
from dssm_core.losses import log_probability, with_temperature
from dssm_core.step import Step
from dssm_core.strategy import Draws, Strategy, batch_size
from dssm_core.subsampling import keep_probability, kept_clicks
from dssm_core.training_data import Clicks, TrainingData
from dssm_core.two_tower import TwoTower

_SECONDS_PER_CALL = 0.5
_FIRST_STEPS = 8


class SampledLearner:
    """A two-tower model, its strategy and its compiled step. `false_negatives` watches what is drawn."""

    def __init__(
        self,
        features: Features,
        data: TrainingData,
        strategy: Strategy,
        config: Config,
        false_negatives: FalseNegatives | None = None,
    ):
        config = with_temperature(config, len(data.counts.pool))
        self.model = TwoTower(features, config.tower, config.seed, data.history)
        self._keep = keep_probability(data.counts.clicks, config.negatives.subsample)[data.clicks.articles]
        self.batch = batch_size(config.train.batch_size, len(data.clicks))
        self.steps = -(-max(1, round(self._keep.sum())) // self.batch)
        self._data = data
        # a longer memory would hold an epoch's clicks twice
        strategy = replace(strategy, memory=min(strategy.memory, self.steps))
        sizes = strategy.sizes(config.negatives, self.batch)
        self._step = Step(self.model, config, log_probability(strategy.probability), strategy, sizes)
        self._false_negatives = false_negatives
        self._maker = BatchMaker(
            strategy, data.counts.clicked, sizes, self.steps, config.loss.mask_known, false_negatives
        )
        self._rng = np.random.default_rng(config.seed)
        self._validation = self._validation_clicks(np.random.default_rng(config.split.seed))
        self._validation_seed = config.split.seed
        self._steps_per_call = _FIRST_STEPS
        self._done = 0
        self._compiled = False

    def epoch(self, progress: Callable[[int, np.ndarray], None]) -> Draws:
        """One pass over the clicks that are kept, in calls of about half a second."""
        clicks = self._data.clicks.at(kept_clicks(self._keep, self._rng))
        draws, calls = self._maker.epoch(clicks, self._rng, lambda: self._steps_per_call)
        for batches in calls:
            started = time.monotonic()
            losses = self._step.train(batches, self._done)
            seconds = time.monotonic() - started
            if self._compiled:
                self._steps_per_call = int(np.clip(_SECONDS_PER_CALL * len(batches) / seconds, 1, 1000))
            self._compiled = True
            self._done += len(batches)
            progress(len(batches), losses)
        return draws

    def validate(self) -> dict:
        """Loss and cosines of the validation clicks among the batch that they were put in; the temperature; the share
        of this epoch's negatives that were false."""
        rows = min(self.batch, len(self._data.validation))
        state = {
            "temperature": self._step.temperature,
            "false_negatives": self._false_negatives.epoch_share() if self._false_negatives else None,
        }
        if not rows:
            return {"validation_loss": None, **state}
        # packed anew each time, since the memory and a streamed ln q change; the draws stay the same
        batch = self._maker.one(self._validation, np.random.default_rng(self._validation_seed))
        loss, positive, negative = self._step.score(batch)
        return {
            "validation_loss": float(loss[:rows].mean()),
            "positive_scores": _histogram(positive[:rows]),
            "negative_scores": _histogram(negative),
            **state,
        }

    def facts(self) -> dict:
        """What is worth knowing of the trained model: its temperature, and the fields' weights behind a gate."""
        users = self.model.users.field_weights(np.unique(self._data.clicks.users))
        articles = self.model.articles.field_weights(self._data.counts.pool)
        weights = {"users": users, "articles": articles} if users else None
        return {"temperature": self._step.temperature, "field_weights": weights}

    def state(self) -> dict[str, np.ndarray]:
        """What the next epoch needs beside the model's weights to be the one that it would have been."""
        counted = under("false_negatives", self._false_negatives.state()) if self._false_negatives else {}
        return {
            "done": np.array(self._done),
            "rng": generator_state(self._rng),
            **under("step", self._step.state()),
            **under("maker", self._maker.state()),
            **counted,
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self._done = int(state["done"])
        set_generator_state(self._rng, state["rng"])
        self._step.restore(part_of("step", state))
        self._maker.restore(part_of("maker", state))
        if self._false_negatives:
            self._false_negatives.restore(part_of("false_negatives", state))

    def _validation_clicks(self, rng: np.random.Generator) -> Clicks:
        """A batch of them, filled up with train clicks so that its loss compares with train's."""
        fill = self._data.clicks.at(rng.integers(len(self._data.clicks), size=self.batch))
        return self._data.validation.and_then(fill).at(slice(self.batch))


def _histogram(cosines: np.ndarray) -> dict[str, list]:
    counts, edges = np.histogram(cosines, bins=40, range=(-1, 1))
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": counts.tolist()}
