from typing import get_args

import numpy as np
import pytest
from scipy.stats import chisquare

from dssm_core.clicks import UserArticles
from dssm_core.config import DRAWN_PER_USER, NegativesConfig, StrategyName
from dssm_core.negatives import STRATEGIES, TrainCounts, count_train, make_strategy
from dssm_core.split import Split
from tests.conftest import MONDAY, make_dataset

N_USERS = 40
N_ARTICLES = 13
"""Articles 1..10 are the pool; 11 and 12 are not; 10 was never exposed."""


@pytest.fixture
def counts():
    """Article a of 1..9 exposed 10·a times, clicked 2·a times, by 40 users of whom row 0 is nobody."""
    exposures, clicks = np.zeros(N_ARTICLES, np.int64), np.zeros(N_ARTICLES, np.int64)
    exposures[1:10], clicks[1:10] = 10 * np.arange(1, 10), 2 * np.arange(1, 10)
    users = np.arange(1, N_USERS)
    clicked = UserArticles.from_pairs(users, users % 9 + 1, N_USERS, N_ARTICLES)
    shown = np.repeat(users, 3)
    exposed = UserArticles.from_pairs(shown, (shown + np.tile([1, 2, 3], len(users))) % 9 + 1, N_USERS, N_ARTICLES)
    return TrainCounts(np.arange(1, 11, dtype=np.int32), exposures, clicks, clicked, exposed)


def probability(counts, **config):
    return make_strategy(counts, NegativesConfig(**config)).probability


def test_uniform_gives_every_article_of_the_pool_the_same_chance(counts):
    np.testing.assert_allclose(probability(counts, strategy="uniform"), [0, *[0.1] * 10, 0, 0])


def test_popularity_is_the_exposure_count_to_the_power_alpha(counts):
    weight = counts.exposures**0.75
    np.testing.assert_allclose(probability(counts, strategy="popularity"), weight / weight.sum())
    np.testing.assert_allclose(
        probability(counts, strategy="popularity", alpha=0),
        [0, *[1 / 9] * 9, 0, 0, 0],
        err_msg="never exposed: never drawn",
    )


def test_ralm_is_log_uniform_by_rank_from_the_most_exposed(counts):
    by_rank = np.log(np.arange(2, 12) / np.arange(1, 11)) / np.log(11)
    most_exposed_first = [9, 8, 7, 6, 5, 4, 3, 2, 1, 10]
    np.testing.assert_allclose(probability(counts, strategy="ralm")[most_exposed_first], by_rank)


def test_suppressed_is_ralm_with_ranks_reversed(counts):
    ralm, suppressed = (probability(counts, strategy=name) for name in ("ralm", "suppressed"))
    most_exposed_first = [9, 8, 7, 6, 5, 4, 3, 2, 1, 10]
    np.testing.assert_allclose(suppressed[most_exposed_first], ralm[most_exposed_first][::-1])


def test_in_batch_is_the_click_count(counts):
    np.testing.assert_allclose(probability(counts, strategy="in_batch"), counts.clicks / counts.clicks.sum())


def test_exposed_draws_only_what_the_user_was_shown_and_did_not_click(counts, rng):
    users = np.repeat(np.arange(1, N_USERS), 5)
    draws = make_strategy(counts, NegativesConfig(strategy="exposed")).draw(users, 3, rng)
    assert counts.exposed.contains(users[:, None], draws.articles).all()
    assert draws.topped_up == 0
    assert all(len(set(row)) == 3 for row in draws.articles.tolist())


def test_exposed_tops_up_short_users_and_says_how_often(counts, rng):
    users = np.arange(1, N_USERS)
    draws = make_strategy(counts, NegativesConfig(strategy="exposed")).draw(users, 5, rng)
    assert draws.topped_up == 2 * len(users)
    assert (draws.articles > 0).all()


def test_exposed_states_the_share_that_it_tops_up(counts):
    """Each user has 3 exposed articles: of 5 draws 3 are from them and 2 from the 10 of the pool."""
    q = make_strategy(counts, NegativesConfig(strategy="exposed", k=5)).probability
    own = make_strategy(counts, NegativesConfig(strategy="exposed", k=3)).probability
    np.testing.assert_allclose(q, 0.6 * own + 0.4 * np.where(np.isin(np.arange(N_ARTICLES), counts.pool), 0.1, 0))


def test_funrec_mix_is_one_exposed_a_click_and_k_ranked_a_user(counts, rng):
    users = np.array([3, 3, 3, 8, 5, 5])
    draws = make_strategy(counts, NegativesConfig(strategy="funrec_mix", k=4)).draw(users, 4, rng)
    assert draws.articles.shape == (6, 5)
    assert counts.exposed.contains(users, draws.articles[:, 0]).all()
    ranked = (draws.articles[:, 1:] > 0).sum(axis=1)
    assert [ranked[users == user].sum() for user in (3, 8, 5)] == [4, 4, 4]
    assert sorted(ranked[users == 3].tolist()) == [1, 1, 2]


