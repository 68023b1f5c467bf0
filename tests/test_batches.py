import numpy as np
import pytest

from dssm_core.batches import BatchMaker
from dssm_core.clicks import UserArticles
from dssm_core.config import Config, with_settings
from dssm_core.errors import UserError
from dssm_core.false_negatives import FalseNegatives
from dssm_core.negatives import make_strategy
from dssm_core.train_counts import TrainCounts
from dssm_core.training_data import Clicks

N_USERS, N_ARTICLES = 30, 20


@pytest.fixture
def clicked(rng):
    return UserArticles.from_pairs(rng.integers(1, N_USERS, 90), rng.integers(1, 15, 90), N_USERS, N_ARTICLES)


def maker(clicked, *settings, size=16, false_negatives=None):
    config = with_settings(Config(), settings)
    clicks = np.bincount(clicked.articles, minlength=N_ARTICLES)
    pool = np.arange(1, N_ARTICLES, dtype=np.int32)
    shown = UserArticles.from_pairs(np.arange(1, N_USERS), np.full(N_USERS - 1, 17), N_USERS, N_ARTICLES)
    counts = TrainCounts(pool, clicks + 1, clicks, clicked, shown)
    strategy = make_strategy(counts, config.negatives)
    sizes = strategy.sizes(config.negatives, size)
    return BatchMaker(strategy, clicked, sizes, 6, config.loss.mask_known, false_negatives)


def clicks_of(clicked):
    users, articles = clicked.flat(np.arange(N_USERS))
    before = np.stack([users, articles], axis=1).astype(np.int32)
    return Clicks(users.astype(np.int32), articles, before)


def epoch(maker, clicked, rng):
    draws, calls = maker.epoch(clicks_of(clicked), rng, lambda: 2)
    return draws, list(calls)


def test_an_epoch_holds_every_click_once_but_for_the_filled_last_batch(clicked, rng):
    _, calls = epoch(maker(clicked), clicked, rng)
    clicks = clicks_of(clicked)
    seen = [
        pair
        for call in calls
        for pair in zip(call.users.ravel().tolist(), call.positives.ravel().tolist(), strict=True)
    ]
    assert set(seen) == set(zip(clicks.users.tolist(), clicks.articles.tolist(), strict=True))
    assert len(seen) == -(-len(clicks) // 16) * 16
    assert [len(call) for call in calls][:-1] == [2] * (len(calls) - 1)


def test_own_negatives_keep_to_their_rows(clicked, rng):
    _, calls = epoch(maker(clicked, "negatives.strategy=uniform", "negatives.k=3"), clicked, rng)
    for call in calls:
        assert call.own.shape == (*call.users.shape, 3)
        assert not clicked.contains(call.users[:, :, None], call.own).any()


def test_every_click_keeps_its_history(clicked, rng):
    _, calls = epoch(maker(clicked), clicked, rng)
    for call in calls:
        np.testing.assert_array_equal(call.before, np.stack([call.users, call.positives], axis=2))


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("negatives.strategy=uniform", "negatives.shared=12"),
        ("negatives.strategy=mixed", "negatives.blend_share=0.4"),
        ("negatives.strategy=cross_batch", "negatives.memory=3"),
    ],
    ids=["in_batch", "shared", "mixed", "cross_batch"],
)
def test_known_clicks_among_the_batchs_negatives_are_all_found(clicked, rng, settings):
    _, calls = epoch(maker(clicked, *settings), clicked, rng)
    uniform, memory = "negatives.strategy=uniform" in settings, np.zeros((3, 16), int)
    steps = [(call, step) for call in calls for step in range(len(call))]
    for number, (call, step) in enumerate(steps):
        columns = call.shared[step] if uniform else np.concatenate([call.positives[step], call.shared[step]])
        if "negatives.memory=3" in settings:
            columns = np.concatenate([columns, memory.ravel()])
            memory[number % 3] = call.positives[step]
        pairs = call.known[step]
        pairs = pairs[pairs[:, 0] < 16]
        found = np.zeros((16, len(columns)), bool)
        found[pairs[:, 0], pairs[:, 1]] = True
        np.testing.assert_array_equal(found, clicked.contains(call.users[step][:, None], columns[None]))


@pytest.mark.parametrize(
    ("settings", "own", "shared"),
    [
        (("negatives.strategy=in_batch",), 0, 0),
        (("negatives.strategy=mixed", "negatives.blend_share=0.5"), 0, 15),
        (("negatives.strategy=in_batch", "negatives.blend=ralm", "negatives.blend_share=0.25"), 0, 5),
        (("negatives.strategy=exposed", "negatives.blend=in_batch", "negatives.blend_share=0.75"), 5, 0),
        (("negatives.strategy=uniform", "negatives.blend=ralm", "negatives.shared=9"), 0, 9),
        (("negatives.strategy=uniform", "negatives.blend=exposed", "negatives.k=4"), 4, 0),
    ],
)
def test_a_blend_has_as_many_of_each_kind_as_its_share_says(clicked, rng, settings, own, shared):
    _, calls = epoch(maker(clicked, *settings), clicked, rng)
    assert calls[0].own.shape[2] == own
    assert calls[0].shared.shape[1] == shared


