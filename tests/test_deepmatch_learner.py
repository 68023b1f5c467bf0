import numpy as np

from dssm_core.config import Config, with_settings
from dssm_core.deepmatch_learner import DeepMatchLearner
from dssm_core.features import make_features
from dssm_core.split import make_split
from dssm_core.train_counts import count_train
from dssm_core.training_data import TrainingData
from tests.conftest import QUICK

PLAIN = ("features.title=false", "features.key_words=false")
"""DeepMatch's tower takes single categories only; the pipeline leaves these two out for it."""


def learner(dataset, *settings):
    config = with_settings(
        Config(), [*QUICK, "tower.kind=deepmatch", "loss.kind=in_batch_softmax", "tower.hidden=[16]", *PLAIN, *settings]
    )
    split = make_split(dataset, config.split, config.pool)
    data = TrainingData.of(dataset, split, count_train(dataset, split))
    return DeepMatchLearner(make_features(dataset, split, config.features), data, config)


def test_an_epoch_counts_every_step_and_its_loss_is_finite(tasteful_dataset):
    made, steps, losses = learner(tasteful_dataset), [], []
    made.epoch(lambda count, loss: (steps.append(count), losses.extend(loss)))
    assert sum(steps) == made.steps
    assert np.isfinite(losses).all(), "an article without clicks would make it NaN"


def test_vectors_are_unit_and_weights_come_back(tasteful_dataset):
    made = learner(tasteful_dataset)
    rows = np.arange(121, dtype=np.int32)
    before, weights = made.model.embed_articles(rows), made.model.weights()
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1, atol=1e-5)
    made.epoch(lambda count, loss: None)
    assert np.abs(made.model.embed_articles(rows) - before).max() > 1e-3
    made.model.set_weights(weights)
    np.testing.assert_allclose(made.model.embed_articles(rows), before, atol=1e-6)
