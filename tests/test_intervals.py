import numpy as np
import pytest
from scipy import stats

from dssm_core import intervals
from dssm_core.intervals import (
    as_json,
    bootstrap_means,
    bootstrap_ratios,
    jackknife,
    random_groups,
    two_way,
    two_way_ratios,
)


def test_the_value_is_the_mean_of_the_users_where_it_is_defined(rng):
    values = np.array([[1, 4], [2, np.nan], [3, 8]], float)
    value, low, high = bootstrap_means(values, 200, rng)
    assert value.tolist() == [2, 6]
    assert (low <= value).all() and (value <= high).all()
    assert low[0] >= 1 and high[0] <= 3 and low[1] >= 4 and high[1] <= 8


def test_a_ratio_pools_the_users(rng):
    value, _, _ = bootstrap_ratios(np.array([[1], [3]]), np.array([[2], [4]]), 100, rng)
    assert value[0] == pytest.approx(4 / 6)


def test_an_undefined_column_has_no_interval_and_a_constant_one_no_width(rng):
    value, low, high = bootstrap_means(np.array([[np.nan, 5.0]] * 4), 100, rng)
    assert np.isnan([value[0], low[0], high[0]]).all()
    assert (value[1], low[1], high[1]) == (5, 5, 5)


def test_what_a_single_user_defines_has_no_interval(rng):
    value, low, high = bootstrap_means(np.array([[1.0]]), 100, rng)
    assert value[0] == 1 and np.isnan([low[0], high[0]]).all()
    value, low, high = bootstrap_ratios(np.array([[6, 6], [0, 1]]), np.array([[12, 12], [0, 2]]), 100, rng)
    assert value[0] == 0.5 and np.isnan([low[0], high[0]]).all()
    assert (value[1], low[1], high[1]) == (0.5, 0.5, 0.5)


def test_no_users_have_no_interval(rng):
    assert np.isnan(bootstrap_means(np.zeros((0, 2)), 100, rng)).all()


def test_the_interval_is_as_wide_as_the_normal_one_for_many_users(rng):
    values = rng.normal(0, 1, (4000, 1))
    _, low, high = bootstrap_means(values, 2000, rng)
    assert (high - low)[0] == pytest.approx(2 * 1.96 * values.std() / 4000**0.5, rel=0.1)


def test_the_interval_holds_the_true_mean_19_times_in_20(rng):
    holds = [
        low[0] <= 0.3 <= high[0]
        for _, low, high in (bootstrap_means((rng.random((200, 1)) < 0.3) * 1.0, 200, rng) for _ in range(300))
    ]
    assert 0.9 <= np.mean(holds) <= 0.98


def test_blocks_of_resamples_draw_every_user_n_times_on_average(rng, monkeypatch):
    monkeypatch.setattr(intervals, "_DRAWS_PER_BLOCK", 30)
    counts = np.vstack(list(intervals._times_drawn(10, 100, rng)))
    assert counts.shape == (100, 10) and (counts.sum(axis=1) == 10).all()


