import dataclasses

import numpy as np
import pytest

from dssm_core.config import Config, NegativesConfig
from dssm_core.inspection import (
    MEASURES,
    NEVER,
    TrainFacts,
    _share,
    decile_shares,
    measure_shares,
    mined_for_one,
    popularity_deciles,
    sample_clicks,
    train_clicks_of,
)
from dssm_core.mining import EarlierRun, hard_articles
from dssm_core.negatives import STRATEGIES, make_strategy
from dssm_core.split import Split, make_split
from dssm_core.strategy import Draws, Strategy
from dssm_core.train_counts import count_train
from tests.conftest import MONDAY, make_dataset

CATEGORIES = {"a": "sport", "b": "sport", "c": "music", "d": "unknown", "e": "sport"}


@pytest.fixture
def small():
    """u clicked a and was shown b in train, and clicks c later; v clicked b twice and d. e was never exposed.

    Articles are rows a 1 .. e 5, users u 1 and v 2.
    """
    rows = [
        ("u", "a", MONDAY, 1),
        ("u", "b", MONDAY + 1, 0),
        ("u", "c", MONDAY + 9, 1),
        ("v", "b", MONDAY, 1),
        ("v", "b", MONDAY + 2, 1),
        ("v", "d", MONDAY + 3, 1),
    ]
    dataset = make_dataset(rows, {name: {"cate": cate} for name, cate in CATEGORIES.items()})
    none, pool = np.zeros(0, np.int64), np.array([1, 2, 3, 4, 5], np.int32)
    split = Split("random", np.array([0, 1, 3, 4, 5]), none, np.array([2]), pool, pool, None, None)
    return dataset, split


@pytest.fixture
def facts(small):
    return TrainFacts.of(*small, count_train(*small))


def always(articles, repeated=0, topped_up=0) -> Strategy:
    """A strategy that draws the same `articles` for every click."""

    def draw(users, positives, k, rng):
        rows = np.tile(np.array(articles, np.int32), (len(users), 1))
        return Draws(rows, repeated * len(users), topped_up * len(users))

    return Strategy(np.full(6, 1 / 6), draw, None)


def test_deciles_are_equal_parts_of_the_exposed_articles_and_the_never_exposed_are_apart(small):
    counts = count_train(*small)
    exposures = np.zeros(26, np.int64)
    exposures[1:21] = 100 - np.arange(20)
    counts = dataclasses.replace(counts, pool=np.arange(1, 25, dtype=np.int32), exposures=exposures)
    decile = popularity_deciles(counts)
    assert decile[1:21].tolist() == np.repeat(np.arange(1, 11), 2).tolist()
    assert decile[21:25].tolist() == [NEVER] * 4
    assert decile[[0, 25]].tolist() == [0, 0], "outside the pool"


def test_fewer_than_ten_exposed_articles_still_begin_with_the_most_exposed(facts):
    """b is exposed three times, a and d once: c and e, exposed later or never, are not of train."""
    assert facts.decile[[2, 1, 4]].tolist() == [1, 4, 7]
    assert facts.decile[[3, 5]].tolist() == [NEVER, NEVER]


def test_each_group_has_its_share_of_exposures_clicks_and_draws(facts):
    table = decile_shares(facts, {"mine": np.array([0, 0.1, 0.2, 0.3, 0, 0.4])}).set_index("decile")
    assert table.index.tolist() == [1, 4, 7, NEVER]
    assert table["articles"].tolist() == [1, 1, 1, 2]
    np.testing.assert_allclose(table["exposures"], [3 / 5, 1 / 5, 1 / 5, 0])
    np.testing.assert_allclose(table["clicks"], [2 / 4, 1 / 4, 1 / 4, 0])
    np.testing.assert_allclose(table["mine"], [0.2, 0.1, 0, 0.7])


def test_shares_are_counted_by_hand(facts):
    """Clicks: u on a; v on b, b, d. Each draws c and e, has one draw repeated and one topped up."""
    users, positives = facts.clicks_of(np.array([1, 2]))
    assert users.tolist() == [1, 2, 2, 2]
    assert positives.tolist() == [1, 2, 2, 4]
    shares = measure_shares(always([3, 5], 1, 1), facts, users, positives, 2, np.random.default_rng(0))
    measured = {name: shares.shares[name][0] for name in MEASURES}
    assert measured["false negative"] == pytest.approx(1 / 8), "c for u"
    assert measured["never exposed"] == 1, "neither c nor e in train"
    assert measured["same category"] == pytest.approx(3 / 6), "e for a, b and b; d has no category"
    assert measured["drawn again"] == pytest.approx(4 / 12)
    assert measured["topped up"] == pytest.approx(4 / 8)
    assert (shares.draws, shares.clicks, shares.users, shares.distinct) == (8, 4, 2, 2)


