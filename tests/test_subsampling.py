import numpy as np
import pytest

from dssm_core.subsampling import keep_probability, kept_clicks


def test_keep_is_word2vecs_formula():
    """f = 0.8 and 0.2 with t = 0.1: (√8 + 1) / 8 and (√2 + 1) / 2, at most 1."""
    np.testing.assert_allclose(keep_probability(np.array([0, 8, 2]), 0.1), [1, (8**0.5 + 1) / 8, 1])


def test_no_threshold_keeps_every_click(rng):
    assert keep_probability(np.array([0, 8, 2]), 0).tolist() == [1, 1, 1]
    assert sorted(kept_clicks(np.ones(20), rng).tolist()) == list(range(20))


def test_as_many_are_kept_as_expected_each_with_its_chance(rng):
    keep = np.r_[np.full(50, 0.9), np.full(50, 0.1)]
    times = np.zeros(100)
    for _ in range(2000):
        rows = kept_clicks(keep, rng)
        assert len(rows) == len(set(rows.tolist())) == 50
        times[rows] += 1
    assert times[:50].mean() / 2000 == pytest.approx(0.9, abs=0.01)
    assert times[50:].mean() / 2000 == pytest.approx(0.1, abs=0.01)