def test_a_paired_difference_does_not_see_what_users_share(rng):
    users = rng.normal(0, 10, (500, 1))
    value, low, high = bootstrap_means(users + 0.1 - users, 200, rng)
    assert value[0] == pytest.approx(0.1) and high[0] - low[0] < 1e-9


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(30.0)[:, None]
    first, second = (bootstrap_means(values, 100, np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_jackknife_of_a_mean_is_the_standard_error():
    # groups of one user each with counts 0, 1, 2, 3: the error of the mean is sd/√n = 1.29099/2
    groups = np.array([[x, 1] for x in (0, 1, 2, 3)])
    value, low, high = jackknife(lambda totals: totals[0] / totals[1], groups.sum(axis=0), groups)
    assert value == 1.5
    assert (high - low) / 2 == pytest.approx(1.959964 * 1.2909944 / 2, rel=1e-6)


def test_random_groups_differ_in_size_by_one_at_most(rng):
    assert set(np.bincount(random_groups(105, rng)).tolist()) == {5, 6}
    assert sorted(random_groups(3, rng).tolist()) == [0, 1, 2]
    assert len(random_groups(0, rng)) == 0


def test_undefined_is_written_as_null():
    assert as_json(0.5, np.nan, np.inf) == {"value": 0.5, "low": None, "high": None}


def test_the_variance_over_users_and_seeds_is_the_sum_of_both():
    # seed means 1 and 3, user means 0, 2 and 4, and no interaction
    values = (np.array([[-1.0], [1.0]]) + np.array([[0.0, 2.0, 4.0]]))[:, :, None]
    value, low, high = two_way(values)
    users, seeds = 4 / 3, 2 / 2
    freedom = (users + seeds) ** 2 / (users**2 / 2 + seeds**2 / 1)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(users + seeds)
    assert value[0] == pytest.approx(2)
    assert (low[0], high[0]) == pytest.approx((2 - half, 2 + half))


def test_the_interaction_of_users_and_seeds_is_counted_once():
    # every user moves with the seed, half of them up and half down: no seed is better than the other
    values = np.array([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])[:, :, None]
    value, low, high = two_way(values)
    assert (value[0], low[0], high[0]) == (0, 0, 0)  # the users' means are all 0, and so are the seeds'


def test_a_side_of_one_run_has_no_variance_of_seeds(rng):
    values, baseline = rng.random((1, 40, 1)), rng.random((1, 40, 1))
    value, _, high = two_way(values, baseline)
    error = (values - baseline).std(ddof=1) / np.sqrt(40)
    assert high[0] - value[0] == pytest.approx(stats.t.ppf(0.975, 39) * error)


def test_one_user_has_no_interval_over_users_and_seeds():
    value, low, high = two_way(np.array([[[1.0]], [[3.0]]]))
    assert value[0] == 2 and np.isnan([low[0], high[0]]).all()


@pytest.mark.parametrize(
    ("seed_spread", "interaction"), [(0.02, 0.05), (0.005, 0.1), (0.0, 0.2)], ids=["seeds", "both", "interaction"]
)
@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_strategies_are_called_different_in_2_to_8_percent(seed_spread, interaction, seeds):
    rng, trials, users = np.random.default_rng(1), 1500, 150

    def side():
        noise = rng.normal(0, seed_spread, (seeds, 1, trials)) + rng.normal(0, interaction, (seeds, users, trials))
        return shared + noise

    shared = rng.normal(0, 0.3, (users, trials))
    _, low, high = two_way(side(), side())
    assert 0.02 <= ((low > 0) | (high < 0)).mean() <= 0.08


def test_a_bootstrap_over_users_alone_calls_them_different_far_too_often():
    rng, users = np.random.default_rng(1), 150
    seeds = rng.normal(0, 0.02, (2, 1, 300)) + rng.normal(0, 0.05, (2, users, 300))
    _, low, high = bootstrap_means(seeds[0] - seeds[1], 200, rng)
    assert ((low > 0) | (high < 0)).mean() > 0.3


def test_a_ratio_over_users_and_seeds_is_that_of_the_sums_with_the_bootstraps_interval(rng):
    clicks = rng.integers(0, 4, (2000, 1))
    hits = rng.binomial(clicks, 0.3)
    value, low, high = two_way_ratios(hits[None], clicks)
    _, resampled_low, resampled_high = bootstrap_ratios(hits, clicks, 2000, rng)
    assert value[0] == pytest.approx(hits.sum() / clicks.sum())
    assert (low[0], high[0]) == pytest.approx((resampled_low[0], resampled_high[0]), abs=0.003)


def test_equal_strategies_are_seldom_called_different_by_their_ratios_either(rng):
    trials, users, seeds = 600, 300, 3
    clicks = rng.integers(1, 4, (users, trials))

    def side():
        chance = np.clip(0.3 + rng.normal(0, 0.03, (seeds, 1, trials)), 0, 1)
        return rng.binomial(clicks, np.broadcast_to(chance, (seeds, users, trials)))

    _, low, high = two_way_ratios(side(), clicks, side())
    called = ((low > 0) | (high < 0)).mean()
    assert 0.02 <= called <= 0.08


def test_a_ratio_without_denominators_is_undefined():
    value, low, high = two_way_ratios(np.zeros((2, 3, 1)), np.zeros((3, 1)))
    assert np.isnan([value[0], low[0], high[0]]).all()
