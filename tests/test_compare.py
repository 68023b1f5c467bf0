import numpy as np
import pandas as pd
import pytest

from dssm_core.compare import config_differences, list_overlap, paired_differences, recall_curve
from dssm_core.config import Config, NegativesConfig


def per_user(users, recall):
    return pd.DataFrame({"user": users, "recall@10": recall, "ndcg@10": np.array(recall) / 2})


def test_differences_are_taken_on_the_users_in_common(rng):
    runs = {"base": per_user([1, 2, 3], [0.1, 0.2, 0.9]), "new": per_user([3, 2, 4], [1.0, 0.5, 0.0])}
    table = paired_differences(runs, "base", ["recall@10", "ndcg@10"], 200, rng)
    assert list(table) == ["run", "metric", "users", "value", "low", "high"]
    assert table["run"].tolist() == ["new", "new"] and table["users"].tolist() == [2, 2]
    assert table["value"].tolist() == pytest.approx([0.2, 0.1])  # users 2 and 3: +0.3 and +0.1
    assert table["low"][0] == pytest.approx(0.1) and table["high"][0] == pytest.approx(0.3)


def test_a_baseline_alone_has_no_differences(rng):
    assert paired_differences({"base": per_user([1], [0.1])}, "base", ["recall@10"], 100, rng).empty


def test_runs_without_common_users_differ_by_an_undefined_amount(rng):
    runs = {"base": per_user([1], [0.1]), "new": per_user([2], [0.1])}
    table = paired_differences(runs, "base", ["recall@10"], 100, rng)
    assert table["users"].tolist() == [0] and table[["value", "low", "high"]].isna().all(axis=None)


def lists(*rows):
    return pd.DataFrame(rows, columns=["user", "rank", "article"])


def test_overlap_is_the_mean_share_of_two_lists_that_both_hold():
    one = lists((1, 1, 10), (1, 2, 11), (1, 3, 99), (2, 1, 10), (3, 1, 5))
    two = lists((1, 1, 11), (1, 2, 12), (1, 3, 99), (2, 1, 20))
    assert list_overlap(one, two, 2) == pytest.approx((1 / 3 + 0) / 2)
    assert list_overlap(one, two, 3) == pytest.approx((2 / 4 + 0) / 2)
    assert list_overlap(one, one, 3) == 1
    assert np.isnan(list_overlap(lists((1, 1, 10)), lists((2, 1, 10)), 3))


def test_the_recall_curve_is_the_mean_recall_of_users_at_each_k(rng):
    held_out = pd.DataFrame({"user": [1, 1, 2], "list_rank": [1, 0, 7]})
    curve = recall_curve(held_out, [1, 7], 100, rng)
    assert list(curve) == ["k", "value", "low", "high"]
    assert curve["value"].tolist() == pytest.approx([0.25, 0.75])
    assert curve["low"].tolist() == pytest.approx([0, 0.5]) and curve["high"].tolist() == pytest.approx([0.5, 1])


def test_only_knobs_that_differ_are_listed():
    configs = {"one": Config(), "two": Config(negatives=NegativesConfig(k=9)), "three": Config(model="popular")}
    table = config_differences(configs)
    assert table.to_dict("list") == {
        "key": ["model", "negatives.k"],
        "one": ["two_tower", "5"],
        "two": ["two_tower", "9"],
        "three": ["popular", "5"],
    }
    assert config_differences({"one": Config(), "two": Config()}).empty
