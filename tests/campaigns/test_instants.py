"""Instants from 1971 to 2100, in every encoding of time, through a real ingest and back: none may be wrong."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
from tests.campaigns.size import cases

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (int(dt.datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9 for year in (1971, 2101))
ZONES = (
    "Asia/Shanghai",
    "Europe/Zurich",
    "America/New_York",
    "America/Sao_Paulo",  # where midnight was skipped
    "Australia/Lord_Howe",  # where clocks move by half an hour
    "Pacific/Apia",  # where a whole day was skipped
    "Africa/Monrovia",  # 44½ minutes behind until 1972
    "UTC",
)
SEEDS = range(cases(1, 10))
EACH = 1000


def instants(rng):
    """Instants in nanoseconds since 1970: any, leap days, ends of years, seconds and milliseconds about to turn."""
    any_ = rng.integers(FIRST, LAST, EACH * 6 // 10)
    turns = [(year, month, 1) for year in range(1972, 2101) for month in (1, 3)]
    turns += [(year, 2, 29) for year in range(1972, 2097, 4)]
    turned = np.array([int(dt.datetime(*day, tzinfo=UTC).timestamp()) for day in turns]) * 10**9
    by = rng.choice([-(10**9), -(10**6), -1, 0, 1, 10**6 - 1, 10**9 - 1], EACH - len(any_))
    return np.concatenate([any_, rng.choice(turned, EACH - len(any_)) + by])


def moment(nanoseconds):
    """Its date and time to the microsecond, in UTC."""
    return EPOCH + dt.timedelta(microseconds=int(nanoseconds) // 1000)


def iso(clock, nanoseconds, digits, rng):
    """An ISO text of a clock, with so many digits of its second's fraction."""
    fraction = f".{int(nanoseconds) % 10**9:09}"[: digits + 1] if digits else ""
    return clock.strftime("%Y-%m-%d") + rng.choice(["T", " "]) + clock.strftime("%H:%M:%S") + fraction


def offset(rng, clock):
    minutes = int(rng.integers(-14 * 60, 14 * 60))
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    texts = [f"{sign}{hours:02}:{rest:02}", f"{sign}{hours:02}{rest:02}"]
    return clock + dt.timedelta(minutes=minutes), rng.choice(texts)


def with_zone(values, rng):
    texts = []
    for value in values:
        clock, zone = offset(rng, moment(value)) if rng.random() < 0.8 else (moment(value), "Z")
        texts.append(iso(clock, value, int(rng.choice([3, 6, 9])), rng) + zone)
    return texts


