import json

import numpy as np
import pandas as pd
import pytest

from dssm_core.baselines import BASELINES
from dssm_core.config import Config, EvalConfig, IndexConfig, SplitConfig
from dssm_core.errors import UserError
from dssm_core.evaluation import evaluate, held_out_clicks, save_evaluation
from dssm_core.indexes import INDEXES
from dssm_core.misses import REASONS
from dssm_core.popularity import train_clicks
from dssm_core.recommender import RecallLists
from dssm_core.retrieval import VectorRecommender
from dssm_core.split import Split
from tests.conftest import HOUR, MONDAY, make_dataset

CONFIG = Config(eval=EvalConfig(k=[1, 2], bootstrap=100))
TEST = MONDAY + 24 * HOUR
A, B, C, D = 1, 2, 3, 4
U, V, W = 1, 2, 3


def cut(dataset, pool):
    train = np.flatnonzero(dataset.exposures.time < TEST)
    test = np.flatnonzero(dataset.exposures.time >= TEST)
    pool = np.array(pool, np.int32)
    return Split("time", train, np.zeros(0, np.int64), test, pool, pool, TEST, TEST + 24 * HOUR)


@pytest.fixture
def week():
    """Train: u clicks a, v sees b. Test: u clicks a again, b twice, c, d; v clicks b and sees a; w, new, clicks c."""
    train = [("u", "a", MONDAY, 1), ("v", "b", MONDAY, 0)]
    test = [("u", "a", TEST + 1, 1), ("u", "b", TEST + 7, 1), ("u", "b", TEST + 2, 1), ("u", "c", TEST + 3, 1)]
    test += [("u", "d", TEST + 4, 1), ("v", "b", TEST + 5, 1), ("w", "c", TEST + 6, 1), ("v", "a", TEST + 6, 0)]
    return make_dataset(train + test)


class Fixed:
    """Recommends b then c to everybody, whatever is asked."""

    def recall(self, users, k):
        lists = np.tile(np.array([B, C], np.int32), (len(users), 1))[:, :k]
        return RecallLists(users, lists, np.tile(np.array([0.9, 0.5], np.float32), (len(users), 1))[:, :k])

    def exact(self, users, articles):
        ranks = np.select([articles == B, articles == C, (articles == A) & (users != U)], [1, 2, 3], 0)
        return ranks, np.where(ranks > 0, np.float32(0.4), np.float32(np.nan))


def test_held_out_clicks_are_distinct_with_the_first_time(week):
    clicks = held_out_clicks(week, cut(week, [A, B, C]), CONFIG)
    assert list(zip(clicks["user"], clicks["article"], strict=True)) == [(U, A), (U, B), (U, C), (U, D), (V, B), (W, C)]
    assert clicks["time"].tolist() == [TEST + 1, TEST + 2, TEST + 3, TEST + 4, TEST + 5, TEST + 6]
    assert clicks["user"].dtype == np.int32 and clicks["time"].dtype == np.int64


def test_the_users_evaluated_depend_on_the_splits_seed_alone(tasteful_dataset):
    split = cut(tasteful_dataset, range(1, 121))
    few = EvalConfig(users=20)
    first, second, other = (
        held_out_clicks(tasteful_dataset, split, Config(eval=few, seed=seed, split=SplitConfig(seed=split_seed)))
        for seed, split_seed in ((1, 0), (2, 0), (1, 5))
    )
    assert first["user"].nunique() == 20
    assert first.equals(second) and set(first["user"]) != set(other["user"])


def test_each_held_out_click_has_its_rank_and_reason(week):
    held_out = evaluate(Fixed(), week, cut(week, [A, B, C]), CONFIG).held_out
    assert held_out["list_rank"].tolist() == [0, 1, 2, 0, 1, 2]
    assert held_out["exact_rank"].tolist() == [0, 1, 2, 0, 1, 2]
    assert held_out["reason"].tolist() == ["removed as seen", "hit", "hit", "not in pool", "hit", "hit"]
    assert held_out["in_pool"].tolist() == [True, True, True, False, True, True]
    assert held_out["warm"].tolist() == [True, True, False, False, True, False]
    wanted = {"user": "int32", "article": "int32", "time": "int64", "exact_rank": "int64", "score": "float32"}
    wanted |= {"list_rank": "int32", "in_pool": "bool", "warm": "bool"}
    assert {name: str(held_out[name].dtype) for name in wanted} == wanted


def test_each_user_has_their_metrics(week):
    per_user = evaluate(Fixed(), week, cut(week, [A, B, C]), CONFIG).per_user
    assert per_user["user_id"].tolist() == ["u", "v", "w"]
    assert per_user[["held_out", "in_pool", "warm"]].to_numpy().tolist() == [[4, 3, 2], [1, 1, 1], [1, 1, 0]]
    assert per_user["recall@2"].tolist() == [0.5, 1, 1]
    assert per_user["recall@1"].tolist() == [0.25, 1, 0]
    assert per_user["mrr@2"].tolist() == [1, 1, 0.5]


