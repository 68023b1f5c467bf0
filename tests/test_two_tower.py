import numpy as np
import pytest

from dssm_core.config import FeaturesConfig, PoolConfig, SplitConfig, TowerConfig
from dssm_core.features import make_features
from dssm_core.split import make_split
from dssm_core.two_tower import TwoTower


@pytest.fixture(scope="module")
def features(tasteful_dataset):
    split = make_split(tasteful_dataset, SplitConfig(), PoolConfig())
    return make_features(tasteful_dataset, split, FeaturesConfig())


@pytest.mark.parametrize("hidden", [[], [64]])
def test_vectors_are_unit_and_of_the_asked_length(features, hidden):
    model = TwoTower(features, TowerConfig(hidden=hidden, dim=6, embedding_dim=4), seed=0, history=None)
    for vectors in (
        model.embed_users(np.arange(301, dtype=np.int32)),
        model.embed_articles(np.arange(121, dtype=np.int32)),
    ):
        assert vectors.shape[1] == 6
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_weights_come_back_from_their_file(features, tmp_path):
    model, other = (TwoTower(features, TowerConfig(), seed=seed, history=None) for seed in (0, 5))
    np.savez(tmp_path / "weights.npz", **model.weights())
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        other.set_weights(weights)
    rows = np.arange(121, dtype=np.int32)
    np.testing.assert_array_equal(model.embed_articles(rows), other.embed_articles(rows))


def test_articles_that_train_never_saw_share_a_vector_when_only_ids_tell_them_apart(features):
    model = TwoTower(features, TowerConfig(), seed=0, history=None)
    unknown = model.embed_users(np.zeros(2, np.int32))
    np.testing.assert_array_equal(unknown[0], unknown[1])
