from dataclasses import replace

import numpy as np

from dssm_core.config import FeaturesConfig, NegativesConfig, PoolConfig, SplitConfig
from dssm_core.features import make_features
from dssm_core.negatives import STRATEGIES, make_strategy
from dssm_core.split import Split, make_split
from dssm_core.train_counts import count_train
from dssm_core.training_data import TrainingData
from tests.conftest import HOUR, MONDAY, make_dataset

NONE = np.zeros(0, np.int64)


def data_of(dataset, train, validation=NONE):
    pool = np.arange(1, len(dataset.articles), dtype=np.int32)
    split = Split("random", np.asarray(train), np.asarray(validation), NONE, pool, pool, None, None)
    return TrainingData.of(dataset, split, count_train(dataset, split))


def histories(data, clicks):
    return [data.history.articles[begin:end].tolist() for begin, end in clicks.before]


def test_a_clicks_history_is_what_the_user_clicked_strictly_before_it():
    rows = [("u", "a", MONDAY, 1), ("u", "b", MONDAY + 1, 1), ("u", "c", MONDAY + 1, 1), ("u", "d", MONDAY + 2, 0),
            ("u", "e", MONDAY + 3, 1), ("v", "f", MONDAY, 1)]  # fmt: skip
    data = data_of(make_dataset(rows), range(6))
    assert histories(data, data.clicks) == [[], [1], [1], [1, 2, 3], []], "clicks at the same instant do not count"


def test_without_times_the_order_of_the_log_counts():
    data = data_of(make_dataset([("u", "a", None, 1), ("u", "b", None, 1), ("u", "c", None, 1)]), range(3))
    assert histories(data, data.clicks) == [[], [1], [1, 2]]


def test_a_validation_click_sees_the_train_clicks_before_it_alone():
    rows = [("u", "a", MONDAY, 1), ("u", "b", MONDAY + HOUR, 1), ("u", "c", MONDAY + 2 * HOUR, 1)]
    data = data_of(make_dataset(rows), [0, 2], [1])
    assert histories(data, data.validation) == [[1]]


def test_the_whole_history_of_a_user_holds_all_their_train_clicks():
    data = data_of(make_dataset([("u", "a", MONDAY, 1), ("v", "b", MONDAY, 1), ("v", "a", MONDAY + 1, 1)]), range(3))
    assert data.history.spans.tolist() == [[0, 0], [0, 1], [1, 3]]


def test_nothing_from_after_the_cutoff_reaches_training(tasteful_dataset):
    """No click, history or count: turning every test row into another click changes nothing that training reads."""
    exposures = tasteful_dataset.exposures
    split = make_split(tasteful_dataset, SplitConfig(), PoolConfig())
    assert (exposures.time[split.train] < split.cutoff).all()
    article, click = exposures.article.copy(), exposures.click.copy()
    article[split.test], click[split.test] = 5, True
    changed = make_changed(tasteful_dataset, article, click)
    for one, other in zip(everything(tasteful_dataset), everything(changed), strict=True):
        np.testing.assert_array_equal(one, other)


def make_changed(dataset, article, click):
    return replace(dataset, exposures=replace(dataset.exposures, article=article, click=click))


def everything(dataset):
    """All arrays that training reads, from the split on."""
    split = make_split(dataset, SplitConfig(), PoolConfig())
    counts = count_train(dataset, split)
    data, features = TrainingData.of(dataset, split, counts), make_features(dataset, split, FeaturesConfig())
    for clicks in (data.clicks, data.validation):
        yield from (clicks.users, clicks.articles, clicks.before)
    yield from (data.history.articles, data.history.spans, counts.pool, counts.exposures, counts.clicks)
    for sets in (counts.clicked, counts.exposed):
        yield from (sets.start, sets.articles)
    for side in (features.users, features.articles):
        yield from (side.slots, side.weights)
    for name in STRATEGIES:
        if name != "mined":
            yield make_strategy(counts, NegativesConfig(strategy=name)).probability