def test_metrics_are_means_over_users_with_intervals(week):
    evaluation = evaluate(Fixed(), week, cut(week, [A, B, C]), CONFIG)
    recall = evaluation.metrics["recall@2"]
    assert recall["value"] == pytest.approx(2.5 / 3) and 0.5 <= recall["low"] <= recall["high"] <= 1
    assert evaluation.metrics["coverage@1"]["value"] == pytest.approx(1 / 3)
    assert evaluation.metrics["coverage@2"]["value"] == pytest.approx(2 / 3)
    assert set(evaluation.metrics) == {
        f"{name}@{k}"
        for name in (
            "recall",
            "precision",
            "hit",
            "ndcg",
            "mrr",
            "coverage",
            "gini",
            "popularity_percentile",
            "novelty",
        )
        for k in (1, 2)
    }


def test_facts_and_reasons_add_up(week):
    evaluation = evaluate(Fixed(), week, cut(week, [A, B, C]), CONFIG)
    assert evaluation.facts == {
        "users": 3,
        "held_out_clicks": 6,
        "in_pool_share": pytest.approx(5 / 6),
        "warm_share": pytest.approx(3 / 6),
        "pool": 3,
    }
    assert tuple(evaluation.reasons) == REASONS and sum(evaluation.reasons.values()) == 6
    for name in {segment["segment"] for segment in evaluation.segments}:
        assert sum(row["held_out_clicks"] for row in evaluation.segments if row["segment"] == name) <= 6


def test_a_test_without_clicks_is_a_users_error(week):
    split = cut(week, [A])
    empty = Split("time", split.train, split.validation, split.test[:0], split.pool, split.pool, None, None)
    with pytest.raises(UserError, match="no clicks in the test part"):
        evaluate(Fixed(), week, empty, CONFIG)


@pytest.fixture
def popular(tasteful_dataset):
    split = cut(tasteful_dataset, range(1, 101))
    config = Config(eval=EvalConfig(k=[5, 20], bootstrap=100))
    recommender = BASELINES["popular"](tasteful_dataset, split, config, np.random.default_rng(0))
    return evaluate(recommender, tasteful_dataset, split, config)


def test_the_recall_frame_agrees_with_the_held_out_frame(popular):
    recall, held_out = popular.recall(), popular.held_out
    assert list(recall) == ["user", "rank", "article", "score", "hit"]
    assert [str(dtype) for dtype in recall.dtypes] == ["int32", "int32", "int32", "float32", "bool"]
    assert recall["hit"].sum() == (held_out["reason"] == "hit").sum() == popular.reasons["hit"] > 0
    joined = held_out[held_out["list_rank"] > 0].merge(recall, on=["user", "article"])
    assert (joined["list_rank"] == joined["rank"]).all() and joined["hit"].all()


def test_the_recall_of_a_user_can_be_counted_again_from_the_frames(popular):
    hits = popular.held_out.assign(found=popular.held_out["list_rank"].between(1, 5)).groupby("user")["found"].mean()
    np.testing.assert_allclose(popular.per_user["recall@5"], hits)


def test_an_exact_index_loses_nothing_even_among_equal_vectors(tasteful_dataset, rng):
    split = cut(tasteful_dataset, range(1, 121))
    vectors = rng.standard_normal((3, 8)).astype(np.float32)[rng.integers(0, 3, 120)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    users = rng.standard_normal((301, 8)).astype(np.float32)
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    index = INDEXES["exact"](vectors, IndexConfig())
    seen = train_clicks(tasteful_dataset, split)
    evaluation = evaluate(
        VectorRecommender(users, split.pool, vectors, index, seen, 121), tasteful_dataset, split, CONFIG
    )
    assert evaluation.reasons["lost by the index"] == 0
    assert (evaluation.held_out["exact_rank"].to_numpy() <= 2).sum() > evaluation.reasons["hit"]


def test_what_is_saved_is_what_was_measured(popular, tmp_path):
    save_evaluation(tmp_path, popular, {"health": None}, {"seconds": {"evaluate": 0.5}})
    saved = json.loads((tmp_path / "metrics.json").read_text())
    assert list(saved) == ["metrics", "facts", "segments", "reasons", "seconds"]
    assert saved["metrics"] == popular.metrics and saved["segments"] == popular.segments
    assert saved["facts"] == {**popular.facts, "health": None}
    for name, frame in (("recall", popular.recall()), ("held_out", popular.held_out), ("per_user", popular.per_user)):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / f"{name}.parquet"), frame, check_dtype=name != "held_out"
        )


def test_undefined_metrics_are_null_in_the_file(week, tmp_path):
    class Silent(Fixed):
        def recall(self, users, k):
            shape = len(users), k
            return RecallLists(users, np.zeros(shape, np.int32), np.full(shape, np.nan, np.float32))

    evaluation = evaluate(Silent(), week, cut(week, [A, B, C]), CONFIG)
    save_evaluation(tmp_path, evaluation, {}, {})
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["metrics"]["gini@2"] == {"value": None, "low": None, "high": None}
    assert json.loads(text)["metrics"]["recall@2"]["value"] == 0
