from dataclasses import replace

import numpy as np
import pytest

from dssm_core.config import PoolConfig, SplitConfig
from dssm_core.leakage import leakage_report
from dssm_core.split import SPLITS, make_split
from tests.conftest import HOUR, MONDAY, make_dataset

DAY = 24 * HOUR

ROWS = [
    ("u", "a", MONDAY, 1),
    ("u", "b", MONDAY + HOUR, 0),
    ("u", "a", MONDAY + DAY, 1),
    ("u", "c", MONDAY + DAY + HOUR, 1),
    ("v", "d", MONDAY, 0),
]
ARTICLES = {"a": {"ctime": MONDAY - DAY}, "c": {"ctime": MONDAY + DAY}, "z": {"ctime": MONDAY + 5 * DAY}}


def cut(dataset, kind="time"):
    return make_split(dataset, SplitConfig(kind=kind, validation_users=0), PoolConfig())


def counts(dataset, split):
    return {guard.name: guard.count for guard in leakage_report(dataset, split)}


@pytest.fixture
def dataset():
    made = make_dataset(ROWS, ARTICLES, extra={"split": ["train", "train", "test", "test", "train"]})
    return replace(made, report={"set_aside": {"created after exposure": 4}})


def test_a_sound_time_split_states_every_guard_with_its_count(dataset):
    assert counts(dataset, cut(dataset)) == {
        "exposures before the article was created": 4,
        "train rows at or after the cutoff": 0,
        "test rows before the cutoff": 0,
        "train articles created after the cutoff": 0,
        "pool articles created after the end of the test": 0,
        "rows in more than one part": 0,
        "held-out clicks repeated from train": 1,
    }


def test_a_leak_is_counted_where_it_is(dataset):
    split = cut(dataset)
    late, early = np.array([0, 2]), np.array([0, 3])
    articles = np.arange(1, len(dataset.articles), dtype=np.int32)
    leaky = replace(split, train=late, test=early, train_pool=articles, pool=articles)
    found = counts(dataset, leaky)
    assert found["train rows at or after the cutoff"] == 1
    assert found["test rows before the cutoff"] == 1
    assert found["train articles created after the cutoff"] == 2
    assert found["pool articles created after the end of the test"] == 1
    assert found["rows in more than one part"] == 1


def test_leave_last_is_guarded_user_by_user(dataset):
    split = cut(dataset, "leave_last")
    assert counts(dataset, split)["train rows after the user's held-out click"] == 0
    leaky = replace(split, train=np.array([0, 3]), test=np.array([2]))
    assert counts(dataset, leaky)["train rows after the user's held-out click"] == 1


def test_clicks_of_the_history_that_are_held_out_are_counted():
    rows = [("u", "h", MONDAY, 1), ("u", "a", MONDAY + 30 * HOUR, 1), ("u", "b", MONDAY + 60 * HOUR, 1)]
    dataset = make_dataset(rows, extra={"history": [True, False, False]})
    split = cut(dataset, "time")
    assert counts(dataset, split)["clicks of the history held out"] == 0
    leaky = replace(split, test=np.array([0, 2]))
    assert counts(dataset, leaky)["clicks of the history held out"] == 1


@pytest.mark.parametrize("kind", SPLITS)
def test_every_guard_of_every_split_says_what_it_guards(dataset, kind):
    for guard in leakage_report(dataset, cut(dataset, kind)):
        assert guard.name and guard.text.endswith(".")
        assert guard.count == 0 or "must be 0" not in guard.text


def test_a_log_without_times_has_the_guards_that_need_none():
    dataset = make_dataset([(f"u{i % 5}", f"a{i}", None, 1) for i in range(60)])
    found = counts(dataset, cut(dataset, "random"))
    assert set(found) == {
        "exposures before the article was created",
        "rows in more than one part",
        "held-out clicks repeated from train",
    }
