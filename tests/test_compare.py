from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dssm_core.compare import (
    USERS,
    USERS_AND_SEEDS,
    config_differences,
    difference_matrix,
    filtered,
    group_differences,
    group_values,
    groups,
    overlaps,
    reason_shares,
    recall_curve,
)
from dssm_core.config import Config, NegativesConfig
from dssm_core.segments import Segment
from tests.conftest import MONDAY, make_dataset


def run(id, model="two_tower", preset="in_batch", dataset="d", **config):
    return SimpleNamespace(id=id, model=model, preset=preset, dataset=dataset, config=Config(model=model, **config))


def alone(*ids):
    return {id: [run(id)] for id in ids}


def per_user(users, recall):
    return pd.DataFrame({"user": users, "recall@10": recall, "ndcg@10": np.array(recall) / 2})


def test_differences_are_taken_on_the_users_in_common(rng):
    runs = {"base": per_user([1, 2, 3], [0.1, 0.2, 0.9]), "new": per_user([2, 3, 4], [0.5, 1.0, 0.0])}
    table = group_differences(runs, alone("base", "new"), "base", ["recall@10", "ndcg@10"], 200, rng)
    assert list(table) == ["group", "metric", "users", "seeds", "value", "low", "high", "covers"]
    assert table["group"].tolist() == ["new", "new"] and table["users"].tolist() == [2, 2]
    assert table["value"].tolist() == pytest.approx([0.2, 0.1])  # users 2 and 3: +0.3 and +0.1
    assert table["low"][0] == pytest.approx(0.1) and table["high"][0] == pytest.approx(0.3)
    assert set(table["covers"]) == {USERS}


def test_runs_with_the_same_users_are_resampled_together_and_with_others_apart(rng):
    runs = {
        "base": per_user([1, 2], [0.0, 0.0]),
        "a": per_user([1, 2], [0.2, 0.4]),
        "b": per_user([1, 2], [1.0, 0.0]),
        "c": per_user([2, 3], [0.7, 0.1]),
    }
    table = group_differences(runs, alone(*runs), "base", ["recall@10"], 100, rng).set_index("group")
    assert table["value"].to_dict() == pytest.approx({"a": 0.3, "b": 0.5, "c": 0.7})
    assert table["users"].to_dict() == {"a": 2, "b": 2, "c": 1}


def test_a_baseline_alone_has_no_differences(rng):
    assert group_differences({"base": per_user([1], [0.1])}, alone("base"), "base", ["recall@10"], 100, rng).empty


def test_runs_without_common_users_differ_by_an_undefined_amount(rng):
    runs = {"base": per_user([1], [0.1]), "new": per_user([2], [0.1])}
    table = group_differences(runs, alone(*runs), "base", ["recall@10"], 100, rng)
    assert table["users"].tolist() == [0] and table[["value", "low", "high"]].isna().all(axis=None)


def test_runs_that_differ_by_seed_alone_are_one_group():
    some = [run("a", seed=1), run("b", seed=2), run("c", seed=1, negatives={"k": 9}), run("d", seed=3, preset="mixed")]
    assert {id: [one.id for one in group] for id, group in groups(some).items()} == {
        "a": ["a", "b"],
        "c": ["c"],
        "d": ["d"],
    }


def test_a_run_repeated_with_the_same_seed_is_no_further_seed():
    some = [run("a", seed=1), run("again", seed=1), run("b", seed=2), run("popular", "popular"), run("p", "popular")]
    assert {id: [one.id for one in group] for id, group in groups(some).items()} == {
        "a": ["a", "b"],
        "again": ["again"],
        "popular": ["popular"],
        "p": ["p"],
    }


def test_intervals_of_groups_cover_seeds_where_every_trained_side_has_some(rng):
    recall = {id: per_user(range(50), rng.random(50)) for id in ("a0", "a1", "b0", "b1", "c0", "popular")}
    of = {
        "a": [run("a0"), run("a1")],
        "b": [run("b0"), run("b1")],
        "c": [run("c0")],
        "popular": [run("popular", "popular")],
    }
    values = group_values(recall, of, ["recall@10"], 100, rng).set_index("group")
    assert values["covers"].to_dict() == {"a": USERS_AND_SEEDS, "b": USERS_AND_SEEDS, "c": USERS, "popular": USERS}
    assert values.at["a", "value"] == pytest.approx(np.mean([recall["a0"]["recall@10"], recall["a1"]["recall@10"]]))
    apart = group_differences(recall, of, "a", ["recall@10"], 100, rng).set_index("group")
    assert apart["covers"].to_dict() == {"b": USERS_AND_SEEDS, "c": USERS, "popular": USERS_AND_SEEDS}
    assert apart["seeds"].to_dict() == {"b": 2, "c": 1, "popular": 1}
    assert apart.at["b", "value"] == pytest.approx(values.at["b", "value"] - values.at["a", "value"])


def lists(*rows):
    return pd.DataFrame(rows, columns=["user", "rank", "article"])


def test_overlap_is_the_mean_share_of_two_lists_that_both_hold():
    one = lists((1, 1, 10), (1, 2, 11), (1, 3, 99), (2, 1, 10), (3, 1, 5))
    two = lists((1, 1, 11), (1, 2, 12), (1, 3, 99), (2, 1, 20))
    of_2, of_3 = (overlaps({"one": one, "two": two}, k) for k in (2, 3))
    assert of_2.at["one", "two"] == of_2.at["two", "one"] == pytest.approx((1 / 3 + 0) / 2)
    assert of_3.at["one", "two"] == pytest.approx((2 / 4 + 0) / 2)
    assert np.diag(of_3).tolist() == [1, 1]


