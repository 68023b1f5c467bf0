import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dssm_core.config import PoolConfig, SplitConfig
from dssm_core.errors import UserError
from dssm_core.split import SPLITS, local_days, make_split, midnight
from tests.conftest import HOUR, MONDAY, make_dataset

DAY = 24 * HOUR
ANY = PoolConfig()


def split_of(dataset, pool=ANY, **config):
    return make_split(dataset, SplitConfig(**config), pool)


def names(dataset, articles):
    return set(dataset.articles["article_id"].to_numpy()[articles])


def at(day, hour=12):
    return MONDAY + day * DAY + hour * HOUR


def daily(days, click=True):
    """One user's exposures at noon of some days, each of an article named after its day."""
    return [("u", f"a{day}", at(day), click) for day in days]


def test_the_last_day_is_test_and_the_days_before_it_train():
    dataset = make_dataset(daily(range(10)))
    split = split_of(dataset, validation_users=0)
    assert split.test.tolist() == [9]
    assert split.train.tolist() == [3, 4, 5, 6, 7, 8]
    assert (split.cutoff, split.end) == (at(9, 0), at(10, 0))
    assert split.left_out == {"before the train days": 3}
    assert split.validation.dtype == split.train.dtype == split.test.dtype == np.int64


def test_days_without_exposures_do_not_count():
    dataset = make_dataset(daily([0, 1, 5, 9, 20]))
    split = split_of(dataset, test_days=2, train_days=2, validation_users=0)
    assert (split.train.tolist(), split.test.tolist()) == ([1, 2], [3, 4])
    assert (split.cutoff, split.end) == (at(9, 0), at(21, 0))


def test_the_day_is_cut_at_midnight_in_the_dataset_s_timezone():
    rows = [("u", "a", at(0), 1), ("u", "b", at(1, 0) - 1, 1), ("u", "c", at(1, 0), 1)]
    assert split_of(make_dataset(rows)).test.tolist() == [2]
    with pytest.raises(UserError, match="one day only"):
        split_of(make_dataset(rows, timezone="UTC"))


@pytest.mark.parametrize("date", [datetime.date(2023, 3, 26), datetime.date(2023, 10, 29)])
def test_a_day_on_which_clocks_change_is_cut_at_its_own_midnights(date):
    zone = ZoneInfo("Europe/Zurich")
    day = (date - datetime.date(1970, 1, 1)).days
    first, after = midnight(day, "Europe/Zurich"), midnight(day + 1, "Europe/Zurich")
    assert datetime.datetime.fromtimestamp(first / 1000, zone) == datetime.datetime(
        date.year, date.month, date.day, tzinfo=zone
    )
    assert after - first == (23 if date.month == 3 else 25) * HOUR
    times = np.array([first - 1, first, after - 1, after])
    assert local_days(times, "Europe/Zurich").tolist() == [day - 1, day, day, day + 1]
    rows = [("u", f"a{i}", int(time), 1) for i, time in enumerate(times[:3])]
    split = split_of(make_dataset(rows, timezone="Europe/Zurich"))
    assert (split.test.tolist(), split.cutoff, split.end) == ([1, 2], first, after)


def test_leave_last_holds_out_the_last_clicks_and_hides_the_future():
    rows = [
        ("u", "a", at(0), 1),
        ("u", "b", at(1), 0),
        ("u", "c", at(2), 1),
        ("u", "d", at(3), 1),
        ("u", "e", at(3), 0),
        ("u", "f", at(4), 0),
        ("v", "a", at(5), 1),
        ("v", "b", at(6), 0),
    ]
    split = split_of(make_dataset(rows), kind="leave_last", validation_users=0)
    assert split.test.tolist() == [3]
    assert split.train.tolist() == [0, 1, 2, 4, 6, 7]
    assert split.left_out == {"after the held-out click": 1}
    assert (split.cutoff, split.end) == (None, at(3) + 1)
    two = split_of(make_dataset(rows), kind="leave_last", test_clicks=2, validation_users=0)
    assert two.test.tolist() == [2, 3]
    assert two.left_out == {"after the held-out click": 2}


HISTORY = [("u", f"h{i}", at(-9) + i, 1) for i in range(3)]
WITH_HISTORY = HISTORY + daily(range(3)) + [("v", "h0", at(-9), 1), ("v", "a0", at(1), 1), ("w", "h1", at(-9), 1)]


