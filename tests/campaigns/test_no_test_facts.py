"""Nothing that training knows changes when the facts of the test period are replaced by others."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dssm_core.config import FeaturesConfig, NegativesConfig, PoolConfig, SplitConfig
from dssm_core.errors import UserError
from dssm_core.features import make_features
from dssm_core.negatives import STRATEGIES, make_strategy
from dssm_core.popularity import Popularity, seen_clicks
from dssm_core.split import SPLITS, make_split
from dssm_core.train_counts import count_train
from dssm_core.training_data import TrainingData
from tests.campaigns.size import cases
from tests.conftest import HOUR, MONDAY, make_dataset

USERS = {f"u{i}": {"city": ("north", "south", "unknown")[i % 3]} for i in range(5)}
ARTICLES = {
    f"a{i}": {
        "ctime": 0 if i == 7 else MONDAY + (i - 4) * 12 * HOUR,
        "cate": ("sport", "music", "art")[i % 3],
        "length": str(10 * i),
        "key_words": f"^w{i % 4}:1.5,v{i}:0.5",
    }
    for i in range(8)
}
FEATURES = FeaturesConfig(dense=["length"], min_count=2, key_words=True)
DAYS = 4
EXAMPLES = cases(25, 500)
ROW = st.tuples(
    st.sampled_from(sorted(USERS)), st.sampled_from(sorted(ARTICLES)), st.integers(0, DAYS * 24 - 1), st.booleans()
)
LOG = st.lists(ROW, min_size=4, max_size=30)


def dataset_of(rows, parts):
    placed = [(user, article, MONDAY + hour * HOUR, click) for user, article, hour, click in rows]
    return make_dataset(placed, ARTICLES, USERS, extra={"split": np.array(parts, dtype=object)})


def on_day(day, row):
    """The same row, on that day."""
    user, article, hour, click = row
    return user, article, day * 24 + hour % 24, click


def split_of(dataset, kind):
    return make_split(dataset, SplitConfig(kind=kind, train_days=2, validation_users=2), PoolConfig())


def values_of(thing):
    """Every array and number in it, by name: of arrays their values and dtype."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.tolist()
    if isinstance(thing, dict):
        return {name: values_of(value) for name, value in thing.items()}
    if isinstance(thing, tuple):
        return [values_of(value) for value in thing]
    return values_of(vars(thing)) if hasattr(thing, "__dataclass_fields__") else thing


def known_to_training(dataset, split):
    """All that training, validation and the filters of the recall lists take from a log and its split."""
    exposures = dataset.exposures
    counts = count_train(dataset, split)
    positives = exposures.click[split.train]
    clicks = exposures.user[split.train][positives], exposures.article[split.train][positives]
    drawn = {}
    for name in sorted(set(STRATEGIES) - {"mined"}):
        try:
            strategy = make_strategy(counts, NegativesConfig(strategy=name, attribute="cate"))
        except UserError as error:
            drawn[name] = str(error)
            continue
        drawn[name] = (
            values_of(strategy.probability),
            values_of(vars(strategy.draw(*clicks, 2, np.random.default_rng(0)))),
        )
    known = {
        "validation": [(exposures.user[i], exposures.article[i], exposures.time[i]) for i in split.validation],
        "popularity": Popularity.in_train(dataset, split),
        "pools": (split.train_pool, split.pool),
        "counts": replace(counts, users=None, articles=None),
        "features": make_features(dataset, split, FEATURES),
        "data": replace(TrainingData.of(dataset, split, counts), counts=None),
        "seen": seen_clicks(dataset, split),
    }
    return {name: values_of(value) for name, value in known.items()} | {"drawn": drawn}


def same_but_for_the_test(before, after):
    for name in before:
        assert before[name] == after[name], f"{name} knows of the test"


@given(LOG, LOG)
@settings(max_examples=EXAMPLES)
def test_a_time_split_learns_nothing_from_other_rows_on_the_test_day(before, others):
    last_day = (DAYS - 1) * 24
    train = [row for row in before if row[2] < last_day]
    first, second = ([*train, *[on_day(DAYS - 1, row) for row in rows]] for rows in (before, others))
    try:
        first, second = (dataset_of(rows, ["train"] * len(rows)) for rows in (first, second))
        splits = [split_of(dataset, "time") for dataset in (first, second)]
    except UserError:
        assume(False)
    assert len(splits[0].train) + len(splits[0].validation) <= len(train)
    same_but_for_the_test(*map(known_to_training, (first, second), splits))


@pytest.mark.parametrize("kind", sorted(set(SPLITS) - {"time"}))
@given(LOG, st.data())
@settings(max_examples=EXAMPLES)
def test_other_splits_learn_nothing_from_what_happened_in_their_test_rows(kind, rows, data):
    some_of = st.lists(st.sampled_from(["train", "train", "test", "validation"]), min_size=30, max_size=30)
    parts = data.draw(some_of)[: len(rows)]
    first = dataset_of(rows, parts)
    try:
        split = split_of(first, kind)
    except UserError:
        assume(False)
    exposures = first.exposures
    article, click = exposures.article.copy(), exposures.click.copy()
    n = len(split.test)
    article[split.test] = data.draw(st.lists(st.integers(1, len(ARTICLES)), min_size=n, max_size=n))
    if kind != "leave_last":  # whose test rows are clicks by what it is
        click[split.test] = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    second = replace(first, exposures=replace(exposures, article=article, click=click))
    again = split
    if kind != "random":  # where a pair of user and article is drawn, so that other pairs make another split
        try:
            again = split_of(second, kind)
        except UserError:
            assume(False)
    same_but_for_the_test(known_to_training(first, split), known_to_training(second, again))