def test_lists_without_common_users_have_no_overlap():
    assert np.isnan(overlaps({"one": lists((1, 1, 10)), "two": lists((2, 1, 10))}, 3).at["one", "two"])


CLICKS = pd.DataFrame(
    {
        "user": [1, 1, 2, 3],
        "article": [1, 2, 1, 2],
        "list_rank": [1, 0, 3, 2],
        "exact_rank": [1, 40, 3, 2],
        "reason": ["hit", "outranked", "hit", "hit"],
        "warm": [True, False, True, True],
        "warm_user": True,
    }
)


def test_each_cell_of_the_matrix_pools_the_clicks_that_are_in_it():
    other = CLICKS.assign(list_rank=[0, 0, 3, 0])
    popularity = Segment("popularity", ("head", "tail"), np.array([0, 1, 0, 1]))
    age = Segment("age", ("new", "old"), np.array([0, 0, 1, -1]))
    table = difference_matrix([CLICKS], [other], [popularity, age], 10)
    assert table[["popularity", "age"]].to_numpy().tolist() == [["head", "new"], ["head", "old"], ["tail", "new"]]
    assert table["held_out_clicks"].tolist() == [1, 1, 1]
    assert table["value"].tolist() == [1, 0, 0]


def test_the_difference_of_a_cell_is_a_share_of_its_clicks():
    everywhere = Segment("all", ("all",), np.zeros(4, int))
    table = difference_matrix([CLICKS], [CLICKS.assign(list_rank=[0, 0, 3, 0])], [everywhere], 10)
    assert table["value"].tolist() == [2 / 4] and table["users"].tolist() == [3]
    assert 0 < table["high"][0] - 0.5 == pytest.approx(0.5 - table["low"][0])


def test_a_cell_is_the_mean_of_the_seeds_and_the_more_they_scatter_the_wider_its_interval():
    clicks = pd.DataFrame({"user": np.arange(200), "list_rank": np.arange(200) % 2})
    everywhere = Segment("all", ("all",), np.zeros(200, int))
    seeds = [clicks, clicks.assign(list_rank=0), clicks.assign(list_rank=1)]
    alike = difference_matrix([clicks] * 3, [clicks.assign(list_rank=0)], [everywhere], 10)
    apart = difference_matrix(seeds, [clicks.assign(list_rank=0)], [everywhere], 10)
    assert alike["value"].tolist() == [0.5] == apart["value"].tolist()
    assert (apart["high"] - apart["low"] > 5 * (alike["high"] - alike["low"])).all()


def test_shares_of_the_reasons_are_of_all_clicks_or_of_each_part():
    overall = reason_shares(CLICKS, 2).set_index("reason")
    assert overall["clicks"].sum() == 4
    assert overall["share"][["hit", "cold article", "outranked"]].tolist() == [0.5, 0.25, 0.25]
    parted = reason_shares(CLICKS, 2, Segment("s", ("a", "b", "none"), np.array([0, 0, 1, -1])))
    assert parted["part"].unique().tolist() == ["a", "b"]
    assert parted.groupby("part")["share"].sum().tolist() == [1, 1]


def test_a_filter_keeps_the_clicks_of_those_users_on_those_articles():
    dataset = make_dataset(
        [("u", "a", MONDAY, 1), ("v", "b", MONDAY, 1)],
        {"a": {"cate": "sport"}, "b": {"cate": "film"}},
        {"u": {"city": "x"}, "v": {"city": "y"}},
    )
    clicks = pd.DataFrame({"user": [1, 1, 2, 2], "article": [1, 2, 1, 2]})
    assert filtered(clicks, dataset, {"city": ["x"]}, {}).to_numpy().tolist() == [[1, 1], [1, 2]]
    assert filtered(clicks, dataset, {"city": ["x"]}, {"cate": ["film"]}).to_numpy().tolist() == [[1, 2]]
    assert filtered(clicks, dataset, {"city": ["z"]}, {}).empty


def test_the_recall_curve_is_the_mean_recall_of_users_at_each_k(rng):
    held_out = pd.DataFrame({"user": [1, 1, 2], "list_rank": [1, 0, 7]})
    curve = recall_curve(held_out, [1, 7], 100, rng)
    assert list(curve) == ["k", "value", "low", "high"]
    assert curve["value"].tolist() == pytest.approx([0.25, 0.75])
    assert curve["low"].tolist() == pytest.approx([0, 0.5]) and curve["high"].tolist() == pytest.approx([0.5, 1])


def test_only_knobs_that_differ_are_listed():
    configs = {"one": Config(), "two": Config(negatives=NegativesConfig(k=9)), "three": Config(model="popular")}
    table = config_differences(configs)
    assert table.index.tolist() == ["model", "negatives.k"]
    assert table.to_dict("list") == {
        "one": ["two_tower", "5"],
        "two": ["two_tower", "9"],
        "three": ["popular", "5"],
    }
    assert config_differences({"one": Config(), "two": Config()}).empty


def test_a_run_may_be_called_like_a_column_of_the_differences():
    table = config_differences({"key": Config(seed=1), "b": Config(seed=2)})
    assert table.loc["seed", "key"] == "1"
