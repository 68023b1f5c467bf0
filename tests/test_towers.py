from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from dssm_core.config import TowerConfig, TowerName
from dssm_core.towers import GATES, TOWERS, field_weights, senet

DEEPMATCH = "deepmatch"


def test_the_dict_and_deepmatch_are_what_the_config_allows():
    assert {*TOWERS, DEEPMATCH} == set(get_args(TowerName))


def test_the_gates_are_what_the_config_allows():
    assert set(GATES) == set(get_args(TowerConfig.model_fields["gate"].annotation))


@pytest.mark.parametrize("name", ["dssm", "youtube"])
def test_without_hidden_layers_the_fields_are_summed(name):
    embedded = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    tower = TOWERS[name](3, 2, TowerConfig(hidden=[], dim=2), 0)
    np.testing.assert_allclose(tower(embedded), embedded.sum(axis=1))


@pytest.mark.parametrize("hidden", [[], [6]])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", TOWERS)
class TestEveryTower:
    @pytest.fixture
    def make(self, name, gate, hidden):
        config = TowerConfig(hidden=hidden, dim=4, gate=gate)
        return lambda n_fields=3, seed=3: TOWERS[name](n_fields, 4, config, seed)

    @pytest.mark.parametrize("n_fields", [1, 3])
    def test_gives_finite_vectors_of_the_asked_length(self, make, rng, n_fields):
        vectors = make(n_fields)(rng.normal(size=(7, n_fields, 4)).astype(np.float32))
        assert vectors.shape == (7, 4)
        assert np.isfinite(vectors).all()

    def test_is_the_same_for_the_same_seed(self, make, rng):
        embedded = rng.normal(size=(7, 3, 4)).astype(np.float32)
        np.testing.assert_array_equal(make()(embedded), make()(embedded))

    def test_learns_inside_a_compiled_function(self, make, rng):
        tower, embedded = make(), tf.constant(rng.normal(size=(7, 3, 4)), tf.float32)

        @tf.function(jit_compile=True)
        def gradients(embedded):
            with tf.GradientTape() as tape:
                tape.watch(embedded)
                loss = tf.reduce_sum(tower(embedded, training=True) ** 2)
            return tape.gradient(loss, [embedded, *tower.trainable_variables])

        found = gradients(embedded)
        assert all(np.isfinite(gradient).all() for gradient in found)
        assert np.abs(found[0]).max() > 0


@pytest.mark.parametrize("name", TOWERS)
def test_another_seed_is_another_network(name, rng):
    embedded = rng.normal(size=(7, 3, 4)).astype(np.float32)
    one, two = (TOWERS[name](3, 4, TowerConfig(hidden=[6], dim=5), seed)(embedded) for seed in (0, 1))
    assert np.abs(one - two).max() > 1e-3


def test_another_seed_is_another_deepctr_gate():
    embedded = np.ones((2, 6, 4), np.float32)
    towers = [senet(6, 4, TowerConfig(hidden=[], dim=4, gate="deepctr"), seed) for seed in (0, 1)]
    assert not np.array_equal(*[field_weights(tower, embedded) for tower in towers])


def test_a_sigmoid_gate_starts_neutral(rng):
    embedded = rng.normal(size=(7, 3, 4)).astype(np.float32)
    tower = senet(3, 4, TowerConfig(hidden=[], dim=4), seed=0)
    np.testing.assert_allclose(tower(embedded), embedded.sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(field_weights(tower, embedded), [1, 1, 1])


def test_a_sigmoid_gate_worked_out_by_hand():
    """Means 1 and -2; the one hidden unit ReLU(3 · 1 + 1 · -2) = 1; gates 2 / (1 + e^0) and 2 / (1 + e^-ln 3)."""
    tower = senet(2, 2, TowerConfig(hidden=[], dim=2), seed=0)
    weights = [[[3.0], [1.0]], [0.0], [[0.0, np.log(3)]], [0.0, 0.0]]
    tower.set_weights([np.array(weight, np.float32) for weight in weights])
    embedded = np.array([[[2, 0], [0, -4]]], np.float32)
    np.testing.assert_allclose(tower(embedded), [[2, -6]], rtol=1e-6)
    np.testing.assert_allclose(field_weights(tower, embedded), [1, 1.5], rtol=1e-6)


def test_a_deepctr_gate_worked_out_by_hand():
    """Means 1 and -2; the one hidden unit ReLU(3 · 1 + 1 · -2) = 1; gates ReLU(0.5) and ReLU(-1)."""
    tower = senet(2, 2, TowerConfig(hidden=[], dim=2, gate="deepctr"), seed=0)
    tower.set_weights([np.array(weight, np.float32) for weight in ([[3], [1]], [[0.5, -1]])])
    embedded = np.array([[[2, 0], [0, -4]]], np.float32)
    np.testing.assert_allclose(tower(embedded), [[1, 0]], rtol=1e-6)
    np.testing.assert_allclose(field_weights(tower, embedded), [0.5, 0], rtol=1e-6)


@pytest.mark.parametrize("gate", GATES)
def test_field_weights_are_what_the_tower_multiplies_by(gate, rng):
    """Each field has a number of its own, so that the sum of the gated fields shows every gate."""
    tower = senet(6, 6, TowerConfig(hidden=[], dim=6, gate=gate), seed=1)
    tower.set_weights([rng.uniform(-0.2, 1, weight.shape) for weight in tower.get_weights()])
    numbers = rng.uniform(1, 2, (50, 6)).astype(np.float32)
    embedded = numbers[:, :, None] * np.eye(6, dtype=np.float32)
    gates = (tower(embedded) / numbers).numpy().mean(axis=0)
    assert len(set(gates.round(3))) > 2
    np.testing.assert_allclose(field_weights(tower, embedded), gates, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_of_one_field_has_one_weight(gate):
    tower = senet(1, 2, TowerConfig(hidden=[], dim=2, gate=gate), seed=0)
    np.testing.assert_array_equal(field_weights(tower, np.ones((3, 1, 2), np.float32)), [1])


@pytest.mark.parametrize("name", ["dssm", "youtube"])
def test_a_tower_without_a_gate_has_no_field_weights(name):
    tower = TOWERS[name](3, 4, TowerConfig(), 0)
    assert field_weights(tower, np.ones((2, 3, 4), np.float32)) is None
