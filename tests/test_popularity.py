import numpy as np

from dssm_core.popularity import Popularity, seen_clicks, train_clicks
from dssm_core.split import Split
from tests.conftest import MONDAY, make_dataset

ROWS = [("u", "a", 1, 1), ("u", "b", 2, 0), ("u", "a", 3, 1), ("v", "b", 1, 1), ("v", "c", 9, 1)]


def first_four():
    empty, pool = np.zeros(0, np.int64), np.array([1, 2, 3], np.int32)
    return Split("time", np.arange(4), empty, np.array([4]), pool, pool, 5, 10)


def test_only_train_rows_are_counted():
    popularity = Popularity.in_train(make_dataset(ROWS), first_four())
    assert popularity.exposures.tolist() == [0, 2, 2, 0]
    assert popularity.clicks.tolist() == [0, 2, 1, 0]


def test_train_clicks_hold_each_article_of_a_user_once():
    clicked = train_clicks(make_dataset(ROWS), first_four())
    assert clicked.of(1).tolist() == [1] and clicked.of(2).tolist() == [2]


def test_order_is_by_clicks_then_exposures_then_row():
    popularity = Popularity(np.array([0, 5, 9, 9, 1]), np.array([0, 2, 2, 2, 7]))
    assert popularity.order(np.array([1, 2, 3, 4])).tolist() == [4, 2, 3, 1]


def test_seen_clicks_are_those_of_train_and_validation():
    rows = [("u", "a", MONDAY, 1), ("u", "b", MONDAY + 1, 1), ("u", "c", MONDAY + 2, 1)]
    pool = np.array([1, 2, 3], np.int32)
    split = Split("random", np.array([0]), np.array([1]), np.array([2]), pool, pool, None, None)
    assert seen_clicks(make_dataset(rows), split).of(1).tolist() == [1, 2]
