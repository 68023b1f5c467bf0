"""The fast step against a plain, slow one in float64: losses and updated rows, three steps in a row."""

import numpy as np
import pytest

from dssm_core.batches import Batches
from dssm_core.config import Config, with_settings
from dssm_core.features import Features, Field, Side
from dssm_core.losses import LOSSES, log_probability
from dssm_core.step import Step
from dssm_core.strategy import Sizes, Strategy
from dssm_core.two_tower import TwoTower
from tests.plain_step import PlainStep

USERS, ARTICLES, BATCH = 6, 8, 4
SMALL = (
    "tower.hidden=[4]",
    "tower.dim=3",
    "tower.embedding_dim=2",
    "features.id_dropout=0",
    "loss.temperature=0.4",
    "train.learning_rate=0.01",
)
SOURCES = {
    "the batch": {"in_batch": True, "own": 0, "shared": 0},
    "own": {"in_batch": False, "own": 2, "shared": 0},
    "a shared set": {"in_batch": False, "own": 0, "shared": 3},
    "the batch and a set beside it": {"in_batch": True, "own": 0, "shared": 2},
    "the batch and own": {"in_batch": True, "own": 1, "shared": 0},
}
"""Where negatives come from."""


def side(n, id_name, several, rng):
    """Ids, a category of one value and, if `several`, a field of up to three values whose weights sum to 1."""
    fields = [Field(id_name, [str(i) for i in range(n)], 1, 1), Field("kind", ["unknown", "a", "b"], n + 1, 1)]
    slots = [np.arange(1, n + 1), n + 1 + rng.integers(0, 3, n)]
    weights = [np.ones(n), np.ones(n)]
    if several:
        fields.append(Field("words", ["unknown", "x", "y"], n + 4, 3))
        counts = rng.integers(1, 4, n)
        for i in range(3):
            slots.append(np.where(i < counts, n + 4 + rng.integers(0, 3, n), 0))
            weights.append(np.where(i < counts, 1 / counts, 0))
    return Side(tuple(fields), np.stack(slots, 1).astype(np.int32), np.stack(weights, 1).astype(np.float32), n + 7)


def both(settings, several, rng, *, in_batch, own, shared):
    """The fast and the plain step over the same weights."""
    config = with_settings(Config(), [*SMALL, *settings])
    features = Features(side(USERS, "user_id", False, rng), side(ARTICLES, "article_id", several, rng))
    model = TwoTower(features, config.tower, seed=3, history=None)
    for dense in model.dense:  # biases start at 0, where a ReLU without input has no slope
        dense.assign(dense + rng.normal(0, 0.1, dense.shape).astype(np.float32))
    q = rng.dirichlet(np.ones(ARTICLES))
    step = Step(model, config, log_probability(q), Strategy(q, None, None, in_batch), Sizes(BATCH, own, shared))
    sides = {"users": features.users, "articles": features.articles}
    slots, weights, widths = (
        {name: getattr(side, key) for name, side in sides.items()} for key in ("slots", "weights", "widths")
    )
    return model, step, PlainStep(model.weights(), slots, weights, widths, np.log(q), config)


def batch(rng, *, in_batch, own, shared):
    """Users, positives, own and shared negatives, known places; some articles stand twice."""
    users, positives = rng.integers(0, USERS, BATCH), rng.integers(1, ARTICLES, BATCH)
    positives[1] = positives[0]
    columns = (BATCH if in_batch else 0) + shared
    known = [(2, int(rng.integers(columns)))] if columns else []
    return users, positives, rng.integers(0, ARTICLES, (BATCH, own)), rng.integers(1, ARTICLES, shared), known, in_batch


def packed(users, positives, own, shared, known, in_batch):
    arrays = users, positives, np.zeros((BATCH, 2)), own, shared, [*known, (BATCH, 0)]
    return Batches(*(np.array(array, np.int32)[None] for array in arrays), np.zeros((1, 0), np.float32))


def check(settings, several, source, seed):
    rng = np.random.default_rng(seed)
    model, step, plain = both(settings, several, rng, **source)
    for number in range(3):
        one = batch(rng, **source)
        np.testing.assert_allclose(step.train(packed(*one), number), [plain.train(*one)], rtol=1e-5, atol=1e-5)
    for name, expected in plain.weights.items():
        np.testing.assert_allclose(model.weights()[name], expected, atol=1e-5, err_msg=name)
    for name, expected in plain.accumulators.items():
        np.testing.assert_allclose(getattr(model, name).accumulator.numpy(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("source", SOURCES)
def test_the_fast_step_equals_the_plain_one_wherever_negatives_come_from(source):
    check([], True, SOURCES[source], seed=1)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "in_batch_softmax"])
def test_the_fast_step_equals_the_plain_one_under_every_loss(loss):
    check(["negatives.strategy=uniform", f"loss.kind={loss}"], False, SOURCES["own"], seed=2)


@pytest.mark.parametrize("setting", ["loss.correction=false", "loss.correct_positive=false"])
def test_the_fast_step_equals_the_plain_one_without_corrections(setting):
    check([setting], False, SOURCES["the batch and a set beside it"], seed=3)