def with_history(late=(), **extra):
    rows = [*WITH_HISTORY, *late]
    return make_dataset(rows, extra={"history": [r[1].startswith("h") for r in rows], **extra})


def parts(dataset, split):
    """(user, article) of the rows of each part."""
    users, articles = (table.iloc[:, 0].to_numpy() for table in (dataset.users, dataset.articles))
    pairs = list(zip(users[dataset.exposures.user], articles[dataset.exposures.article], strict=True))
    return {name: [pairs[row] for row in getattr(split, name)] for name in ("train", "validation", "test")}


@pytest.mark.parametrize(
    ("config", "test"),
    [
        ({"kind": "time", "train_days": 1}, [("u", "a2")]),
        ({"kind": "time", "train_days": 1, "test_days": 2}, [("u", "a1"), ("u", "a2"), ("v", "a0")]),
        ({"kind": "leave_last"}, [("u", "a2"), ("v", "a0")]),
        ({"kind": "leave_last", "test_clicks": 2}, [("u", "a1"), ("u", "a2")]),
        ({"kind": "random", "test_share": 0.99}, [("u", "a0"), ("u", "a1"), ("u", "a2"), ("v", "a0")]),
    ],
)
def test_history_is_train_whatever_the_split(config, test):
    dataset = with_history()
    found = parts(dataset, split_of(dataset, **config, validation_users=9))
    assert found["test"] == test
    assert {("u", "h0"), ("u", "h1"), ("u", "h2"), ("v", "h0"), ("w", "h1")} <= set(found["train"])
    assert not any(article.startswith("h") for _, article in found["validation"])


def test_history_is_train_in_a_split_by_column():
    dataset = with_history(split=["test"] * 3 + ["train", "train", "test"] + ["train", "test", "test"])
    assert parts(dataset, split_of(dataset, kind="column"))["test"] == [("u", "a2"), ("v", "a0")]


@pytest.mark.parametrize(
    ("kind", "reason"), [("time", "history after the cutoff"), ("leave_last", "after the held-out click")]
)
def test_history_from_after_the_test_began_is_left_out(kind, reason):
    dataset = with_history([("u", "h9", at(2, 13), 1)])
    split = split_of(dataset, kind=kind)
    assert split.left_out == {reason: 1}
    assert ("u", "a2") in parts(dataset, split)["test"]


def test_an_article_of_the_history_shown_again_is_not_drawn_for_the_random_test():
    dataset = with_history([("u", "h0", at(1), 1)], history=[True] * 3 + [False] * 3 + [True, False, True, False])
    assert ("u", "h0") not in parts(dataset, split_of(dataset, kind="random", test_share=0.99))["test"]


def test_random_is_a_seeded_share_of_the_rows(tasteful_dataset):
    split = split_of(tasteful_dataset, kind="random", test_share=0.3)
    again, other = (split_of(tasteful_dataset, kind="random", test_share=0.3, seed=seed) for seed in (0, 1))
    assert split.test.tolist() == again.test.tolist() != other.test.tolist()
    assert 0.28 < len(split.test) / len(tasteful_dataset.exposures) < 0.32


def test_the_split_column_decides_and_its_validation_rows_validate():
    rows = [
        ("u", "a", at(0), 1),
        ("u", "b", at(1), 1),
        ("u", "c", at(2), 0),
        ("u", "d", at(3), 1),
        ("u", "e", at(4), 0),
    ]
    column = ["train", "validation", "validation", "test", "test"]
    split = split_of(make_dataset(rows, extra={"split": column}), kind="column")
    assert (split.train.tolist(), split.validation.tolist(), split.test.tolist()) == ([0], [1], [3, 4])
    assert split.left_out == {"validation row without a click": 1}
    assert (split.cutoff, split.end) == (at(3), at(4) + 1)


def test_a_split_column_whose_parts_overlap_in_time_has_no_cutoff():
    rows = [("u", "a", at(0), 1), ("u", "b", at(1), 1), ("u", "c", at(2), 1)]
    split = split_of(make_dataset(rows, extra={"split": ["train", "test", "train"]}), kind="column")
    assert (split.cutoff, split.end) == (None, at(1) + 1)