def test_more_negatives_of_its_own_than_a_click_may_have_are_refused_with_the_share_to_take(clicked):
    with pytest.raises(UserError, match=r"would take 511 negatives of its own .* to 0\.28 or less"):
        maker(clicked, "negatives.blend=exposed", "negatives.blend_share=0.5", size=512)


def test_a_set_beside_the_batch_has_its_bounds_too(clicked):
    with pytest.raises(UserError, match=r"would take 510,489 negatives for the batch.* to 0\.97 or less"):
        maker(clicked, "negatives.blend=uniform", "negatives.blend_share=0.999", size=512)


@pytest.mark.parametrize("settings", [(), ("negatives.strategy=mixed", "negatives.blend_share=0.3")])
def test_what_the_rows_of_a_batch_meet_is_what_q_says(clicked, settings):
    made, rng = maker(clicked, *settings, size=10), np.random.default_rng(3)
    batches = [call for _ in range(200) for call in epoch(made, clicked, rng)[1]]
    positives = np.concatenate([call.positives.ravel() for call in batches])
    shared = np.concatenate([call.shared.ravel() for call in batches])
    in_shared = made._sizes.shared / (made._sizes.shared + made._sizes.batch - 1)
    frequency = (1 - in_shared) * np.bincount(positives, minlength=N_ARTICLES) / len(positives)
    if len(shared):
        frequency += in_shared * np.bincount(shared, minlength=N_ARTICLES) / len(shared)
    np.testing.assert_allclose(frequency, made._strategy.probability, atol=0.01)


def test_what_joins_the_batch_is_drawn_one_at_a_time_as_its_q_says(clicked, rng):
    """Every user was shown article 17 alone: of six draws at once, five would be topped up."""
    made = maker(clicked, "negatives.blend=exposed", "negatives.blend_share=0.3")
    draws, calls = epoch(made, clicked, rng)
    assert made._strategy.beside.probability[17] == pytest.approx(1)
    assert all((call.own == 17).all() and call.own.shape[2] == 6 for call in calls)
    assert draws.topped_up == 0


def test_the_streaming_estimate_comes_with_the_batch(clicked, rng):
    _, calls = epoch(maker(clicked, "negatives.strategy=in_batch_streaming"), clicked, rng)
    assert calls[0].log_q.shape == (2, 16)
    assert (calls[0].log_q < 0).all()
    _, calls = epoch(maker(clicked), clicked, rng)
    assert calls[0].log_q.shape == (2, 0)


def test_known_clicks_are_not_looked_for_when_the_mask_is_off(clicked, rng):
    _, calls = epoch(maker(clicked, "loss.mask_known=false"), clicked, rng)
    assert all((call.known[:, :, 0] == 16).all() for call in calls)


def test_a_mistake_while_preparing_reaches_the_caller(clicked, rng):
    broken = maker(clicked)
    broken._clicked = None
    with pytest.raises(AttributeError):
        epoch(broken, clicked, rng)


@pytest.mark.parametrize(
    "settings",
    [
        ("negatives.strategy=in_batch",),
        ("negatives.strategy=uniform", "negatives.k=3"),
        ("negatives.strategy=uniform", "negatives.shared=12"),
        ("negatives.strategy=mixed", "negatives.blend_share=0.4"),
        ("negatives.strategy=cross_batch", "negatives.memory=3"),
    ],
    ids=["in_batch", "own", "shared", "mixed", "cross_batch"],
)
def test_a_later_clicks_draws_are_counted_as_they_are_packed(clicked, rng, settings):
    later = UserArticles.from_pairs(rng.integers(1, N_USERS, 60), rng.integers(1, 20, 60), N_USERS, N_ARTICLES)
    watch = FalseNegatives(later, clicked)
    _, calls = epoch(maker(clicked, *settings, false_negatives=watch), clicked, rng)
    expected, memory = np.zeros((N_USERS, N_ARTICLES), int), np.zeros((3, 16), int)
    in_batch = not any("uniform" in setting for setting in settings)
    steps = [(call, step) for call in calls for step in range(len(call))]
    for number, (call, step) in enumerate(steps):
        batch = call.positives[step] if in_batch else []
        old = memory.ravel() if "negatives.memory=3" in settings else []
        for row, user in enumerate(call.users[step]):
            for article in [*batch, *call.shared[step], *old, *call.own[step, row]]:
                expected[user, int(article)] += 1
        memory[number % 3] = call.positives[step]
    users, articles = later.flat(np.arange(N_USERS))
    new = ~clicked.contains(users, articles)
    expected = expected[users, articles] * new
    assert expected.sum() > 0
    np.testing.assert_array_equal(watch.times(users, articles), expected)
