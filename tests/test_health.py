import numpy as np
import pytest

from dssm_core.health import health


def unit(vectors):
    vectors = np.array(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_mean_cosine_is_that_of_all_pairs(rng):
    vectors = unit(rng.normal(size=(30, 4)))
    pairs = (vectors @ vectors.T)[~np.eye(30, dtype=bool)]
    assert health(vectors)["mean_cosine"] == pytest.approx(pairs.mean(), abs=1e-5)


def test_copies_count_once():
    assert health(unit([[1, 0], [1, 0], [0, 1], [-1, 0]]))["distinct_users"] == 0.75


def test_a_model_whose_users_are_all_alike_is_collapsed():
    assert health(unit([[1, 0.001 * i] for i in range(50)]))["collapsed"]


def test_spread_users_are_not_collapsed(rng):
    assert not health(unit(rng.normal(size=(50, 8))))["collapsed"]
