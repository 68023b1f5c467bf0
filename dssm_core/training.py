"""Trains a model epoch by epoch, measures each on the validation clicks and keeps the best."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dssm_core.config import Config
from dssm_core.errors import UserError
from dssm_core.health import health
from dssm_core.retrieval import VectorRecommender
from dssm_core.strategy import Draws
from dssm_core.training_data import TrainingData

VALIDATION_K = 50

Report = Callable[[dict], None]
"""Takes one event of events.jsonl, without its number and time."""


class TrainingError(UserError):
    """Training cannot go on; the message says why and what to change."""


class Embedder(Protocol):
    """What maps rows of the dataset's tables to vectors."""

    def embed_users(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of user rows (n,) int32."""
        ...

    def embed_articles(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of article rows (n,) int32."""
        ...

    def weights(self) -> dict[str, np.ndarray]:
        """Everything trained, by name."""
        ...

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Put back what `weights` returned."""
        ...


class Learner(Protocol):
    """A model that can be trained for an epoch."""

    model: Embedder
    steps: int
    """Steps an epoch."""
    batch: int
    """Clicks a step."""

    def epoch(self, progress: Callable[[int, np.ndarray], None]) -> Draws | None:
        """One pass over the clicks; `progress(steps, losses)` after every few steps. Returns what was drawn."""
        ...

    def validate(self) -> dict:
        """`validation_loss`, and where they can be had the histograms `positive_scores` and `negative_scores`, the
        `temperature` and `false_negatives`, the share of the last epoch's negatives that their user clicks later."""
        ...

    def facts(self) -> dict:
        """What is worth knowing of the trained model: `temperature` and `field_weights`, None where there is none."""
        ...


@dataclass(frozen=True)
class Trained:
    """What training leaves: the model, with the weights of which epoch, and how it went.

    `facts`: those of the learner at that epoch. `repeated` is a share of all draws and `topped_up` one of the drawn
    negatives, None where none are drawn. `seconds`: the whole training; `positives_per_second`: while training, without
    the first call, which compiles, and without validation.
    """

    model: Embedder
    epoch: int
    facts: dict
    repeated: float | None
    topped_up: float | None
    seconds: float
    positives_per_second: float


def train(learner: Learner, data: TrainingData, config: Config, report: Report) -> Trained:
    """Train for `config.train.epochs` passes over the clicks.

    `report` gets a step event every few steps and an epoch event after each. Raises TrainingError on a loss that is not
    finite.
    """
    pace = _Pace(learner, config.train.epochs, report)
    best, best_recall, all_draws, begun = None, -1.0, [], time.monotonic()
    for epoch in range(1, config.train.epochs + 1):
        started = time.monotonic()
        pace.begin(epoch)
        draws = learner.epoch(pace.count)
        all_draws.append(draws)
        recall = _validation_recall(learner.model, data)
        measured = {"loss": pace.mean_loss(), "validation_recall@50": recall, **_user_health(learner.model, data)}
        report(
            {"type": "epoch", "epoch": epoch, "epochs": config.train.epochs, "seconds": time.monotonic() - started}
            | measured
            | learner.validate()
            | _shares([draws])
        )
        if config.train.keep == "last" or recall is None or recall > best_recall:
            best = (epoch, learner.model.weights(), learner.facts())
            best_recall = -1.0 if recall is None else recall
    kept, weights, facts = best
    learner.model.set_weights(weights)
    return Trained(
        learner.model,
        kept,
        facts,
        **_shares(all_draws),
        seconds=time.monotonic() - begun,
        positives_per_second=pace.positives_per_second,
    )


class _Pace:
    """Counts steps, checks their losses and reports them."""

    def __init__(self, learner: Learner, epochs: int, report: Report):
        self._learner, self._epochs, self._report = learner, epochs, report
        self._epoch, self._done, self._losses = 0, 0, []
        self._seconds, self._timed, self._last = 0.0, 0, 0.0

    @property
    def positives_per_second(self) -> float:
        """Speed so far; 0 before the second call."""
        return self._learner.batch * self._timed / self._seconds if self._timed else 0.0

    def begin(self, epoch: int) -> None:
        """A new epoch starts now."""
        self._epoch, self._losses, self._last = epoch, [], time.monotonic()

    def mean_loss(self) -> float:
        """Mean over the steps of this epoch."""
        return float(np.concatenate(self._losses).mean())

    def count(self, steps: int, losses: np.ndarray) -> None:
        """Note that `steps` more were done, with these losses."""
        now = time.monotonic()
        if self._done:
            self._seconds, self._timed = self._seconds + now - self._last, self._timed + steps
        self._last = now
        self._done += steps
        if not np.isfinite(losses).all():
            raise TrainingError(
                f"the loss became {losses[~np.isfinite(losses)][0]} in epoch {self._epoch}: "
                "lower train.learning_rate or train.embedding_learning_rate, or raise loss.temperature"
            )
        self._losses.append(losses)
        self._report(
            {"type": "step", "epoch": self._epoch, "epochs": self._epochs, "step": self._done}
            | {"steps": self._epochs * self._learner.steps, "loss": float(losses.mean())}
            | {"positives_per_second": self.positives_per_second}
        )


def _shares(draws: list[Draws | None]) -> dict[str, float | None]:
    """The share of all draws that were drawn again, and of the drawn negatives that were topped up."""
    some = [d for d in draws if d is not None and d.drawn]
    drawn, repeated = sum(d.drawn for d in some), sum(d.repeated for d in some)
    return {
        "repeated": repeated / (drawn + repeated) if drawn else None,
        "topped_up": sum(d.topped_up for d in some) / drawn if drawn else None,
    }


def _user_health(model: Embedder, data: TrainingData) -> dict:
    measured = health(model.embed_users(np.unique(data.clicks.users)))
    return {key: measured[key] for key in ("distinct_users", "mean_cosine")}


def _validation_recall(model: Embedder, data: TrainingData) -> float | None:
    """Share of the validation clicks within the top 50 of the whole training pool, own clicks taken out."""
    users = data.validation.users
    if not len(users):
        return None
    embedded = model.embed_users(users)
    vectors = np.zeros((len(data.counts.clicked.start) - 1, embedded.shape[1]), np.float32)
    vectors[users] = embedded
    pool = data.counts.pool
    recommender = VectorRecommender(
        vectors, pool, model.embed_articles(pool), None, data.counts.clicked, data.counts.clicked.n_articles
    )
    ranks, _ = recommender.exact(users, data.validation.articles)
    return float(((ranks > 0) & (ranks <= VALIDATION_K)).mean())