def test_a_user_who_clicked_all_but_one_article_gets_that_one(counts, rng):
    clicked = UserArticles.from_pairs(np.ones(9, int), np.arange(1, 10), N_USERS, N_ARTICLES)
    counts = TrainCounts(counts.pool, counts.exposures, counts.clicks, clicked, counts.exposed)
    draws = make_strategy(counts, NegativesConfig(strategy="uniform")).draw(np.ones(200, int), 5, rng)
    assert (draws.articles == 10).all()


def test_a_user_who_clicked_everything_gets_none(counts, rng):
    clicked = UserArticles.from_pairs(np.ones(10, int), np.arange(1, 11), N_USERS, N_ARTICLES)
    counts = TrainCounts(counts.pool, counts.exposures, counts.clicks, clicked, counts.exposed)
    draws = make_strategy(counts, NegativesConfig(strategy="ralm")).draw(np.array([1, 2]), 3, rng)
    assert (draws.articles[0] == 0).all()
    assert draws.drawn == 3


def test_train_is_counted_by_article_and_by_user():
    rows = [("u", "a", MONDAY, 1), ("u", "b", MONDAY, 0), ("u", "a", MONDAY + 1, 0), ("v", "b", MONDAY, 1)]
    dataset = make_dataset(rows)
    none = np.zeros(0, np.int64)
    pool = np.array([1, 2], np.int32)
    counts = count_train(dataset, Split("random", np.arange(4), none, none, pool, pool, None, None))
    assert counts.exposures.tolist() == [0, 2, 2]
    assert counts.clicks.tolist() == [0, 1, 1]
    assert counts.clicked.of(1).tolist() == [1]
    assert counts.exposed.of(1).tolist() == [2], "an article clicked once is no exposed-not-clicked one"


def test_the_dict_holds_what_the_config_allows():
    assert set(STRATEGIES) == set(get_args(StrategyName))


@pytest.mark.parametrize("name", STRATEGIES)
class TestEveryStrategy:
    def strategy(self, name, counts):
        return make_strategy(counts, NegativesConfig(strategy=name, k=3))

    def test_states_a_distribution_over_the_pool(self, name, counts):
        q = self.strategy(name, counts).probability
        assert q.shape == (N_ARTICLES,)
        assert q.sum() == pytest.approx(1)
        assert (q >= 0).all()
        assert not q[[0, 11, 12]].any()

    def test_never_returns_one_of_the_users_own_clicks(self, name, counts, rng):
        users = np.repeat(np.arange(1, N_USERS), 50)
        draws = self.strategy(name, counts).draw(users, 3, rng)
        drawn = draws.articles > 0
        assert not counts.clicked.contains(users[:, None], draws.articles)[drawn].any()
        assert np.isin(draws.articles[drawn], counts.pool).all()
        assert draws.articles.dtype == np.int32

    def test_draws_as_often_as_it_says(self, name, counts):
        """Users without clicks of their own, or (where draws depend on them) users picked by their clicks."""
        strategy = self.strategy(name, counts)
        rng = np.random.default_rng(11)
        if strategy.sample:
            drawn = strategy.sample(20_000, rng)
        elif name == "in_batch":
            drawn = strategy.draw(np.zeros(20_000, int), 1, rng).articles
        else:
            users = np.repeat(np.arange(1, N_USERS), 1 if name == "funrec_mix" else 500)
            repeats = 500 if name == "funrec_mix" else 1
            # the correction is for draws before own clicks are drawn again
            counts = TrainCounts(counts.pool, counts.exposures, counts.clicks, counts.clicked, counts.exposed)
            drawn = np.concatenate(
                [strategy.draw(users, 3 if name == "funrec_mix" else 1, rng).articles.ravel() for _ in range(repeats)]
            )
        drawn = drawn[drawn > 0]
        q = strategy.probability
        frequency = np.bincount(drawn, minlength=N_ARTICLES)
        assert not frequency[q == 0].any()
        if name == "funrec_mix":  # own clicks drawn again bend q a little here, where users clicked 1 of 10 articles
            np.testing.assert_allclose(frequency / len(drawn), q, atol=0.02)
        else:
            assert chisquare(frequency[q > 0], q[q > 0] * len(drawn)).pvalue > 0.001

    def test_draws_the_same_from_the_same_seed(self, name, counts):
        users = np.arange(1, N_USERS)
        one, two = (self.strategy(name, counts).draw(users, 3, np.random.default_rng(5)).articles for _ in range(2))
        np.testing.assert_array_equal(one, two)

    def test_can_be_shared_unless_it_depends_on_the_user(self, name, counts):
        assert (self.strategy(name, counts).sample is None) == (name in DRAWN_PER_USER)
