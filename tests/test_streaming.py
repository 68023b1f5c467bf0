import numpy as np
import pytest

from dssm_core.streaming import StreamingFrequency


def test_a_bucket_never_met_is_expected_once_in_the_first_gap():
    """Once in 20 batches of 10 clicks: q = 1/200."""
    estimate = StreamingFrequency(50, first_gap=20, batch=10)
    np.testing.assert_allclose(estimate.probability(np.array([[3], [7]])), [[1 / 200], [1 / 200]])


def test_the_gap_moves_towards_the_steps_between_two_batches():
    """Met at steps 1 and 4: 20 + 0.05 (1 − 20) = 19.05, then + 0.05 (3 − 19.05) = 18.2475."""
    estimate = StreamingFrequency(50, first_gap=20, batch=10)
    for batch in ([3], [5], [6], [3]):
        estimate.update(np.array(batch))
    assert estimate.probability(np.array([3]))[0] == pytest.approx(1 / (18.2475 * 10))


def test_it_converges_to_how_often_each_article_is_clicked(rng):
    """Articles that are in far fewer than one batch of two; those in every batch are known to be frequent, not how."""
    q = 1 / np.arange(1, 401)
    q /= q.sum()
    estimate = StreamingFrequency(400, first_gap=50, batch=8)
    for _ in range(6000):
        estimate.update(rng.choice(400, 8, p=q))
    tail = np.arange(10, 200)
    ratio = estimate.probability(tail) / q[tail]
    assert np.median(ratio) == pytest.approx(1, abs=0.15)
    order = np.argsort(-estimate.probability(np.arange(400)))
    assert len(set(order[:20].tolist()) & set(range(25))) >= 15


def test_an_article_in_every_batch_is_expected_once_a_batch():
    estimate = StreamingFrequency(50, first_gap=20, batch=10)
    for _ in range(500):
        estimate.update(np.array([3, 3]))
    assert estimate.probability(np.array([3]))[0] == pytest.approx(1 / 10, rel=1e-3)
