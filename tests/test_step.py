import numpy as np
import pytest

from dssm_core.batches import Batches
from dssm_core.config import Config, with_settings
from dssm_core.features import Features, Field, Side
from dssm_core.losses import log_probability
from dssm_core.step import Step
from dssm_core.strategy import Sizes, Strategy
from dssm_core.two_tower import TwoTower

Q = np.array([0.05, 0.1, 0.2, 0.3, 0.35])
TEMPERATURE = 0.5


def ids_alone(name, n):
    slots = np.arange(1, n + 1, dtype=np.int32)[:, None]
    return Side((Field(name, [str(i) for i in range(n)], 1, 1),), slots, np.ones((n, 1), np.float32), n + 1)


def build(*settings, sizes=(2, 0, 0), **strategy):
    """A model of 4 users and 5 articles and its step; `strategy`: what is not default about a Strategy."""
    config = with_settings(
        Config(),
        ["tower.hidden=[]", "tower.dim=3", "features.id_dropout=0", f"loss.temperature={TEMPERATURE}"]
        + ([] if strategy else ["negatives.strategy=uniform"])
        + list(settings),
    )
    model = TwoTower(Features(ids_alone("user_id", 4), ids_alone("article_id", 5)), config.tower, seed=1, history=None)
    made = Strategy(Q, None, None, **{"in_batch": bool(strategy)} | strategy)
    return model, Step(model, config, log_probability(Q), made, Sizes(*sizes))


def batches(users, positives, own=None, shared=(), known=(), log_q=()):
    """One batch, as `Batches` holds it."""
    size = len(users)
    arrays = users, positives, np.zeros((size, 2)), own or np.zeros((size, 0)), shared, [*known, (size, 0)]
    return Batches(*(np.array(array, np.int32)[None] for array in arrays), np.array(log_q, np.float32)[None])


def cosines(model):
    users = model.embed_users(np.arange(4, dtype=np.int32))
    return users @ model.embed_articles(np.arange(5, dtype=np.int32)).T


def softmax_loss(positive, negatives):
    return np.log(np.exp([positive, *negatives]).sum()) - positive


