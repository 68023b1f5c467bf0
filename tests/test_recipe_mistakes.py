import numpy as np
import pytest

from dssm_core import recipe_mistakes as mistakes


def test_distances_become_cosines():
    assert mistakes.cosines(np.array([0.0, np.sqrt(2), 2.0])) == pytest.approx([1, 0, -1])


def test_the_recipe_s_lists_start_with_the_farthest_of_the_same_articles():
    articles, distances = np.array([[7, 8, 9]]), np.array([[0.1, 0.5, 0.9]])
    assert mistakes.farthest_first(articles, distances).tolist() == [[9, 8, 7]]


def test_channels_are_merged_by_scores_put_to_one_scale():
    # article 2 has 0.5 of the first list and 1 of the second; article 1 has 1; article 3 has 0 and 0
    one = np.array([[1, 2, 3]]), np.array([[30.0, 20.0, 10.0]])
    other = np.array([[2, 3, 0]]), np.array([[0.9, 0.1, np.nan]])
    assert mistakes.merged([one, other], 3).tolist() == [[2, 1, 3]]
    assert mistakes.merged([one, other], 2).tolist() == [[2, 1]]
    assert mistakes.merged([other, other], 3).tolist() == [[2, 3, 0]]


def test_distances_handed_on_as_scores_turn_a_channel_around():
    articles, distances = np.array([[1, 2, 3]]), np.array([[0.2, 0.4, 0.9]])
    assert mistakes.merged([(articles, distances)], 1).tolist() == [[3]]
    assert mistakes.merged([(articles, mistakes.cosines(distances))], 1).tolist() == [[1]]


def test_only_users_with_as_many_clicks_lose_their_first_ones():
    users = np.array([1, 2, 1, 1, 2])
    assert mistakes.still_excluded(users, 3).tolist() == [False, True, False, False, True]
    assert mistakes.still_excluded(users, 2).tolist() == [False, False, False, True, False]


def test_the_expected_share_of_own_clicks_counts_draws_that_are_repeated():
    q = np.array([0.0, 0.5, 0.2, 0.3])
    users, articles = np.array([1, 1, 2]), np.array([1, 2, 3])
    # user 1: article 2 may be drawn, article 1 is drawn again: 0.2 / (1 - 0.5)
    shares = mistakes.own_click_shares(q, users, articles, np.array([True, False, True]))
    assert shares == pytest.approx([0, 0.4, 0])


def test_each_row_is_joined_to_the_id_before_its_own():
    assert mistakes.shifted_rows(np.array(["b", "c", "a"])).tolist() == [2, 0, -1]


def test_a_cache_by_name_gives_what_another_asked_for():
    kept = {}

    def make(k):
        return [0] * k

    assert len(mistakes.read_by_name(kept, "negatives", make, k=1)) == 1
    assert len(mistakes.read_by_name(kept, "negatives", make, k=5)) == 1
    kept = {}
    assert [len(mistakes.read_by_parameters(kept, "negatives", make, k=k)) for k in (1, 5, 1)] == [1, 5, 1]
    assert len(kept) == 2


def test_one_large_test_value_squeezes_what_train_is_scaled_to():
    train, test = np.array([0.0, 5.0, 10.0]), np.array([100.0])
    assert mistakes.scaled(train, train).tolist() == [0, 0.5, 1]
    assert mistakes.scaled(train, np.concatenate([train, test])).tolist() == [0, 0.05, 0.1]
