import numpy as np
import pytest

from dssm_core.metrics import CATALOGUE_METRICS, METRICS, coverage, gini, ndcg, novelty, popularity_percentile

HITS = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
HELD_OUT = np.array([4, 1, 2, 0])

CASES = {
    ("recall", 3): [0.5, 0, 0],
    ("recall", 4): [0.5, 1, 0],
    ("precision", 3): [2 / 3, 0, 0],
    ("precision", 4): [0.5, 0.25, 0],
    ("hit", 3): [1, 0, 0],
    ("hit", 4): [1, 1, 0],
    # user 0: hits at ranks 1 and 3: 1 + 1/log2(4) = 1.5; the best of 3 hits in 3 places: 1 + 0.63093 + 0.5
    ("ndcg", 3): [1.5 / 2.1309297535714573, 0, 0],
    # four held out: the fourth place adds 1/log2(5); user 1: 1/log2(5) against 1
    ("ndcg", 4): [1.5 / 2.561606311644851, 0.43067655807339306, 0],
    ("mrr", 3): [1, 0, 0],
    ("mrr", 4): [1, 0.25, 0],
}


@pytest.mark.parametrize(("name", "k"), CASES)
def test_metrics_worked_out_by_hand(name, k):
    np.testing.assert_allclose(METRICS[name](HITS, HELD_OUT, k)[:3], CASES[name, k])


def test_ndcg_is_1_when_every_held_out_click_leads_the_list():
    hits = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    np.testing.assert_allclose(ndcg(hits, np.array([2, 9]), 4), 1)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_lies_in_0_to_1_and_is_undefined_without_held_out_clicks(name, rng):
    hits = rng.random((200, 10)) < 0.2
    held_out = hits.sum(axis=1) + rng.integers(0, 3, 200)
    values = METRICS[name](hits, held_out, 5)
    assert values.shape == (200,) and values.dtype == np.float64
    assert (np.isnan(values) == (held_out == 0)).all()
    assert np.nanmin(values) >= 0 and np.nanmax(values) <= 1 + 1e-12


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_looks_at_the_first_k_places_alone(name, rng):
    hits = rng.random((50, 10)) < 0.3
    held_out = np.full(50, 10)
    later = hits.copy()
    later[:, 4:] = False
    np.testing.assert_array_equal(METRICS[name](hits, held_out, 4), METRICS[name](later, held_out, 4))


def test_coverage_is_the_share_of_the_pool_that_is_recalled():
    assert coverage(np.array([3, 0, 1, 0]), np.zeros(4)) == 0.5


def test_gini_is_0_for_equal_shares_and_near_1_for_one_article_taking_all():
    assert gini(np.array([2, 2, 2, 2]), np.zeros(4)) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 8]), np.zeros(4)) == pytest.approx(0.75)
    # sorted 0 1 3: (−2·0 + 0·1 + 2·3) / (3·4)
    assert gini(np.array([3, 0, 1]), np.zeros(3)) == pytest.approx(0.5)


def test_popularity_percentile_is_the_share_of_the_pool_clicked_less():
    clicks = np.array([0, 5, 5, 9])  # percentiles 1/8, 1/2, 1/2, 7/8
    assert popularity_percentile(np.array([0, 0, 0, 3]), clicks) == pytest.approx(7 / 8)
    assert popularity_percentile(np.array([1, 1, 0, 2]), clicks) == pytest.approx((1 / 8 + 1 / 2 + 7 / 4) / 4)


def test_novelty_is_the_surprise_of_a_click_in_bits():
    # shares with one added: 1/8, 3/8, 4/8
    assert novelty(np.array([2, 0, 2]), np.array([0, 2, 3])) == pytest.approx((3 + 1) / 2)


@pytest.mark.parametrize("name", CATALOGUE_METRICS)
def test_every_catalogue_metric_is_a_number_and_undefined_without_lists(name, rng):
    recalled, clicks = rng.integers(0, 5, 100), rng.integers(0, 50, 100)
    value = CATALOGUE_METRICS[name](recalled, clicks)
    assert isinstance(value, float) and np.isfinite(value) and value >= 0
    assert np.isnan(CATALOGUE_METRICS[name](np.zeros(100, np.int64), clicks))
    order = rng.permutation(100)
    assert CATALOGUE_METRICS[name](recalled[order], clicks[order]) == pytest.approx(value)