def test_own_negatives_are_scored_over_temperature_and_corrected():
    model, step = build(sizes=(2, 2, 0))
    loss, positive, negative = step.score(batches([1, 2], [3, 4], [[1, 2], [2, 0]]))
    c, q = cosines(model), np.log(Q)
    expected = [
        softmax_loss(c[1, 3] / TEMPERATURE - q[3], [c[1, 1] / TEMPERATURE - q[1], c[1, 2] / TEMPERATURE - q[2]]),
        softmax_loss(c[2, 4] / TEMPERATURE - q[4], [c[2, 2] / TEMPERATURE - q[2]]),
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(positive, [c[1, 3], c[2, 4]], rtol=1e-5)
    np.testing.assert_allclose(negative, [c[1, 1], c[1, 2], c[2, 2]], rtol=1e-5, err_msg="0 is no negative")


def test_the_positive_is_left_uncorrected_by_option_and_nothing_is_corrected_by_another():
    model, step = build("loss.correct_positive=false", sizes=(2, 1, 0))
    c, q = cosines(model) / TEMPERATURE, np.log(Q)
    one = batches([1, 2], [3, 4], [[1], [2]])
    expected = [softmax_loss(c[1, 3], [c[1, 1] - q[1]]), softmax_loss(c[2, 4], [c[2, 2] - q[2]])]
    np.testing.assert_allclose(step.score(one)[0], expected, rtol=1e-5)
    model, step = build("loss.correction=false", sizes=(2, 1, 0))
    expected = [softmax_loss(c[1, 3], [c[1, 1]]), softmax_loss(c[2, 4], [c[2, 2]])]
    np.testing.assert_allclose(step.score(one)[0], expected, rtol=1e-5)


def test_with_the_positive_uncorrected_the_number_of_negatives_counts():
    model, step = build("loss.correct_positive=false", sizes=(2, 2, 0))
    c, q = cosines(model) / TEMPERATURE, np.log(2 * Q)
    loss, _, _ = step.score(batches([1, 2], [3, 4], [[1, 2], [2, 3]]))
    expected = [
        softmax_loss(c[1, 3], [c[1, 1] - q[1], c[1, 2] - q[2]]),
        softmax_loss(c[2, 4], [c[2, 2] - q[2], c[2, 3] - q[3]]),
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_in_batch_leaves_out_own_positives_elsewhere_and_known_clicks():
    model, step = build(sizes=(3, 0, 0), in_batch=True)
    c, q = cosines(model) / TEMPERATURE, np.log(Q)
    loss, _, _ = step.score(batches([1, 2, 3], [3, 4, 3], known=[(0, 1)]))
    logit = c - q
    expected = [
        softmax_loss(logit[1, 3], []),
        softmax_loss(logit[2, 4], [logit[2, 3], logit[2, 3]]),
        softmax_loss(logit[3, 3], [logit[3, 4]]),
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def test_shared_negatives_meet_every_row_but_the_masked_ones():
    model, step = build("negatives.shared=3", sizes=(2, 0, 3))
    c, q = cosines(model) / TEMPERATURE, np.log(Q)
    loss, _, negative = step.score(batches([1, 2], [3, 4], shared=[1, 2, 3], known=[(1, 0)]))
    logit = c - q
    expected = [softmax_loss(logit[1, 3], logit[1, [1, 2]]), softmax_loss(logit[2, 4], logit[2, [2, 3]])]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert len(negative) == 4


def test_a_set_beside_the_batch_joins_its_other_positives():
    model, step = build(sizes=(2, 0, 2), in_batch=True)
    logit = cosines(model) / TEMPERATURE - np.log(Q)
    loss, _, _ = step.score(batches([1, 2], [3, 4], shared=[1, 3], known=[(0, 1), (1, 2)]))
    expected = [softmax_loss(logit[1, 3], [logit[1, 1]]), softmax_loss(logit[2, 4], [logit[2, 3], logit[2, 3]])]
    np.testing.assert_allclose(loss, expected, rtol=1e-5, err_msg="columns: two positives, two shared")


def test_own_negatives_beside_the_batch_join_its_other_positives():
    model, step = build(sizes=(2, 1, 0), in_batch=True)
    logit = cosines(model) / TEMPERATURE - np.log(Q)
    loss, _, _ = step.score(batches([1, 2], [3, 4], own=[[1], [0]]))
    expected = [softmax_loss(logit[1, 3], [logit[1, 4], logit[1, 1]]), softmax_loss(logit[2, 4], [logit[2, 3]])]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_memory_holds_the_vectors_of_the_last_batches_as_they_were():
    model, step = build("train.embedding_learning_rate=1e-9", in_batch=True, memory=2)
    logit = cosines(model) / TEMPERATURE - np.log(Q)
    now = batches([1, 2], [3, 4])
    alone = step.score(now)[0]
    expected = [softmax_loss(logit[1, 3], [logit[1, 4]]), softmax_loss(logit[2, 4], [logit[2, 3]])]
    np.testing.assert_allclose(alone, expected, rtol=1e-5, err_msg="nothing is remembered yet")
    for number, positives in enumerate([[2, 2], [1, 1], [2, 3]]):
        step.train(batches([1, 2], positives), number)
    remembered = [2, 3, 1, 1]
    expected = [
        softmax_loss(logit[1, 3], logit[1, [4, 2, 1, 1]]),
        softmax_loss(logit[2, 4], logit[2, [3, *remembered]]),
    ]
    np.testing.assert_allclose(step.score(now)[0], expected, rtol=1e-5, err_msg="the first batch is forgotten")


def test_articles_are_pushed_for_the_remembered_too_which_get_no_gradient_themselves():
    """A memory of the same articles trains as a set of them does, whose copies do get their gradient.

    What is shared beside (article 1) is no part of the memory, and is pushed away once.
    """
    remembering, with_memory = build("train.embedding_learning_rate=1e-9", sizes=(2, 0, 1), in_batch=True, memory=1)
    sharing, with_set = build("train.embedding_learning_rate=1e-9", sizes=(2, 0, 3), in_batch=True)
    for number, copies in enumerate([[0, 0], [3, 4]]):
        one, other = batches([1, 2], [3, 4], shared=[1]), batches([1, 2], [3, 4], shared=[1, *copies])
        np.testing.assert_allclose(with_memory.train(one, number), with_set.train(other, number), rtol=1e-5)
    for side in ("users", "articles"):
        squared_gradients = [getattr(model, side).accumulator.numpy() for model in (remembering, sharing)]
        assert squared_gradients[0][4 if side == "articles" else 2] > 0
        np.testing.assert_allclose(*squared_gradients, rtol=1e-4)


def test_only_the_hardest_after_correction_and_masking_count():
    model, step = build(sizes=(3, 0, 0), in_batch=True, hardest=1)
    logit = cosines(model) / TEMPERATURE - np.log(Q)
    loss, _, _ = step.score(batches([1, 2, 3], [3, 4, 1], known=[(0, 1)]))
    expected = [
        softmax_loss(logit[1, 3], [logit[1, 1]]),
        softmax_loss(logit[2, 4], [max(logit[2, 3], logit[2, 1])]),
        softmax_loss(logit[3, 1], [max(logit[3, 3], logit[3, 4])]),
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert np.isfinite(step.train(batches([1, 2, 3], [3, 4, 1]), 0)).all()


def test_ln_q_that_is_estimated_on_the_fly_takes_the_place_of_the_counted_one():
    model, step = build(in_batch=True, streaming=True)
    c, q = cosines(model) / TEMPERATURE, np.log([0.7, 0.2])
    loss, _, _ = step.score(batches([1, 2], [3, 4], log_q=q))
    expected = [softmax_loss(c[1, 3] - q[0], [c[1, 4] - q[1]]), softmax_loss(c[2, 4] - q[1], [c[2, 3] - q[0]])]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_a_learned_temperature_moves_and_a_fixed_one_does_not():
    for settings, moves in (((), False), (("loss.learn_temperature=true",), True)):
        _, step = build("train.learning_rate=0.1", *settings, sizes=(2, 1, 0))
        step.train(batches([1, 2], [3, 4], [[1], [2]]), 0)
        assert (step.temperature != TEMPERATURE) == moves


def test_a_step_changes_only_the_rows_of_its_batch():
    model, step = build(sizes=(2, 1, 0))
    before = model.weights()
    step.train(batches([1, 2], [3, 4], [[1], [1]]), 0)
    after = model.weights()
    changed = [np.flatnonzero((before[side] != after[side]).any(axis=1)).tolist() for side in ("users", "articles")]
    # row r of the dataset is row r + 1 of the table, behind the padding
    assert changed == [[2, 3], [2, 4, 5]]


def test_the_update_is_row_wise_adagrad_on_summed_gradients():
    """One user, one positive, one negative, both rows the same: the user's row gets the gradient of the mean loss."""
    rate = 0.1
    model, step = build(f"train.embedding_learning_rate={rate}", "loss.correction=false", sizes=(2, 1, 0))
    before = model.weights()["users"][2]
    p, n = (model.weights()["articles"][row] / np.linalg.norm(model.weights()["articles"][row]) for row in (4, 2))
    step.train(batches([1, 1], [3, 3], [[1], [1]]), 0)
    norm = np.linalg.norm(before)
    u = before / norm
    share = 1 / (1 + np.exp((u @ p - u @ n) / TEMPERATURE))
    for_unit = share * (n - p) / TEMPERATURE
    gradient = (for_unit - u * (u @ for_unit)) / norm
    expected = before - rate * gradient / np.sqrt(np.mean(gradient**2))
    np.testing.assert_allclose(model.weights()["users"][2], expected, rtol=1e-4)


@pytest.mark.parametrize("strategy", [{}, {"in_batch": True, "memory": 2}], ids=["own", "memory"])
def test_steps_of_one_call_are_those_of_as_many_calls(strategy):
    """A batch is gathered while the step before it is at work: it must not miss what that step writes."""
    own = [[1], [2], [2]] if not strategy else None
    each = [batches([1, 2, 3], positives, own) for positives in ([3, 4, 1], [4, 4, 2], [1, 3, 4], [2, 3, 1])]
    at_once = Batches(*(np.concatenate([getattr(one, of) for one in each]) for of in vars(each[0])))
    trained = []
    for calls in ([(0, at_once)], list(enumerate(each))):
        model, step = build(
            "tower.hidden=[8]", "features.id_dropout=0.3", sizes=(3, 0 if strategy else 1, 0), **strategy
        )
        losses = np.concatenate([step.train(one, first) for first, one in calls])
        trained.append({"losses": losses, **model.weights(), **step.state()})
    for name, of_one_call in trained[0].items():
        np.testing.assert_allclose(of_one_call, trained[1][name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_training_lowers_the_loss():
    _model, step = build("tower.hidden=[8]", sizes=(3, 2, 0))
    one = batches([1, 2, 3], [3, 4, 1], [[1, 2], [2, 1], [2, 3]])
    before = step.score(one)[0].mean()
    for _ in range(30):
        step.train(one, 0)
    assert step.score(one)[0].mean() < before / 2


def test_id_dropout_trains_the_unknown_row():
    model, step = build("features.id_dropout=0.99", sizes=(3, 1, 0))
    before = model.weights()["users"]
    for number in range(20):
        step.train(batches([1, 2, 3], [3, 4, 1], [[1], [2], [2]]), number)
    after = model.weights()["users"]
    assert (before[1] != after[1]).any()


@pytest.mark.parametrize("kind", ["bce", "sampled_softmax"])
def test_the_same_seed_gives_the_same_weights(kind):
    results = []
    for _ in range(2):
        model, step = build(f"loss.kind={kind}", "tower.hidden=[8]", "features.id_dropout=0.3", sizes=(3, 1, 0))
        for number in range(5):
            step.train(batches([1, 2, 3], [3, 4, 1], [[1], [2], [2]]), number)
        results.append(model.weights())
    for name, weight in results[0].items():
        np.testing.assert_array_equal(weight, results[1][name])
