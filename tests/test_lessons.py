import numpy as np
import pandas as pd
import pytest

from dssm_core import lessons
from dssm_core.config import PoolConfig, SplitConfig
from dssm_core.lessons import LessonLog, Towers, TwoWays
from dssm_core.recommender import RecallLists
from dssm_core.split import make_split
from tests.conftest import HOUR, MONDAY, make_dataset

DAY = 24 * HOUR


@pytest.fixture
def log() -> LessonLog:
    """u1 clicks a1 and a2 in train and a3 in the test; u2 clicks a2 in train, a1 and a4 in the test."""
    rows = [("u1", "a1", MONDAY, 1), ("u1", "a2", MONDAY + 1, 1), ("u2", "a2", MONDAY + 2, 1)]
    rows += [("u2", "a3", MONDAY + 3, 0), ("u2", "a4", MONDAY + 4, 0)]
    rows += [("u1", "a3", MONDAY + DAY, 1), ("u2", "a1", MONDAY + DAY, 1), ("u2", "a4", MONDAY + DAY + 1, 1)]
    articles = {f"a{i}": {"cate": "xxyy"[i - 1], "sub_cate": "s", "title": "t" * i} for i in range(1, 5)}
    dataset = make_dataset(rows, articles, {"u1": {"city": "n"}, "u2": {"city": "s"}})
    split = make_split(dataset, SplitConfig(validation_users=0), PoolConfig())
    return LessonLog(dataset, split, pd.DataFrame({"user": [1, 2, 2], "article": [3, 1, 4]}))


def lists(*articles):
    articles = np.array(articles, np.int32)
    cosines = np.linspace(0.9, 0.1, articles.shape[1], dtype=np.float32)
    return RecallLists(np.array([1, 2], np.int32), articles, np.tile(cosines, (2, 1)))


def test_recall_is_the_share_of_each_user_s_held_out_clicks(log):
    assert log.recalls(lists([3, 4], [3, 4]), 2).tolist() == [1, 0.5]
    assert log.recalls(lists([4, 3], [3, 4]), 1).tolist() == [0, 0]


def test_lists_from_vectors_leave_out_what_was_clicked_before(log):
    vectors = np.eye(4, dtype=np.float32)[log.split.pool - 1]
    users = np.array([[0, 0, 0, 1], [0.8, 0, 0.6, 0], [0.6, 0.8, 0, 0]], np.float32)
    assert log.lists(users, vectors, 1).articles.tolist() == [[3], [1]]


def test_the_lists_of_a_run_are_read_by_user_and_rank(log):
    recall = pd.DataFrame({"user": [1, 2, 2, 7], "rank": [1, 1, 2, 1], "article": [3, 1, 4, 1], "score": 0.5})
    assert log.lists_of(recall, 2).articles.tolist() == [[3, 0], [1, 4]]


def test_lists_cut_farthest_first_lose_what_stood_first(log):
    found = lessons.farthest_first(log, lists([3, 2], [1, 3]), 1)
    assert (found.right["value"], found.mistaken["value"], found.difference["value"]) == (0.75, 0, -0.75)
    same = lessons.farthest_first(log, lists([3, 2], [1, 3]), 2)
    assert same.difference == {"value": 0, "low": 0, "high": 0}


def test_distances_handed_on_as_scores_put_the_farthest_first(log):
    one, other = lists([3, 2], [1, 3]), lists([3, 4], [1, 4])
    found = lessons.distances_as_scores(log, one, other, 1)
    assert found.right["value"] == 0.75
    # u1: 2 has 1 by distance and 3 has 1 of the other channel; the lower row wins the tie. u2: 1 and 3 alike
    assert found.mistaken["value"] == 0.25


def test_clicks_dropped_from_the_exclusion_list_are_drawn_as_negatives(log):
    q = np.array([0, 0.5, 0.25, 0.25, 0])
    # u1 has two clicks: the first two are dropped, and q of a1 and a2 is 0.75; u2 has one
    table = lessons.own_click_shares(log, q, 2)
    assert table.to_dict("list") == {"clicks": [2, 1], "share": [0.75, 0]}


def test_a_shifted_join_gives_some_exposures_another_category(log):
    # a1 gets the unknown row's and a3 gets a2's; a2 and a4 are of the category of the one before
    assert lessons.wrong_profiles(log, "cate") == pytest.approx(2 / 5)


def test_towers_train_on_right_and_on_shifted_attributes(log):
    right, shifted = lessons.trained_towers(log, 2), lessons.trained_towers(log, 2, shifted=True)
    assert isinstance(right, Towers) and right.articles.shape == (len(log.split.pool), 16)
    assert np.linalg.norm(right.users, axis=1) == pytest.approx(1)
    assert not np.allclose(right.users, shifted.users)


def test_annoy_with_a_wide_search_returns_the_exact_list(log):
    towers = lessons.trained_towers(log, 2)
    table = lessons.annoy_loss(log, towers, 2, trees=5, search_ks=[1000])
    assert table["share_of_exact"].tolist() == [1]


def test_pairs_are_each_counted_once():
    assert lessons.pair_cosines(np.eye(3)).tolist() == [0, 0, 0]


def test_a_difference_is_paired_by_user():
    found = TwoWays.of(np.array([0.5, 1.0]), np.array([0.25, 0.75]))
    assert found.difference == {"value": -0.25, "low": -0.25, "high": -0.25}


def test_title_lengths_are_those_of_the_exposed_articles(log):
    train, test = lessons.title_lengths(log)
    assert sorted(train) == [1, 2, 2, 3, 4] and sorted(test) == [1, 3, 4]
