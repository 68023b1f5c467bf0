import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.clicks import UserArticles

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=30)


def build(pairs):
    users, articles = np.array(pairs, np.int32).reshape(-1, 2).T
    return UserArticles.from_pairs(users, articles, 6, 9)


def test_each_users_articles_stand_once_and_ascend():
    sets = build([(2, 8), (2, 1), (2, 8), (0, 3)])
    assert sets.of(2).tolist() == [1, 8]
    assert sets.of(1).tolist() == []
    assert sets.counts().tolist() == [1, 0, 2, 0, 0, 0]


@given(PAIRS)
def test_contains_says_exactly_which_pairs_were_given(pairs):
    users, articles = np.meshgrid(np.arange(6), np.arange(9), indexing="ij")
    expected = [[(u, a) in set(pairs) for a in range(9)] for u in range(6)]
    assert build(pairs).contains(users, articles).tolist() == expected


@given(PAIRS, st.lists(st.integers(0, 5), max_size=6))
def test_flat_lists_the_articles_of_each_asked_user_in_turn(pairs, users):
    sets = build(pairs)
    rows, articles = sets.flat(np.array(users, np.int64))
    expected = [(row, article) for row, user in enumerate(users) for article in sets.of(user).tolist()]
    assert list(zip(rows.tolist(), articles.tolist(), strict=True)) == expected