def test_users_with_too_few_clicks_are_left_out():
    rows = [*daily(range(4)), ("v", "a0", at(1), 1), ("v", "a1", at(2), 0), ("w", "a0", at(3), 0)]
    split = split_of(make_dataset(rows), min_user_clicks=2)
    assert split.left_out == {"user with too few clicks": 3}
    assert split_of(make_dataset(rows)).left_out == {}, "exposures of users who never click still count"


def test_validation_is_the_last_train_click_of_some_users(tasteful_dataset):
    split = split_of(tasteful_dataset, validation_users=40)
    exposures = tasteful_dataset.exposures
    users = exposures.user[split.validation]
    assert len(np.unique(users)) == len(split.validation) == 40
    assert exposures.click[split.validation].all()
    for user, row in zip(users, split.validation, strict=True):
        train_clicks = split.train[(exposures.user[split.train] == user) & exposures.click[split.train]]
        assert len(train_clicks) and exposures.time[train_clicks].max() <= exposures.time[row]


def test_validation_of_a_random_split_is_any_train_click_of_some_users(tasteful_dataset):
    """As the test is: the last click, whose articles are the newest, would validate another task."""
    split = split_of(tasteful_dataset, kind="random", validation_users=100)
    exposures = tasteful_dataset.exposures
    before = np.concatenate([split.train, split.validation])
    before = before[exposures.click[before]]
    last = [row == before[exposures.user[before] == exposures.user[row]].max() for row in split.validation]
    assert len(split.validation) == 100
    assert 0 < np.mean(last) < 0.5


def test_validation_takes_at_most_a_tenth_of_the_train_clicks():
    rows = [(f"u{i % 10}", f"a{i}", at(i // 10), 1) for i in range(40)]
    assert len(split_of(make_dataset(rows)).validation) == 3  # of 30 train clicks
    assert len(split_of(make_dataset(rows[:20])).validation) == 0  # users with one train click each


def test_without_times_a_random_train_click_validates():
    rows = [(f"u{i % 10}", f"a{i}", None, 1) for i in range(100)]
    split = split_of(make_dataset(rows), kind="random")
    assert len(split.validation) == (len(split.validation) + len(split.train)) // 10
    assert (split.cutoff, split.end) == (None, None)


ARTICLES = {
    "old": {"ctime": at(-40)},
    "new": {"ctime": at(0)},
    "tested": {"ctime": at(2, 6)},
    "late": {"ctime": at(3, 0)},
    "at cutoff": {"ctime": at(2, 0)},
}
ROWS = [("u", "old", at(1), 1), ("u", "plain", at(1), 1), ("u", "tested", at(2), 1), ("u", "unseen", at(2), 1)]


def test_the_pools_hold_what_existed_in_their_period():
    dataset = make_dataset(ROWS, ARTICLES)
    split = split_of(dataset)
    assert names(dataset, split.train_pool) == {"old", "new", "plain"}
    assert names(dataset, split.pool) == {"old", "new", "plain", "tested", "at cutoff"}
    assert split.pool.dtype == split.train_pool.dtype == np.int32


def test_the_age_limit_counts_back_from_the_cutoff():
    dataset = make_dataset(ROWS, ARTICLES)
    assert names(dataset, split_of(dataset, PoolConfig(max_age_days=1)).pool) == {"plain", "tested", "at cutoff"}
    assert names(dataset, split_of(dataset, PoolConfig(max_age_days=1.5)).pool) == {
        "plain",
        "tested",
        "at cutoff",
        "new",
    }


def test_without_creation_times_both_pools_are_the_train_articles():
    dataset = make_dataset(ROWS)
    split = split_of(dataset)
    assert names(dataset, split.train_pool) == names(dataset, split.pool) == {"old", "plain"}


def test_a_split_without_a_cutoff_pools_what_existed_by_the_end():
    dataset = make_dataset(ROWS, ARTICLES)
    split = split_of(dataset, kind="leave_last")
    assert split.end == at(2) + 1
    assert names(dataset, split.pool) == {"old", "new", "plain", "tested", "at cutoff"}


def test_train_rows_of_articles_from_after_the_cutoff_are_left_out():
    dataset = make_dataset(ROWS, {**ARTICLES, "plain": {"ctime": at(2)}})
    split = split_of(dataset)
    assert split.left_out == {"created after the cutoff": 1}
    assert names(dataset, split.train_pool) == {"old", "new"}


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5 * 24), st.booleans()), min_size=2, max_size=40
    ),
    st.sampled_from(sorted(SPLITS)),
    st.sampled_from(["Asia/Shanghai", "Europe/Zurich", "America/New_York"]),
)
@settings(max_examples=150, deadline=None)
def test_every_row_is_in_one_part_or_counted_as_left_out(rows, kind, timezone):
    rows = [(f"u{u}", f"a{a}", MONDAY + h * HOUR, c) for u, a, h, c in rows]
    column = np.resize(["train", "train", "test", "validation"], len(rows))
    history = np.array([click and i % 3 == 0 for i, (*_, click) in enumerate(rows)])
    ctimes = {f"a{a}": {"ctime": MONDAY + a * 20 * HOUR} for a in range(4)}
    dataset = make_dataset(rows, ctimes, timezone=timezone, extra={"split": column, "history": history})
    try:
        split = split_of(dataset, kind=kind, train_days=2)
    except UserError:
        return
    parts = np.concatenate([split.train, split.validation, split.test])
    assert len(np.unique(parts)) == len(parts) == len(rows) - sum(split.left_out.values())
    for rows_of in (split.train, split.validation, split.test, split.train_pool, split.pool):
        assert (np.diff(rows_of) > 0).all()
    time, ctime = dataset.exposures.time, dataset.ctime
    assert (ctime[split.pool] < split.end).all() and 0 not in split.pool
    assert np.isin(dataset.exposures.article[split.train], split.train_pool).all()
    assert dataset.exposures.click[split.validation].all()
    assert not dataset.exposures.history[np.concatenate([split.test, split.validation])].any()
    if split.cutoff is not None:
        assert time[split.test].min() >= split.cutoff > time[np.r_[split.train, split.validation]].max()
        assert (ctime[split.train_pool] < split.cutoff).all()


