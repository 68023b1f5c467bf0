"""Trains a model epoch by epoch, measures each on the validation clicks and keeps the best."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np

from dssm_core.checkpoint import Checkpoint, DamagedCheckpoint, part_of, under
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

    def state(self) -> dict[str, np.ndarray]:
        """What the next epoch needs beside the model's weights to be the one that it would have been."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned, perhaps in another process."""
        ...


@dataclass(frozen=True)
class Trained:
    """What training leaves: the model, with the weights of which epoch, and how it went.

    `facts`: those of the learner at that epoch. `repeated` is a share of all draws and `topped_up` one of the drawn
    negatives, None where none are drawn. `seconds`: the whole training; `seconds_before`: the part of it that processes
    before this one took; `positives_per_second`: while training, without the first call of each process, which
    compiles, and without validation.
    """

    model: Embedder
    epoch: int
    facts: dict
    repeated: float | None
    topped_up: float | None
    seconds: float
    seconds_before: float
    positives_per_second: float


@dataclass
class _SoFar:
    """How a training went up to its last whole epoch: what a checkpoint holds beside weights and the learner's state.

    `event`: what was reported of that epoch. `timed_steps` took `timed_seconds`, see `Trained.positives_per_second`.
    """

    epoch: int = 0
    event: dict = field(default_factory=dict)
    best_epoch: int = 0
    best_recall: float = -1.0
    best_facts: dict = field(default_factory=dict)
    drawn: int = 0
    repeated: int = 0
    topped_up: int = 0
    seconds: float = 0.0
    timed_steps: int = 0
    timed_seconds: float = 0.0

    def count_draws(self, draws: Draws | None) -> None:
        """Add what an epoch drew."""
        if draws is not None:
            self.drawn += draws.drawn
            self.repeated += draws.repeated
            self.topped_up += draws.topped_up

    def is_better(self, recall: float | None, keep: str) -> bool:
        """Whether an epoch of this validation recall is to be kept rather than the best so far."""
        return keep == "last" or recall is None or recall > self.best_recall


def train(
    learner: Learner, data: TrainingData, config: Config, report: Report, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train for `config.train.epochs` passes over the clicks, the first of which may have been made by another process.

    `report` gets a train event, which says how many epochs are done already, a step event every few steps and an epoch
    event after each. `checkpoint` is written after each epoch, and gone on from where it was written before: the result
    is that of a training that was never stopped. Raises TrainingError on a loss that is not finite.
    """
    so_far, best = _gone_on(learner, report, checkpoint)
    pace, earlier, begun = _Pace(learner, config.train.epochs, so_far, report), so_far.seconds, time.monotonic()
    for epoch in range(so_far.epoch + 1, config.train.epochs + 1):
        pace.begin(epoch)
        draws = learner.epoch(pace.count)
        measured = {"loss": pace.mean_loss(), **_validation(learner, data), **_shares(draws), "seconds": pace.elapsed()}
        so_far.event = {"type": "epoch", "epoch": epoch, "epochs": config.train.epochs, **measured}
        so_far.count_draws(draws)
        weights = learner.model.weights()
        if so_far.is_better(measured["validation_recall@50"], config.train.keep):
            best, so_far.best_facts = weights, learner.facts()
            so_far.best_epoch, so_far.best_recall = epoch, measured["validation_recall@50"] or 0.0
        so_far.epoch, so_far.seconds = epoch, earlier + time.monotonic() - begun
        # before the epoch is told, so that whoever was told of it can count on it
        if checkpoint:
            checkpoint.write(epoch, asdict(so_far), _arrays(learner, weights, best))
        report(so_far.event)
    learner.model.set_weights(best)
    return Trained(
        learner.model,
        so_far.best_epoch,
        so_far.best_facts,
        **_shares(so_far),
        seconds=earlier + time.monotonic() - begun,
        seconds_before=earlier,
        positives_per_second=pace.positives_per_second,
    )


def _gone_on(
    learner: Learner, report: Report, checkpoint: Checkpoint | None
) -> tuple[_SoFar, dict[str, np.ndarray] | None]:
    """How far the training is, with the learner put there, and the best weights; from the beginning without a
    checkpoint that can be trusted."""
    try:
        kept = checkpoint.read() if checkpoint else None
    except DamagedCheckpoint as error:
        report({"type": "note", "note": f"{error}; training starts from the beginning"})
        checkpoint.forget()
        kept = None
    if kept is None:
        return _SoFar(), None
    facts, arrays = kept
    weights = part_of("model", arrays)
    learner.model.set_weights(weights)
    learner.restore(part_of("learner", arrays))
    return _SoFar(**facts), part_of("best", arrays) or weights


def _arrays(learner: Learner, weights: dict[str, np.ndarray], best: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Everything that a checkpoint holds of a model; the best weights only where they are not the last ones too."""
    arrays = under("model", weights) | under("learner", learner.state())
    return arrays if best is weights else arrays | under("best", best)


class _Pace:
    """Counts steps, checks their losses and reports them, once it has told what was done before."""

    def __init__(self, learner: Learner, epochs: int, so_far: _SoFar, report: Report):
        self._learner, self._epochs, self._so_far, self._report = learner, epochs, so_far, report
        self._epoch, self._done, self._losses = so_far.epoch, so_far.epoch * learner.steps, []
        self._last = self._begun = 0.0
        self._compiled = False
        if so_far.epoch < epochs:
            report({"type": "train", **self._place()})
        if so_far.event:  # the process before may have ended before it could
            report(so_far.event)

    @property
    def positives_per_second(self) -> float:
        """Speed so far; 0 before the second call."""
        timed = self._so_far
        return self._learner.batch * timed.timed_steps / timed.timed_seconds if timed.timed_steps else 0.0

    def begin(self, epoch: int) -> None:
        """A new epoch starts now."""
        self._epoch, self._losses = epoch, []
        self._last = self._begun = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the epoch began."""
        return time.monotonic() - self._begun

    def mean_loss(self) -> float:
        """Mean over the steps of this epoch."""
        return float(np.concatenate(self._losses).mean())

    def count(self, steps: int, losses: np.ndarray) -> None:
        """Note that `steps` more were done, with these losses."""
        now = time.monotonic()
        if self._compiled:
            self._so_far.timed_seconds += now - self._last
            self._so_far.timed_steps += steps
        self._last, self._compiled = now, True
        self._done += steps
        if not np.isfinite(losses).all():
            raise TrainingError(
                f"the loss became {losses[~np.isfinite(losses)][0]} in epoch {self._epoch}: "
                "lower train.learning_rate or train.embedding_learning_rate, or raise loss.temperature"
            )
        self._losses.append(losses)
        self._report(
            {"type": "step", **self._place(), "loss": float(losses.mean())}
            | {"positives_per_second": self.positives_per_second}
        )

    def _place(self) -> dict:
        steps = self._epochs * self._learner.steps
        return {"epoch": self._epoch, "epochs": self._epochs, "step": self._done, "steps": steps}


def _shares(counts: Draws | _SoFar | None) -> dict[str, float | None]:
    """The share of all draws that were drawn again, and of the drawn negatives that were topped up."""
    if counts is None or not counts.drawn:
        return {"repeated": None, "topped_up": None}
    return {
        "repeated": counts.repeated / (counts.drawn + counts.repeated),
        "topped_up": counts.topped_up / counts.drawn,
    }


def _validation(learner: Learner, data: TrainingData) -> dict:
    """What is measured after an epoch on the clicks to validate on, and of the users' vectors."""
    recall = _validation_recall(learner.model, data)
    return {"validation_recall@50": recall, **_user_health(learner.model, data), **learner.validate()}


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
