"""Cuts a dataset into train, validation and test, and says which articles may be recalled."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from dssm_core.config import PoolConfig, SplitConfig
from dssm_core.dataset import NO_TIME, Dataset
from dssm_core.errors import UserError, unknown_name

_DAY = 86_400_000
_EPOCH = datetime.date(1970, 1, 1)
_VALIDATION_SHARE = 0.1
"""At most this share of the train clicks is taken out to validate."""


@dataclass(frozen=True)
class Split:
    """Rows of the dataset's exposures, by what they are for, and the article pools that go with them.

    `train`, `validation`, `test`: ascending int64 row numbers of exposures. Train holds clicks and non-clicks;
    validation holds clicks only (one a sampled user, taken out of train); test holds clicks and non-clicks.
    `train_pool` (C, the pool of the training period) and `pool` (the candidate pool of the test) are ascending int32
    article rows, never 0. `cutoff` is the first instant of the test and `end` the instant after its last, in
    milliseconds UTC; None where the kind of split knows no such instant (`leave_last` and `random` have no cutoff).
    `left_out` counts the rows that are in none of the three, by reason.
    """

    kind: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    train_pool: np.ndarray
    pool: np.ndarray
    cutoff: int | None
    end: int | None
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cut:
    """What a kind of split decides: a part for every row, and the instants between them where there are any.

    `part` (exposures,) int8 is one of _LEFT_OUT, _TRAIN, _VALIDATION and _TEST; `reasons` counts the rows left out.
    """

    part: np.ndarray
    cutoff: int | None
    end: int | None
    reasons: dict[str, int]


_LEFT_OUT, _TRAIN, _VALIDATION, _TEST = 0, 1, 2, 3


def make_split(dataset: Dataset, config: SplitConfig, pool: PoolConfig) -> Split:
    """Cut a dataset into train, validation and test, and say which articles are in the pools.

    Rows of users with fewer than `min_user_clicks` clicks are left out. Clicks from before the log (its history) are
    train, whatever the kind of split and its days; those after the test begins are left out. The same input always
    gives the same split.
    Raises a UserError where the dataset cannot be cut this way, or where train or test would hold no click.
    """
    if config.kind not in SPLITS:
        raise unknown_name("split", config.kind, SPLITS)
    exposures = dataset.exposures
    clicks = np.bincount(exposures.user[exposures.click], minlength=len(dataset.users))
    eligible = (clicks >= config.min_user_clicks)[exposures.user]
    if not eligible.any():
        raise UserError(f"no user has {config.min_user_clicks} clicks: lower split.min_user_clicks")
    cut = SPLITS[config.kind](dataset, config, eligible)
    part, reasons = cut.part.copy(), dict(cut.reasons)
    reasons["user with too few clicks"] = int((~eligible).sum())
    if cut.cutoff is not None:
        too_new = (part == _TRAIN) & (dataset.ctime[exposures.article] >= cut.cutoff)
        part[too_new] = _LEFT_OUT
        reasons["created after the cutoff"] = int(too_new.sum())
    _check_clicks(exposures.click, part, config)
    if not (part == _VALIDATION).any():
        part[_validation_rows(dataset, part == _TRAIN, config)] = _VALIDATION
    train, validation, test = (np.flatnonzero(part == wanted) for wanted in (_TRAIN, _VALIDATION, _TEST))
    train_pool, test_pool = _pools(dataset, exposures.article[train], cut, pool)
    if not len(test_pool):
        raise UserError("no article is young enough to be recalled: raise pool.max_age_days")
    left_out = {reason: n for reason, n in reasons.items() if n}
    return Split(config.kind, train, validation, test, train_pool, test_pool, cut.cutoff, cut.end, left_out)


def local_days(time: np.ndarray, timezone: str) -> np.ndarray:
    """The calendar day in a time zone of each `time` (milliseconds UTC), as days since 1970-01-01: (n,) int64."""
    local = pd.DatetimeIndex(time.astype("datetime64[ms]"), tz="UTC").tz_convert(timezone).tz_localize(None)
    return local.asi8 // _DAY


def midnight(day: int, timezone: str) -> int:
    """The first instant of a calendar day (days since 1970-01-01) in a time zone, in milliseconds UTC."""
    date = _EPOCH + datetime.timedelta(days=int(day))
    return int(datetime.datetime(date.year, date.month, date.day, tzinfo=ZoneInfo(timezone)).timestamp() * 1000)


def _cut_by_time(dataset: Dataset, config: SplitConfig, eligible: np.ndarray) -> _Cut:
    time, history = _times(dataset, config), dataset.exposures.history
    days = np.unique(local_days(time[~history], dataset.timezone))
    if len(days) < 2:
        raise UserError(
            f"dataset {dataset.id} has exposures of one day only, and the time split needs at least two: "
            f"use split.kind=leave_last or random"
        )
    if len(days) <= config.test_days:
        raise UserError(
            f"dataset {dataset.id} has exposures of {len(days)} days, which split.test_days={config.test_days} takes "
            f"all for test: lower split.test_days"
        )
    first_train = days[max(0, len(days) - config.test_days - config.train_days)]
    start, cutoff, end = (
        midnight(day, dataset.timezone) for day in (first_train, days[-config.test_days], days[-1] + 1)
    )
    part = np.full(len(time), _TRAIN, np.int8)
    part[time >= cutoff] = _TEST
    left_out = {
        "before the train days": (time < start) & ~history,
        "history after the cutoff": (time >= cutoff) & history,
    }
    for rows in (*left_out.values(), ~eligible):
        part[rows] = _LEFT_OUT
    return _Cut(part, cutoff, end, {reason: int((eligible & rows).sum()) for reason, rows in left_out.items()})


def _cut_leave_last(dataset: Dataset, config: SplitConfig, eligible: np.ndarray) -> _Cut:
    exposures, time = dataset.exposures, _times(dataset, config)
    clicked = np.flatnonzero(exposures.click & eligible & ~exposures.history)
    user = exposures.user[clicked]
    counts = np.bincount(user, minlength=len(dataset.users))
    # Rows are sorted by user and time, so a click's place among its user's is its distance from where they start.
    place = np.arange(len(user)) - (np.cumsum(counts) - counts)[user]
    enough = np.bincount(exposures.user[exposures.click], minlength=len(dataset.users)) > config.test_clicks
    held_out = clicked[enough[user] & (place >= counts[user] - config.test_clicks)]

    first_held_out = np.full(len(dataset.users), np.iinfo(np.int64).max)
    np.minimum.at(first_held_out, exposures.user[held_out], time[held_out])
    part = np.where(eligible, _TRAIN, _LEFT_OUT).astype(np.int8)
    after = eligible & (~exposures.click | exposures.history) & (time > first_held_out[exposures.user])
    part[after] = _LEFT_OUT
    part[held_out] = _TEST
    end = int(time[held_out].max()) + 1 if len(held_out) else None
    return _Cut(part, None, end, {"after the held-out click": int(after.sum())})


def _cut_at_random(dataset: Dataset, config: SplitConfig, eligible: np.ndarray) -> _Cut:
    # drawn by (user, article): a pair shown twice must not be learned from in train and then tested
    keys = dataset.exposures.user.astype(np.int64) * len(dataset.articles) + dataset.exposures.article
    pairs, pair = np.unique(keys, return_inverse=True)
    drawn = np.random.default_rng(config.seed).random(len(pairs)) < config.test_share
    drawn[pair[dataset.exposures.history]] = False
    part = np.where(eligible, np.where(drawn[pair], _TEST, _TRAIN), _LEFT_OUT).astype(np.int8)
    return _Cut(part, None, _end_of_test(dataset, part), {})


def _cut_by_column(dataset: Dataset, config: SplitConfig, eligible: np.ndarray) -> _Cut:
    column = dataset.exposures.extra.get("split")
    if column is None:
        raise UserError(
            f"dataset {dataset.id} has no split column: ingest it with one mapped to `split` or with test exposures, "
            f"or use another split.kind"
        )
    part = np.zeros(len(column), np.int8)
    for name, wanted in (("train", _TRAIN), ("validation", _VALIDATION), ("test", _TEST)):
        part[column == name] = wanted
    part[dataset.exposures.history] = _TRAIN
    part[~eligible] = _LEFT_OUT
    not_clicked = (part == _VALIDATION) & ~dataset.exposures.click
    part[not_clicked] = _LEFT_OUT
    cutoff = _cutoff_between(dataset, part)
    return _Cut(part, cutoff, _end_of_test(dataset, part), {"validation row without a click": int(not_clicked.sum())})


SPLITS: dict[str, Callable[[Dataset, SplitConfig, np.ndarray], _Cut]] = {
    "time": _cut_by_time,
    "leave_last": _cut_leave_last,
    "random": _cut_at_random,
    "column": _cut_by_column,
}
"""Every kind of split: from the dataset, the knobs and the rows of users with enough clicks to a part for every row."""


def _times(dataset: Dataset, config: SplitConfig) -> np.ndarray:
    if dataset.exposures.time is None:
        raise UserError(
            f"the {config.kind} split needs times, and dataset {dataset.id} has none: use split.kind=random or column"
        )
    return dataset.exposures.time


def _end_of_test(dataset: Dataset, part: np.ndarray) -> int | None:
    test = part == _TEST
    return int(dataset.exposures.time[test].max()) + 1 if dataset.exposures.time is not None and test.any() else None


def _cutoff_between(dataset: Dataset, part: np.ndarray) -> int | None:
    """The first instant of the test, where all other rows come before it; else none."""
    time, test = dataset.exposures.time, part == _TEST
    before = (part == _TRAIN) | (part == _VALIDATION)
    if time is None or not test.any() or not before.any() or time[before].max() >= time[test].min():
        return None
    return int(time[test].min())


def _check_clicks(click: np.ndarray, part: np.ndarray, config: SplitConfig) -> None:
    for wanted, name in ((_TRAIN, "train"), (_TEST, "test")):
        if not (click & (part == wanted)).any():
            knobs = {"time": "split.train_days or split.test_days", "leave_last": "split.test_clicks"}
            knob = knobs.get(config.kind, "split.test_share or split.seed" if config.kind == "random" else "split.kind")
            raise UserError(f"the {config.kind} split leaves no click in {name}: change {knob}")


def _validation_rows(dataset: Dataset, train: np.ndarray, config: SplitConfig) -> np.ndarray:
    """One train click of some users drawn among those with two or more: as the test is drawn, at random or the last.

    A click of the history validates nothing: it lies before the period that the test is of.
    """
    exposures, rng = dataset.exposures, np.random.default_rng(config.seed)
    clicked = np.flatnonzero(train & exposures.click & ~exposures.history)
    counts = np.bincount(exposures.user[clicked], minlength=len(dataset.users))
    clicks = np.bincount(exposures.user[train & exposures.click], minlength=len(dataset.users))
    users = np.flatnonzero((counts >= 1) & (clicks >= 2))
    wanted = min(config.validation_users, len(users), int(len(clicked) * _VALIDATION_SHARE))
    chosen = rng.choice(users, wanted, replace=False)
    at_random = config.kind == "random" or exposures.time is None
    place = rng.integers(0, counts[chosen]) if at_random else counts[chosen] - 1
    return clicked[(np.cumsum(counts) - counts)[chosen] + place]


def _pools(dataset: Dataset, trained: np.ndarray, cut: _Cut, config: PoolConfig) -> tuple[np.ndarray, np.ndarray]:
    """The articles to train on and those that may be recalled; `trained`: the articles of the train exposures."""
    ctime = dataset.ctime
    known, in_train = ctime != NO_TIME, np.zeros(len(ctime), dtype=bool)
    in_train[trained] = True
    last = np.iinfo(np.int64).max if cut.end is None else cut.end
    before_cutoff = ctime <= last if cut.cutoff is None else ctime < cut.cutoff
    train_pool = in_train | (known & before_cutoff)
    pool = (known & (ctime < last)) | (in_train & ~known)
    if config.max_age_days is not None:
        pool &= ~known | (ctime >= _oldest(cut, config.max_age_days))
    return _rows(train_pool), _rows(pool)


def _oldest(cut: _Cut, max_age_days: float) -> int:
    reference = cut.end if cut.cutoff is None else cut.cutoff
    if reference is None:
        raise UserError("pool.max_age_days needs times, and this log has none: set pool.max_age_days=none")
    return int(reference - max_age_days * _DAY)


def _rows(chosen: np.ndarray) -> np.ndarray:
    return np.flatnonzero(chosen).astype(np.int32)
