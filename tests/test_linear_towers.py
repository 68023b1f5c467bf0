import numpy as np
import pandas as pd
import pytest

from dssm_core import linear_towers
from dssm_core.health import health
from dssm_core.linear_towers import Clicks

ONE_CLICK = Clicks(np.array([0]), np.array([0]))
X, Y = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])


def test_each_value_of_each_column_has_its_own_feature():
    table = pd.DataFrame({"city": ["a", "b", "a"], "os": ["x", "x", "y"]})
    assert linear_towers.one_hot(table).toarray().tolist() == [[1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]


def test_the_loss_without_negatives_is_the_negative_cosine_over_the_temperature():
    assert linear_towers.loss(X, X, ONE_CLICK, np.array([], int)) == pytest.approx(-10)
    assert linear_towers.loss(X, Y, ONE_CLICK, np.array([], int)) == pytest.approx(0)


def test_negatives_add_the_logarithm_of_their_exponentials():
    articles = np.vstack([X, Y])
    # -10 + ln(e^0 + e^0)
    assert linear_towers.loss(X, articles, ONE_CLICK, np.array([1, 1])) == pytest.approx(-10 + np.log(2))


def test_negatives_that_the_user_clicked_are_masked():
    articles, clicks = np.vstack([X, Y, Y]), Clicks(np.array([0, 0]), np.array([0, 1]))
    # clicks on X and on Y score 10 and 0; of the negatives only the other Y, of score 0, was not clicked
    assert linear_towers.loss(X, articles, clicks, np.array([0, 1, 2])) == pytest.approx(-5)
    assert linear_towers.loss(X, articles, clicks, np.array([0, 1])) == pytest.approx(-5)


def test_gradients_are_those_of_the_loss(rng):
    users, articles = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    clicks, negatives = Clicks(np.array([0, 0, 2]), np.array([1, 4, 1])), np.array([1, 3, 3])
    for side, slope in enumerate(linear_towers.gradients(users, articles, clicks, negatives)):
        for place in np.ndindex(slope.shape):
            losses = []
            for step in (1e-6, -1e-6):
                moved = [users.copy(), articles.copy()]
                moved[side][place] += step
                losses.append(linear_towers.loss(*moved, clicks, negatives))
            assert slope[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-6)


def test_without_negatives_all_vectors_collapse_and_with_them_tastes_part(rng):
    side = linear_towers.one_hot(pd.DataFrame({"id": range(40)}))
    users, articles = rng.integers(0, 40, 600), rng.integers(0, 20, 600) * 2
    # one click in ten is on the other taste's articles, so that pulling alone reaches everybody
    clicks = Clicks(users, articles + (users + (rng.random(600) < 0.1)) % 2)
    collapsed, apart = (
        linear_towers.train(side, side, clicks, np.arange(40), k, np.random.default_rng(0)) for k in (0, 10)
    )
    assert health(collapsed[0])["mean_cosine"] > 0.9
    assert health(apart[0])["mean_cosine"] < 0.3
    scores = apart[0] @ apart[1].T
    assert scores[::2, ::2].mean() > 0.1 > -0.1 > scores[::2, 1::2].mean()


def test_the_same_seed_gives_the_same_vectors():
    side = linear_towers.one_hot(pd.DataFrame({"id": range(5)}))
    clicks = Clicks(np.array([0, 1, 2]), np.array([1, 2, 3]))
    one, other = (linear_towers.train(side, side, clicks, np.arange(5), 2, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
