import numpy as np
import pytest

from dssm_core import retrieval
from dssm_core.clicks import UserArticles
from dssm_core.config import IndexConfig
from dssm_core.indexes import INDEXES
from dssm_core.retrieval import VectorRecommender, exact_by_block, fill_lists, ranks_in_rows

NO_SEEN = None


def i32(*values):
    return np.array(values, np.int32)


def unit_rows(rng, n, dim=8):
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make(user_vectors, pool, pool_vectors, seen=NO_SEEN, kind="exact", n_articles=None):
    index = INDEXES[kind](pool_vectors, IndexConfig())
    return VectorRecommender(user_vectors, pool, pool_vectors, index, seen, n_articles or int(pool.max()) + 1)


@pytest.fixture
def compass():
    """User 1 points east; articles 10, 20, 30, 40 at 0°, 60°, 90° and 180° of that."""
    users = np.array([[0, 1], [1, 0]], np.float32)
    articles = np.array([[1, 0], [0.5, 0.75**0.5], [0, 1], [-1, 0]], np.float32)
    return users, i32(10, 20, 30, 40), articles


def test_lists_are_the_pool_by_cosine(compass):
    lists = make(*compass).recall(i32(1, 0), 3)
    assert lists.articles.tolist() == [[10, 20, 30], [30, 20, 10]]
    np.testing.assert_allclose(lists.scores[0], [1, 0.5, 0], atol=1e-6)


def test_what_a_user_has_seen_is_left_out_and_replaced(compass):
    seen = UserArticles.from_pairs(i32(1, 1), i32(10, 30), 2, 50)
    lists = make(*compass, seen, n_articles=50).recall(i32(1, 0), 2)
    assert lists.articles.tolist() == [[20, 40], [30, 20]]


def test_a_list_ends_in_empty_places_when_fewer_articles_qualify(compass):
    seen = UserArticles.from_pairs(i32(1), i32(20), 2, 50)
    lists = make(*compass, seen, n_articles=50).recall(i32(1), 6)
    assert lists.articles.tolist() == [[10, 30, 40, 0, 0, 0]]
    assert np.isnan(lists.scores[0, 3:]).all()


@pytest.mark.parametrize("kind", INDEXES)
def test_every_list_is_full_whatever_was_seen(kind, rng):
    vectors, users = unit_rows(rng, 500), unit_rows(rng, 60)
    many = np.repeat(np.arange(60, dtype=np.int32), np.arange(60) * 7)
    seen = UserArticles.from_pairs(many, rng.integers(1, 501, len(many)), 60, 501)
    recommender = make(users, np.arange(1, 501, dtype=np.int32), vectors, seen, kind)
    lists = recommender.recall(np.arange(60, dtype=np.int32), 100)
    assert (lists.articles > 0).all()
    assert not seen.contains(lists.users[:, None], lists.articles).any()
    assert all(len(set(row)) == 100 for row in lists.articles)


def test_exact_ranks_are_the_places_in_the_exact_list(rng, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK_BYTES", 4 * 300 * 7)  # blocks of 7 users
    pool = np.sort(rng.choice(np.arange(1, 900), 300, replace=False)).astype(np.int32)
    seen = UserArticles.from_pairs(rng.integers(0, 40, 900), rng.choice(pool, 900), 40, 900)
    recommender = make(unit_rows(rng, 40), pool, unit_rows(rng, 300), seen, n_articles=900)
    lists = recommender.recall(np.arange(40, dtype=np.int32), 300)
    rows, places = np.nonzero(lists.articles)
    shuffled = rng.permutation(len(rows))[: len(rows) // 2]
    rows, places = rows[shuffled], places[shuffled]
    ranks, scores = recommender.exact(lists.users[rows], lists.articles[rows, places])
    assert (ranks == places + 1).all()
    np.testing.assert_allclose(scores, lists.scores[rows, places], atol=1e-6)


def test_exact_rank_is_0_outside_the_pool_and_for_what_was_seen(compass):
    seen = UserArticles.from_pairs(i32(1), i32(20), 2, 50)
    ranks, scores = make(*compass, seen, n_articles=50).exact(i32(1, 1, 1, 1), i32(20, 25, 30, 10))
    assert ranks.tolist() == [0, 0, 2, 1]
    assert np.isnan(scores).tolist() == [True, True, False, False]


def test_equal_articles_share_the_best_rank(compass):
    users, _, articles = compass
    twins = make(users, i32(1, 2, 3, 4), articles[[1, 0, 0, 3]])
    assert twins.exact(i32(1, 1, 1, 1), i32(1, 2, 3, 4))[0].tolist() == [3, 1, 1, 4]


def test_no_pairs_have_no_ranks(compass):
    ranks, scores = make(*compass).exact(i32(), i32())
    assert len(ranks) == len(scores) == 0


def test_each_user_is_scored_once_however_many_pairs(monkeypatch):
    scored = []

    def rank(users, counts, columns):
        scored.extend(users.tolist())
        return ranks_in_rows(np.tile(np.array([3, 1, 2], np.float32), (len(users), 1)), counts, columns)

    ranks, own = exact_by_block(rank, 3, i32(5, 9, 5, 5), np.array([0, 1, 1, 2]))
    assert sorted(scored) == [5, 9]
    assert ranks.tolist() == [1, 3, 3, 2] and own.tolist() == [3, 1, 1, 2]


def test_fill_lists_keeps_the_order_of_what_is_not_dropped():
    drop = np.array([[False, True, False], [True, True, False]])
    articles, scores = fill_lists(np.array([[7, 8, 9], [7, 8, 9]]), np.array([[0.3, 0.2, 0.1]] * 2), drop, 2)
    assert articles.tolist() == [[7, 9], [9, 0]]
    assert scores[0].tolist() == pytest.approx([0.3, 0.1]) and np.isnan(scores[1, 1])


def test_vectors_that_do_not_match_the_pool_are_refused(compass):
    users, pool, articles = compass
    with pytest.raises(ValueError, match="pool_vectors must be"):
        VectorRecommender(users, pool, articles[:3], None, None, 50)
