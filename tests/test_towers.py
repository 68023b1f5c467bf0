from typing import get_args

import numpy as np
import pytest

from dssm_core.config import TowerConfig, TowerName
from dssm_core.towers import TOWERS, dssm

DEEPMATCH = "deepmatch"


def test_the_dict_and_deepmatch_are_what_the_config_allows():
    assert {*TOWERS, DEEPMATCH} == set(get_args(TowerName))


def test_without_hidden_layers_the_fields_are_summed():
    embedded = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    tower = dssm(3, 2, TowerConfig(hidden=[], dim=2), seed=0)
    np.testing.assert_allclose(tower(embedded), embedded.sum(axis=1))


@pytest.mark.parametrize("name", TOWERS)
class TestEveryTower:
    def test_gives_vectors_of_the_asked_length(self, name, rng):
        tower = TOWERS[name](3, 4, TowerConfig(hidden=[6], dim=5), 0)
        assert tower(rng.normal(size=(7, 3, 4)).astype(np.float32)).shape == (7, 5)

    def test_is_the_same_for_the_same_seed(self, name, rng):
        embedded = rng.normal(size=(7, 3, 4)).astype(np.float32)
        one, two = (TOWERS[name](3, 4, TowerConfig(hidden=[6], dim=5), 3)(embedded) for _ in range(2))
        np.testing.assert_array_equal(one, two)
