import numpy as np
import pytest

from dssm_core.clicks import UserArticles
from dssm_core.false_negatives import FalseNegatives


def articles_of(*pairs) -> UserArticles:
    users, articles = np.array(pairs, np.int32).reshape(-1, 2).T
    return UserArticles.from_pairs(users, articles, 5, 10)


def watch(later, clicked=()) -> FalseNegatives:
    return FalseNegatives(articles_of(*later), articles_of(*clicked))


def rows(*numbers) -> np.ndarray:
    return np.array(numbers, np.int32)


NONE = np.zeros((2, 0), np.int32)


def test_an_articles_copies_in_the_batch_count_for_every_click_of_its_user():
    some = watch([(1, 7), (1, 8), (2, 7)])
    some.count(rows(1, 1), rows(7, 7, 9), NONE, in_batch=False)
    assert some.times(rows(1, 1, 2), rows(7, 8, 7)).tolist() == [4, 0, 0]


def test_negatives_of_its_own_count_for_their_click_alone():
    some = watch([(1, 7), (2, 7)])
    some.count(rows(1, 2), rows(), np.array([[7, 7, 3], [0, 4, 0]], np.int32), in_batch=False)
    assert some.times(rows(1, 2), rows(7, 7)).tolist() == [2, 0]


def test_the_share_is_of_all_negatives_and_starts_anew_each_epoch():
    some = watch([(1, 7)])
    some.count(rows(1, 2), rows(7, 3), np.array([[7, 4], [0, 0]], np.int32), in_batch=True)
    # each click has the other's article as a negative, and the first two of its own: 4, of which 7 is false twice
    assert some.epoch_share() == pytest.approx(2 / 4)
    assert some.epoch_share() is None


def test_an_empty_place_in_the_memory_is_no_negative():
    some = watch([(1, 7)])
    some.count(rows(1, 2), rows(7, 0, 0, 3), NONE, in_batch=False)
    assert some.epoch_share() == pytest.approx(1 / 4)


def test_what_the_user_clicked_in_train_is_not_counted():
    some = watch([(1, 7), (1, 8)], clicked=[(1, 7)])
    some.count(rows(1), rows(7, 8), NONE[:1], in_batch=False)
    assert some.times(rows(1, 1), rows(7, 8)).tolist() == [0, 1]


def test_no_later_click_at_all_is_no_false_negative():
    some = watch([])
    some.count(rows(1, 2), rows(7, 3), np.array([[7], [4]], np.int32), in_batch=False)
    assert some.epoch_share() == 0
    assert some.times(rows(1), rows(7)).tolist() == [0]