def test_a_log_without_categories_has_no_share_of_the_same_one(facts):
    facts = dataclasses.replace(facts, category=None)
    shares = measure_shares(always([3]), facts, *facts.clicks_of(np.array([1, 2])), 1, np.random.default_rng(0))
    assert np.isnan(shares.shares["same category"]).all()


def test_empty_places_are_no_draws(facts):
    shares = measure_shares(always([3, 0]), facts, *facts.clicks_of(np.array([2])), 2, np.random.default_rng(0))
    assert shares.draws == 3
    value, low, high = shares.shares["false negative"]
    assert (value, low) == (0, 0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 3)), "Clopper and Pearson for none of three"


def test_an_interval_comes_from_leaving_out_each_group_of_users():
    """Shares without each group: 3/20, 2/20 and 1/20, so the error is sqrt(2/3 · 2 · 0.05²)."""
    groups = np.array([[0, 10], [1, 10], [2, 10]], float)
    value, low, high = _share(groups, groups.sum(axis=0))
    assert value == pytest.approx(0.1)
    error = np.sqrt(2 / 3 * 2 * 0.05**2)
    assert high == pytest.approx(0.1 + 1.959964 * error)
    assert low == 0, "cut off at 0"
    assert np.isnan(_share(groups[1:2], groups[1])[1:]).all(), "one group says nothing of how groups differ"


def test_a_sample_takes_whole_users_until_their_clicks_are_enough(tasteful_dataset):
    split = make_split(tasteful_dataset, Config().split, Config().pool)
    facts = TrainFacts.of(tasteful_dataset, split, count_train(tasteful_dataset, split))
    users, positives = sample_clicks(facts, 6000, 5, facts.users)
    clicks = np.bincount(users, minlength=len(tasteful_dataset.users))
    assert 1200 <= len(positives) < 1200 + clicks.max()
    every = np.diff(facts.start)
    assert (clicks[clicks > 0] == every[clicks > 0]).all()
    assert len(sample_clicks(facts, 6000, 5, facts.users[:3])[0]) == every[facts.users[:3]].sum()


def test_a_user_s_train_clicks_are_found_in_the_order_of_time(small):
    dataset, split = small
    assert train_clicks_of(dataset, split, 1).tolist() == [0]
    assert train_clicks_of(dataset, split, 2).tolist() == [3, 4, 5]
    assert train_clicks_of(dataset, split, 0).tolist() == []


def test_mining_for_one_user_finds_what_mining_for_all_finds(tasteful_dataset, rng):
    split = make_split(tasteful_dataset, Config().split, Config().pool)
    counts = count_train(tasteful_dataset, split)
    vectors = [rng.normal(size=(n, 8)).astype(np.float32) for n in (len(tasteful_dataset.users), len(split.pool))]
    users, articles = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in vectors)
    earlier = EarlierRun("earlier", users, split.pool, articles, np.arange(1, 9, dtype=np.int32))
    wanted = hard_articles(earlier, counts.clicked, counts.pool, 3, 12).of(5)
    one = mined_for_one(earlier, counts, 5, 12)
    assert len(one.pool) == 12 + len(counts.clicked.of(5))
    assert hard_articles(one, counts.clicked, counts.pool, 3, 12).of(5).tolist() == wanted.tolist()


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "mined"])
def test_every_strategy_can_be_measured(name, tasteful_dataset):
    split = make_split(tasteful_dataset, Config().split, Config().pool)
    counts = count_train(tasteful_dataset, split)
    facts = TrainFacts.of(tasteful_dataset, split, counts)
    strategy = make_strategy(counts, NegativesConfig(strategy=name))
    clicks = sample_clicks(facts, 20_000, 5, facts.users)
    shares = measure_shares(strategy, facts, *clicks, 5, np.random.default_rng(0))
    for value, low, high in shares.shares.values():
        assert 0 <= low <= value <= high <= 1
    assert decile_shares(facts, {name: strategy.probability})[name].sum() == pytest.approx(1)