def exponent(value):
    """Milliseconds as a float of 13 digits is written."""
    digits = str(value // 10**6)
    return f"{digits[0]}.{digits[1:]}e+{len(digits) - 1}"


NUMBERS = {
    "seconds": (10**9, lambda value: str(value // 10**9)),
    "seconds with decimals": (10**6, lambda value: f"{value // 10**9}.{value % 10**9:09}"),
    "milliseconds": (10**6, lambda value: str(value // 10**6)),
    "milliseconds of a column of floats": (10**6, lambda value: f"{value // 10**6}.0"),
    "milliseconds with an exponent": (10**6, exponent),
    "microseconds": (10**3, lambda value: str(value // 10**3)),
    "nanoseconds": (1, str),
}
"""How an instant is written as a number, and how many nanoseconds its last digit stands for."""


def read_back(tmp_path, times, timezone, arrow=None):
    """The instants that an ingest gives for these times, in order (milliseconds; None: set aside), and its report."""
    path = tmp_path / "log.parquet"
    ids = [str(place) for place in range(len(times))]
    pq.write_table(pa.table({"user_id": ids, "article_id": ids, "expo_time": times if arrow is None else arrow}), path)
    workspace = Workspace(tmp_path / "home", bundled=None)
    report = ingest(workspace, "generic", path, timezone=timezone)
    dataset = load_dataset(workspace, report["dataset"])
    workspace.delete_dataset(dataset.id)
    users = dataset.users["user_id"].to_numpy()[dataset.exposures.user]
    found = dict(zip(users, dataset.exposures.time.tolist(), strict=True))
    return [found.get(name) for name in ids], report


def wrong(seed, found, expected, times):
    """What to say of the cases that came back as something else: their place, text, and both instants."""
    bad = [(i, str(times[i]), f, e) for i, (f, e) in enumerate(zip(found, expected, strict=True)) if f != e]
    return f"seed {seed}: {len(bad)} wrong, such as {bad[:3]}" if bad else ""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("encoding", NUMBERS)
def test_an_instant_comes_back_from_a_number(tmp_path, encoding, seed):
    values = instants(np.random.default_rng(seed)).tolist()
    last_digit, written = NUMBERS[encoding]
    times = [written(value) for value in values]
    found, report = read_back(tmp_path, times, "UTC")
    expected = [value // max(last_digit, 10**6) * max(last_digit, 10**6) // 10**6 for value in values]
    assert not (said := wrong(seed, found, expected, times)), said
    assert report["times"] == {"expo_time": encoding.split()[0]}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_instant_comes_back_from_a_date_time_with_its_zone(tmp_path, seed):
    rng = np.random.default_rng(seed)
    values = instants(rng).tolist()
    times = with_zone(values, rng)
    found, report = read_back(tmp_path, times, rng.choice(ZONES))
    assert not (said := wrong(seed, found, [value // 10**6 for value in values], times)), said
    assert report["times"] == {"expo_time": "date-times with their zones"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_an_instant_comes_back_from_a_parquet_timestamp(tmp_path, unit, seed):
    rng = np.random.default_rng(seed)
    values = instants(rng)
    zone = rng.choice(ZONES)
    step = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    times = pa.array(values // step).cast(pa.timestamp(unit, zone))
    found, _ = read_back(tmp_path, times, "UTC", times)
    expected = (values // step * step // 10**6).tolist()
    assert not (said := wrong(seed, found, expected, times)), said


def clocks(rng, zone):
    """What clocks show: at any instant, and within two hours of a change of the zone's clocks; to the millisecond."""
    changes = changes_of(zone)
    near = rng.choice(changes, EACH // 2) if len(changes) else rng.integers(FIRST // 10**9, LAST // 10**9, EACH // 2)
    seconds = np.concatenate([near, rng.integers(FIRST // 10**9 + 86_400, LAST // 10**9, EACH - EACH // 2)])
    milliseconds = seconds * 1000 + np.where(np.arange(EACH) < EACH // 2, rng.integers(-7_200_000, 7_200_000, EACH), 0)
    return [
        moment(value * 10**6).astimezone(zone).replace(tzinfo=None)
        + dt.timedelta(seconds=int(rng.integers(-3700, 3700)))
        for value in milliseconds.tolist()
    ]


def changes_of(zone):
    """The instants, in seconds, after which the zone's clocks are changed, found by halving."""

    def at(second):
        return (EPOCH + dt.timedelta(seconds=int(second))).astimezone(zone).utcoffset()

    found = []
    for start in range(FIRST // 10**9, LAST // 10**9, 86_400 * 7):
        low, high = start, start + 86_400 * 7
        if at(low) != at(high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if at(middle) == at(low) else (low, middle)
            found.append(high)
    return np.array(found)


def meant(clock, zone):
    """The instant that a clock means (milliseconds): the first, as before a change; and what is told of it."""
    first, second = (clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    there = first.astimezone(zone).replace(tzinfo=None) == clock
    told = ("repeat" if there else "skip") if first != second else ""
    return (first - EPOCH) // dt.timedelta(milliseconds=1), told


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("zone", ZONES)
def test_a_clock_without_a_zone_is_the_first_instant_that_it_may_mean(tmp_path, zone, seed):
    rng = np.random.default_rng(seed)
    shown = clocks(rng, ZoneInfo(zone))
    times = [iso(clock, clock.microsecond * 1000, 3, rng) for clock in shown]
    found, report = read_back(tmp_path, times, zone)
    expected, hit = zip(*(meant(clock, ZoneInfo(zone)) for clock in shown), strict=True)
    assert not (said := wrong(seed, found, expected, times)), said
    for how in ("repeat", "skip"):
        told = f"{hit.count(how):,} in an hour that clocks {how}"
        assert (told in report["times"]["expo_time"]) == (how in hit), f"seed {seed}: {report['times']}, not {told}"
