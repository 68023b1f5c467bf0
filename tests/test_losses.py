import math
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from dssm_core.config import Config, LossConfig, LossName, with_settings
from dssm_core.losses import (
    LOSSES,
    MASKED,
    corrected,
    hardest,
    log_probability,
    masked,
    same_article,
    unit,
    with_temperature,
)

TEMPERATURE = 0.5


def loss(name, positive, negative, **config):
    """Each row's loss of logits."""
    return LOSSES[name](positive, negative, LossConfig(**config), TEMPERATURE).numpy()


def floats(*values):
    return np.array(values, np.float32)


def test_unit_vectors_have_length_one_and_zero_stays_zero():
    np.testing.assert_allclose(unit(floats([3, 4], [0, 0])), [[0.6, 0.8], [0, 0]], atol=1e-6)


def test_log_probability_is_floored_at_the_least_probable_article():
    np.testing.assert_allclose(log_probability(np.array([0, 0.25, 0.75])), np.log([0.25, 0.25, 0.75]), rtol=1e-6)


def test_the_correction_subtracts_ln_of_the_expected_count():
    """Of 4 negatives, 4 · 0.5 = 2 and 4 · 0.1 = 0.4 are expected to be these articles."""
    logits = corrected(floats(2.0, 2.0), np.log(floats(0.5, 0.1)), 4)
    np.testing.assert_allclose(logits, [2 - math.log(2), 2 - math.log(0.4)], atol=1e-5)


def test_a_masked_negative_has_the_least_logit_there_is():
    assert masked(floats(1, 2), np.array([True, False])).numpy().tolist() == [MASKED, 2]


def test_a_negative_that_is_the_rows_own_positive_is_found_in_shared_and_own_sets():
    assert same_article(tf.constant([4, 7]), tf.constant([[7, 4]])).numpy().tolist() == [[False, True], [True, False]]
    assert same_article(tf.constant([4, 7]), tf.constant([[4, 1], [2, 3]])).numpy().tolist() == [
        [True, False],
        [False] * 2,
    ]


def kept(logits, h):
    return (hardest(tf.constant(logits), h).numpy() > MASKED).tolist()


def test_the_h_hardest_are_kept():
    logits = floats([3, 1, 2, 0], [0, MASKED, 5, MASKED])
    assert kept(logits, 2) == [[True, False, True, False], [True, False, True, False]]


def test_of_fewer_than_h_negatives_all_are_kept():
    assert kept(floats([3, 1, MASKED]), 5) == [[True, True, False]]


def test_the_hardest_of_many_are_those_that_sorting_finds():
    logits = np.random.default_rng(0).normal(scale=10, size=(50, 1000)).astype(np.float32)
    ranks = (-logits).argsort(axis=1).argsort(axis=1)
    assert kept(logits, 100) == (ranks < 100).tolist()


def test_bce_is_minus_ln_of_the_right_answers():
    expected = -math.log(1 / (1 + math.exp(-2))) - math.log(1 - 1 / (1 + math.exp(-0.5))) - math.log(0.5)
    assert loss("bce", floats(2), floats([0.5, 0]))[0] == pytest.approx(expected, rel=1e-5)


def test_sampled_softmax_is_minus_ln_of_the_positives_share():
    share = math.exp(2) / (math.exp(2) + math.exp(1) + math.exp(0))
    assert loss("sampled_softmax", floats(2), floats([1, 0]))[0] == pytest.approx(-math.log(share), rel=1e-5)


def test_bpr_is_minus_ln_that_the_positive_wins_averaged_over_the_negatives():
    expected = (math.log(1 + math.exp(1 - 2)) + math.log(1 + math.exp(0 - 2))) / 2
    assert loss("bpr", floats(2), floats([1, 0]))[0] == pytest.approx(expected, rel=1e-5)


def test_triplet_asks_for_a_lead_of_the_margin_in_cosines():
    """Logits 2, 1.8, 0 are cosines 1, 0.9, 0: the lead of 0.1 falls short of the margin by 0.1, 0.2 over τ."""
    assert loss("triplet", floats(2), floats([1.8, 0]), margin=0.2)[0] == pytest.approx(0.2 / 2, rel=1e-5)


def test_the_dict_holds_what_the_config_allows():
    assert set(LOSSES) == set(get_args(LossName))


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_falls_when_the_positive_rises(self, name):
        low, high = loss(name, floats(0.0, 0.5), floats([0.5, 0.2], [0.5, 0.2]))
        assert high < low

    def test_rises_when_a_negative_rises(self, name):
        low, high = loss(name, floats(0.5, 0.5), floats([0.5, 0.2], [0.9, 0.2]))
        assert high > low

    def test_does_not_see_masked_negatives(self, name):
        without = loss(name, floats(0.5), floats([0.4]))
        with_masked = loss(name, floats(0.5), floats([0.4, MASKED]))
        np.testing.assert_allclose(without, with_masked, rtol=1e-6)

    def test_is_finite_with_every_negative_masked_and_with_large_logits(self, name):
        rows = loss(name, floats(1.0, 80.0, -80.0), floats([MASKED] * 2, [-80.0] * 2, [80.0] * 2))
        assert np.isfinite(rows).all()


@pytest.mark.parametrize("pool", [1_000, 20_000, 630_000])
def test_without_a_temperature_a_perfect_match_takes_a_33rd_of_the_softmax_over_any_pool(pool):
    temperature = with_temperature(with_settings(Config(), ["loss.temperature=none"]), pool).loss.temperature
    assert np.exp(1 / temperature) / (np.exp(1 / temperature) + pool) == pytest.approx(1 / 33)


def test_the_temperature_of_a_tiny_pool_is_1_and_one_that_is_given_stays():
    assert with_temperature(with_settings(Config(), ["loss.temperature=none"]), 40).loss.temperature == 1
    assert with_temperature(with_settings(Config(), ["loss.temperature=0.3"]), 20_000).loss.temperature == 0.3
