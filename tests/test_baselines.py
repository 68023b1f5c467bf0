import numpy as np
import pytest
from scipy import sparse

from dssm_core import baselines, retrieval
from dssm_core.baselines import BASELINES, LinearRecommender, OrderRecommender, ease_weights
from dssm_core.config import Config, PoolConfig
from dssm_core.errors import UserError
from dssm_core.popularity import train_clicks
from dssm_core.split import Split
from tests.conftest import HOUR, MONDAY, make_dataset

CONFIG = Config()
EVERYTHING = Config(pool=PoolConfig(remove_seen=False))


def all_train(dataset, pool=None, cutoff=None):
    """A split whose train is the whole log."""
    pool = np.arange(1, len(dataset.articles), dtype=np.int32) if pool is None else np.array(pool, np.int32)
    none = np.zeros(0, np.int64)
    return Split("time", np.arange(len(dataset.exposures)), none, none, pool, pool, cutoff, None)


def build(name, dataset, config=CONFIG, seed=0, **split):
    return BASELINES[name](dataset, all_train(dataset, **split), config, np.random.default_rng(seed))


def titles(dataset, lists):
    return [[dataset.articles["article_id"][article] for article in row if article] for row in lists.articles]


def i32(*values):
    return np.array(values, np.int32)


@pytest.fixture
def kiosk():
    """a: 3 clicks, b: 2 clicks of 3 exposures, c: 2 clicks, d: shown only, e: never shown. The last day has b once."""
    clicks = [("u", "a"), ("v", "a"), ("w", "a"), ("v", "c"), ("w", "c"), ("v", "b")]
    rows = [(user, article, MONDAY, 1) for user, article in clicks]
    rows += [("w", "b", MONDAY + 30 * HOUR, 1), ("u", "b", MONDAY, 0), ("u", "d", MONDAY, 0)]
    return make_dataset(rows, articles={"e": {}}, users={"x": {}})


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_fills_its_lists_with_pool_articles_that_were_not_seen(name, tasteful_dataset):
    pool = np.arange(1, 121, 2)
    recommender = build(name, tasteful_dataset, pool=pool)
    seen = train_clicks(tasteful_dataset, all_train(tasteful_dataset))
    users = np.arange(1, 301, dtype=np.int32)
    lists = recommender.recall(users, 20)
    assert (lists.users == users).all()
    assert np.isin(lists.articles, pool).all()
    assert not seen.contains(users[:, None], lists.articles).any()
    assert all(len(set(row)) == 20 for row in lists.articles)
    assert (np.diff(lists.scores, axis=1) <= 0).all()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("config", [CONFIG, EVERYTHING])
