import numpy as np
import pytest

from dssm_core.batches import BatchMaker
from dssm_core.clicks import UserArticles
from dssm_core.config import Config, with_settings
from dssm_core.negatives import TrainCounts, make_strategy

N_USERS, N_ARTICLES = 30, 20


@pytest.fixture
def clicked(rng):
    return UserArticles.from_pairs(rng.integers(1, N_USERS, 90), rng.integers(1, 15, 90), N_USERS, N_ARTICLES)


def maker(clicked, *settings):
    config = with_settings(Config(), settings)
    clicks = np.bincount(clicked.articles, minlength=N_ARTICLES)
    pool = np.arange(1, N_ARTICLES, dtype=np.int32)
    shown = UserArticles.from_pairs(np.arange(1, N_USERS), np.full(N_USERS - 1, 17), N_USERS, N_ARTICLES)
    counts = TrainCounts(pool, clicks + 1, clicks, clicked, shown)
    return BatchMaker(make_strategy(counts, config.negatives), clicked, config)


def clicks_of(clicked):
    return clicked.flat(np.arange(N_USERS))


def epoch(maker, clicked, rng, size=16):
    users, articles = clicks_of(clicked)
    draws, calls = maker.epoch(users.astype(np.int32), articles, size, rng, lambda: 2)
    return draws, list(calls)


def test_an_epoch_holds_every_click_once_but_for_the_filled_last_batch(clicked, rng):
    _, calls = epoch(maker(clicked), clicked, rng)
    users, articles = clicks_of(clicked)
    seen = [
        pair
        for call in calls
        for pair in zip(call.users.ravel().tolist(), call.positives.ravel().tolist(), strict=True)
    ]
    assert set(seen) == set(zip(users.tolist(), articles.tolist(), strict=True))
    assert len(seen) == -(-len(users) // 16) * 16
    assert [len(call) for call in calls][:-1] == [2] * (len(calls) - 1)


def test_own_negatives_keep_to_their_rows(clicked, rng):
    _, calls = epoch(maker(clicked, "negatives.strategy=uniform", "negatives.k=3"), clicked, rng)
    for call in calls:
        assert call.negatives.shape == (*call.users.shape, 3)
        assert not clicked.contains(call.users[:, :, None], call.negatives).any()


@pytest.mark.parametrize(
    "settings", [(), ("negatives.strategy=uniform", "negatives.shared=12")], ids=["in_batch", "shared"]
)
def test_known_clicks_among_the_batchs_negatives_are_all_found(clicked, rng, settings):
    _, calls = epoch(maker(clicked, *settings), clicked, rng)
    for call in calls:
        columns = call.negatives if settings else call.positives
        for step in range(len(call)):
            pairs = call.known[step]
            pairs = pairs[pairs[:, 0] < 16]
            found = np.zeros((16, columns.shape[1]), bool)
            found[pairs[:, 0], pairs[:, 1]] = True
            np.testing.assert_array_equal(found, clicked.contains(call.users[step][:, None], columns[step][None]))


def test_known_clicks_are_not_looked_for_when_the_mask_is_off(clicked, rng):
    _, calls = epoch(maker(clicked, "loss.mask_known=false"), clicked, rng)
    assert all(call.known.size == 0 for call in calls)


def test_a_mistake_while_preparing_reaches_the_caller(clicked, rng):
    broken = maker(clicked)
    broken._clicked = None
    with pytest.raises(AttributeError):
        epoch(broken, clicked, rng)
