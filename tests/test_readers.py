import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.config import PoolConfig, SplitConfig
from dssm_core.readers import Readers, nearest, recalled
from dssm_core.split import make_split

POOL = np.array([2, 5, 7], np.int32)
VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
NOBODY = np.zeros(0, np.int32)


def test_readers_are_the_distinct_users_of_the_train_clicks(tasteful_dataset):
    split = make_split(tasteful_dataset, SplitConfig(), PoolConfig())
    readers = Readers.of(tasteful_dataset, split)
    exposures = tasteful_dataset.exposures
    clicks = split.train[exposures.click[split.train]]
    for article in range(1, len(tasteful_dataset.articles), 7):
        mine = exposures.user[clicks[exposures.article[clicks] == article]]
        assert readers.of_article(article).tolist() == sorted(set(mine.tolist()))
        assert readers.clicks()[article] == len(mine)


def test_the_nearest_have_the_highest_cosine_and_leave_out_what_they_are_told_to():
    rows, cosines = nearest(np.array([0, 1], np.float32), POOL, VECTORS, 2, np.array([5]))
    assert rows.tolist() == [7, 2]
    np.testing.assert_allclose(cosines, [0.8, 0], atol=1e-6)


def test_no_more_are_near_than_are_left():
    assert nearest(VECTORS[0], POOL, VECTORS, 9, NOBODY)[0].tolist() == [2, 7, 5]
    assert nearest(VECTORS[0], POOL, VECTORS, 9, POOL)[0].tolist() == []


def test_an_exact_list_holds_nothing_that_the_user_has_seen():
    users = np.array([[0, 1], [1, 0]], np.float32)
    seen = UserArticles.from_pairs(np.array([1]), np.array([2]), 2, 9)
    assert recalled(1, users, POOL, VECTORS, seen, 5)[0].tolist() == [7, 5]
    assert recalled(1, users, POOL, VECTORS, None, 1)[0].tolist() == [2]