def test_every_baselines_exact_ranks_are_the_places_in_its_lists(name, config, tasteful_dataset, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK_BYTES", 40_000)
    recommender = build(name, tasteful_dataset, config)
    users = np.arange(0, 301, 5, dtype=np.int32)
    lists = recommender.recall(users, 125)
    rows, places = np.nonzero(lists.articles)
    ranks, scores = recommender.exact(users[rows], lists.articles[rows, places])
    np.testing.assert_allclose(scores, lists.scores[rows, places], rtol=1e-5)
    tied = places + 1 - ranks  # equal scores of a linear model share the best rank
    assert (tied >= 0).all() and (tied == 0).mean() > 0.9
    assert (np.bincount(rows) == 120 - (recommender.seen.counts()[users] if recommender.seen else 0)).all()


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_gives_rank_0_outside_the_pool_and_to_what_was_seen(name, kiosk):
    recommender = build(name, kiosk, pool=[1, 2, 4])
    user, a, b, c = kiosk.user_row("u"), 1, 2, 3
    ranks, scores = recommender.exact(i32(user, user, user), i32(a, b, c))
    assert ranks[0] == 0 and ranks[1] > 0 and ranks[2] == 0
    assert np.isnan(scores).tolist() == [True, False, True]


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_serves_users_without_clicks_and_short_pools(name, kiosk):
    lists = build(name, kiosk).recall(i32(kiosk.user_row("x"), 0), 9)
    assert (lists.articles[:, :5] > 0).all() and (lists.articles[:, 5:] == 0).all()
    assert np.isnan(lists.scores[:, 5:]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_the_same_when_built_again(name, tasteful_dataset):
    users = np.arange(1, 50, dtype=np.int32)
    first, second = (build(name, tasteful_dataset, seed=4).recall(users, 10).articles for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("name", ["item_knn", "ease"])
def test_linear_baselines_learn_the_tastes(name, tasteful_dataset):
    recommender = build(name, tasteful_dataset)
    lists = recommender.recall(np.arange(1, 301, dtype=np.int32), 10)
    assert (lists.articles % 2 == lists.users[:, None] % 2).mean() > 0.95


def test_popular_goes_by_clicks_then_exposures_then_row(kiosk):
    lists = build("popular", kiosk).recall(i32(kiosk.user_row("x"), kiosk.user_row("w")), 5)
    assert titles(kiosk, lists) == [["a", "b", "c", "d", "e"], ["d", "e"]]
    assert lists.scores[0].tolist() == [3, 2, 2, 0, 0]


def test_recent_popular_goes_by_the_last_24_hours_then_as_popular(kiosk):
    user = i32(kiosk.user_row("x"))
    assert titles(kiosk, build("recent_popular", kiosk).recall(user, 3)) == [["b", "a", "c"]]
    # a cutoff two days later: nothing is recent
    later = build("recent_popular", kiosk, cutoff=MONDAY + 78 * HOUR)
    assert titles(kiosk, later.recall(user, 3)) == [["a", "b", "c"]]


def test_recent_popular_without_times_says_what_to_use():
    dataset = make_dataset([("u", "a", None, 1)])
    with pytest.raises(UserError, match="use popular"):
        build("recent_popular", dataset)


def test_random_gives_every_article_the_same_chance_at_every_rank(kiosk):
    dataset = make_dataset([(f"u{i}", "a", 1, 0) for i in range(4000)], articles={name: {} for name in "bcde"})
    lists = build("random", dataset).recall(np.arange(1, 4001, dtype=np.int32), 5)
    for rank in range(5):
        assert np.bincount(lists.articles[:, rank], minlength=6)[1:].min() > 650  # 800 expected, sd 25


def test_order_recommender_ranks_from_each_users_own_place():
    order, scores = i32(3, 1, 2), np.array([9, 5, 1], np.float32)
    recommender = OrderRecommender(order, scores, np.array([0, 2]), None, 4)
    assert recommender.recall(i32(0, 1), 3).articles.tolist() == [[3, 1, 2], [2, 3, 1]]
    ranks, own = recommender.exact(i32(0, 1, 1), i32(2, 2, 1))
    assert ranks.tolist() == [3, 1, 3] and own.tolist() == [1, 9, 1]


def test_item_knn_sums_shrunk_cosines_over_the_users_clicks(kiosk):
    # co-clicks a-b 2, a-c 2, b-c 2; clicks a 3, b 2, c 2: a→b = 2 / (√6 + 10)
    recommender = build("item_knn", kiosk, EVERYTHING)
    a_b, b_c = 2 / (6**0.5 + 10), 2 / (2 + 10)
    u, v = kiosk.user_row("u"), kiosk.user_row("v")
    ranks, scores = recommender.exact(i32(u, u, v, v, v, u), i32(2, 1, 1, 2, 3, 4))
    np.testing.assert_allclose(scores, [a_b, 0, 2 * a_b, a_b + b_c, a_b + b_c, 0], rtol=1e-6)
    assert ranks.tolist() == [1, 3, 3, 1, 1, 4]


def test_item_knn_keeps_the_nearest_neighbours_of_each_article(kiosk, monkeypatch):
    monkeypatch.setattr(baselines, "NEIGHBOURS", 1)
    monkeypatch.setattr(baselines, "PAIRS_PER_BLOCK", 1)
    weights = build("item_knn", kiosk).weights
    # columns are a, b, c: a keeps b (a tie with c), b and c keep each other
    assert weights.toarray().nonzero()[1].tolist() == [1, 2, 1]


def test_items_of_many_blocks_have_the_weights_of_one(tasteful_dataset, monkeypatch):
    whole = build("item_knn", tasteful_dataset).weights
    monkeypatch.setattr(baselines, "PAIRS_PER_BLOCK", 5000)
    assert (whole != build("item_knn", tasteful_dataset).weights).nnz == 0


def test_ease_of_two_articles_worked_out_by_hand():
    # XᵀX = [[2, 1], [1, 1]], l2 = 1: P = [[3, 1], [1, 2]]⁻¹ = [[2, −1], [−1, 3]] / 5; off the diagonal B = −P / diag P
    clicks = sparse.csr_array(np.array([[1, 1], [1, 0]], np.float32))
    np.testing.assert_allclose(ease_weights(clicks, 1), [[0, 1 / 3], [1 / 2, 0]], rtol=1e-6)


def test_ease_agrees_with_its_definition_in_float64(rng):
    clicks = sparse.csr_array((rng.random((80, 30)) < 0.2).astype(np.float32))
    gram = (clicks.T @ clicks).toarray().astype(np.float64)
    inverse = np.linalg.inv(gram + 3 * np.eye(30))
    expected = np.eye(30) - inverse / np.diag(inverse)
    np.testing.assert_allclose(ease_weights(clicks, 3), expected, atol=1e-5)


def test_ease_refuses_a_catalogue_that_is_too_large(kiosk, monkeypatch):
    monkeypatch.setattr(baselines, "EASE_ARTICLES", 2)
    with pytest.raises(UserError, match="this dataset has 3: use item_knn"):
        build("ease", kiosk)


def test_articles_that_left_the_pool_still_tell_what_a_user_likes(kiosk):
    recommender = build("item_knn", kiosk, pool=[2, 3, 4])  # without a
    ranks, scores = recommender.exact(i32(kiosk.user_row("u")), i32(3))
    assert scores[0] == pytest.approx(2 / (6**0.5 + 10)) and ranks[0] == 1


def test_articles_without_a_score_follow_negative_ones_in_popular_order():
    clicks = sparse.csr_array(np.array([[1, 0], [0, 0]], np.float32))
    weights = np.array([[-0.5, 0], [0, 0]], np.float32)
    recommender = LinearRecommender(clicks, weights, i32(7, 8, 9), None, 10)
    lists = recommender.recall(i32(0, 1), 3)
    assert lists.articles.tolist() == [[7, 8, 9], [7, 8, 9]]
    assert lists.scores[0].tolist() == [-0.5, 0, 0]


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_can_do_without_any_train_click(name):
    dataset = make_dataset([("u", "a", 1, 0), ("u", "b", 2, 0)])
    assert (build(name, dataset).recall(i32(1), 2).articles > 0).all()