@pytest.mark.parametrize(
    ("rows", "config", "message"),
    [
        ([("u", "a", None, 1), ("u", "b", None, 1)], {}, "needs times, .* use split.kind=random or column"),
        ([("u", "a", None, 1), ("u", "b", None, 1)], {"kind": "leave_last"}, "needs times"),
        (daily([0]), {}, "one day only"),
        (daily([0, 1]), {"test_days": 2}, "lower split.test_days"),
        (daily([0, 1]), {"kind": "column"}, "has no split column"),
        (daily([0], False) + daily([1]), {}, "no click in train: change split.train_days"),
        (daily([0]) + daily([1], False), {}, "no click in test: change split.train_days or split.test_days"),
        (daily([0]), {"kind": "leave_last"}, "no click in test: change split.test_clicks"),
        (daily([0, 1]), {"kind": "random", "test_share": 0.0001}, "no click in test: change split.test_share"),
        (daily([0, 1]), {"min_user_clicks": 9}, "lower split.min_user_clicks"),
    ],
)
def test_what_cannot_be_split_is_refused_with_what_to_do(rows, config, message):
    with pytest.raises(UserError, match=message):
        split_of(make_dataset(rows), **config)


def test_an_age_limit_without_any_time_is_refused():
    rows = [(f"u{i}", f"a{i}", None, 1) for i in range(30)]
    with pytest.raises(UserError, match="max_age_days needs times"):
        split_of(make_dataset(rows), PoolConfig(max_age_days=2), kind="random")


def test_a_pair_shown_twice_stays_on_one_side_of_the_random_split():
    rows = [(f"u{i}", "a", MONDAY + hour * HOUR, 1) for i in range(40) for hour in range(3)]
    dataset = make_dataset([*rows, *[(f"u{i}", "b", MONDAY, 1) for i in range(40)]])
    split = split_of(dataset, kind="random", test_share=0.5, validation_users=0)
    exposures = dataset.exposures
    pairs = [
        set(zip(exposures.user[r].tolist(), exposures.article[r].tolist(), strict=True))
        for r in (split.train, split.test)
    ]
    assert not pairs[0] & pairs[1]


def test_a_pool_without_any_article_is_refused():
    articles = {"a": {"ctime": MONDAY - 40 * DAY}, "b": {"ctime": MONDAY - 30 * DAY}}
    dataset = make_dataset([("u", "a", MONDAY, 1), ("u", "b", MONDAY + DAY, 1)], articles)
    with pytest.raises(UserError, match=r"raise pool\.max_age_days"):
        split_of(dataset, PoolConfig(max_age_days=1))
