"""The times of a log: whole numbers of some unit, or date-times. Told by looking at them, and turned into instants."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.cleaning import matches, to_integers
from dssm_core.dataset import NO_TIME

TIME_UNITS = {
    "seconds": (1, 10**10),
    "milliseconds": (10**10, 10**13),
    "microseconds": (10**13, 10**16),
    "nanoseconds": (10**16, 2**63 - 1),
}
"""The whole numbers that are times in each unit: from the first to before the second.

No number is a time in two of them: all but seconds begin at 1970-04-26 17:46:40 UTC, and all end at the latest at
2286-11-20 17:46:40. So a number of another unit than its column's is not taken for a time a thousand times off.
"""

DATE_TIMES = "date-times"
"""The name of times given as ISO 8601 texts, where others have a unit."""

US_DATE_TIMES = "US date-times"
"""The name of times given as `11/15/2019 8:55:22 AM`."""

_LAST_TIME = 253_402_214_399_999  # a day before the year 9999 ends, in milliseconds: it must not end in any zone
_NOT_GIVEN = pa.array(["", "0", "NA", "NaN", "nan", "null", "None"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENOUGH = 1000
_EXPONENT = r"^[0-9]\.?[0-9]*[eE]\+?[0-9]{1,2}$"
_DECIMAL = r"^(?P<whole>[0-9]{1,10})\.(?P<part>[0-9]+)$"
_ZONE = r"(Z|[-+][0-9]{2}(:?[0-9]{2})?)"
_DATE_TIME = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]+)?)?{_ZONE}?)?$"
_US_DATE_TIME = r"^[0-9]{1,2}/(?P<day>[0-9]{1,2})/[0-9]{4} [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AP]M$"


def told_unit(columns: Iterable[pa.Array]) -> str:
    """The unit of a column of times that comes in pieces: that of most of the first thousand and more that have one.

    One of `TIME_UNITS`, or `DATE_TIMES`. Blanks, zeros (how logs write "no time") and other texts say nothing.
    """
    counts: Counter[str] = Counter()
    for texts in columns:
        counts.update(_units(texts))
        if counts.total() >= _ENOUGH:
            break
    return max(counts, key=counts.__getitem__, default=DATE_TIMES)


def to_times(texts: pa.Array, unit: str, timezone: str) -> tuple[np.ndarray, np.ndarray]:
    """Instants in milliseconds since 1970 UTC, (n,) int64, and whether each text holds one after 1970, (n,) bool.

    `unit` is one that `told_unit` returns, or `US_DATE_TIMES`; what is finer than a millisecond is cut off. Date-times
    that name no zone are in `timezone`; where clocks are put back the first of the two instants is taken, and a time
    that they skip is read as if they were put forward after it (RFC 5545). Where there is no instant the value is 0.
    """
    read = _read(texts, unit, timezone)
    return read.times, read.ok


@dataclass
class TimeColumn:
    """Reads a column of times piece by piece, and can say of all of it how it was read: of that it keeps `counts`."""

    unit: str
    timezone: str
    counts: Counter = field(default_factory=Counter)

    def instants(self, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """As `to_times`."""
        read = _read(texts, self.unit, self.timezone)
        self.counts["times"] += int(read.ok.sum())
        for name in ("zoneless", "repeated", "skipped"):
            self.counts[name] += int((getattr(read, name) & read.ok).sum())
        return read.times, read.ok

    def creation_times(self, texts: pa.Array, strict: bool) -> tuple[np.ndarray, np.ndarray]:
        """As `to_times`, but a time that is not given is 0 and no mistake; where `strict`, only `0` says so."""
        times, ok = self.instants(texts)
        not_given = pc.equal(texts, "0") if strict else pc.is_in(texts, _NOT_GIVEN)
        return times, ok | not_given.to_numpy(zero_copy_only=False)

    def told(self) -> str:
        """The unit; of date-times also how many name no zone, and how many those hit that clocks repeat or skip."""
        counts = self.counts
        if not counts["times"]:
            return "no times"
        if self.unit in TIME_UNITS:
            return self.unit
        if not counts["zoneless"]:
            return f"{self.unit} with their zones"
        some = counts["zoneless"] < counts["times"]
        which = f", {counts['zoneless']:,} of {counts['times']:,} without a zone: those" if some else ""
        told = [f"{self.unit}{which} in {self.timezone}"]
        told += [f"{counts['repeated']:,} in an hour that clocks repeat: its first is taken"] * bool(counts["repeated"])
        told += [f"{counts['skipped']:,} in an hour that clocks skip: read as if they skipped it later"] * bool(
            counts["skipped"]
        )
        return "; ".join(told)


@dataclass(frozen=True)
class _Times:
    """Instants (n,) int64 milliseconds, whether there is one, and what is to be said of how it was read: (n,) bool."""

    times: np.ndarray
    ok: np.ndarray
    zoneless: np.ndarray
    repeated: np.ndarray
    skipped: np.ndarray

    def take(self, rows: np.ndarray) -> "_Times":
        return _Times(*(values[rows] for values in vars(self).values()))


def _units(texts: pa.Array) -> dict[str, int]:
    """How many of some times are of each unit."""
    values, ok = to_integers(_plain_numbers(texts))
    values = values[ok & (values > 0)]
    counts = {unit: int(((values >= first) & (values < end)).sum()) for unit, (first, end) in TIME_UNITS.items()}
    counts["seconds"] += int(matches(texts, _DECIMAL).sum()) - int(matches(texts, r"^[0-9]{1,10}\.0+$").sum())
    counts[DATE_TIMES] = int(matches(texts, _DATE_TIME).sum())
    return {unit: count for unit, count in counts.items() if count}


def _read(texts: pa.Array, unit: str, timezone: str) -> _Times:
    if unit in _CLOCKS:
        # the articles of an impression share its time, and a text is read ten times slower than it is looked up
        distinct = texts.dictionary_encode()
        read = _CLOCKS[unit](distinct.dictionary, timezone).take(distinct.indices.to_numpy())
    else:
        no = np.zeros(len(texts), dtype=bool)
        read = _Times(*_numbers(texts, unit), no, no, no)
    ok = read.ok & (read.times > 0) & (read.times <= _LAST_TIME)
    return _Times(np.where(ok, read.times, NO_TIME), ok, read.zoneless, read.repeated, read.skipped)


def _numbers(texts: pa.Array, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """The times that numbers of a unit say, (n,) int64 milliseconds, and whether each text is one, (n,) bool."""
    values, whole = to_integers(texts)
    times, ok = _in_milliseconds(values, whole, unit)
    if not whole.all():
        times[~whole], ok[~whole] = _other_numbers(_plain_numbers(texts.filter(pa.array(~whole))), unit)
    return times, ok


def _in_milliseconds(values: np.ndarray, ok: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray]:
    first, end = TIME_UNITS[unit]
    ok = ok & (values >= first) & (values < end)
    if unit == "seconds":
        return np.where(ok, values, 0) * 1000, ok
    return values // (first // TIME_UNITS["milliseconds"][0]), ok


def _other_numbers(texts: pa.Array, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """As `_numbers`, of texts without exponents: these may be whole numbers, and of seconds those with decimals."""
    times, ok = _in_milliseconds(*to_integers(texts), unit)
    decimal = matches(texts, _DECIMAL) & ~ok
    if unit == "seconds" and decimal.any():
        times[decimal] = _milliseconds(texts.filter(pa.array(decimal)))
        ok |= decimal
    return times, ok


def _milliseconds(texts: pa.Array) -> np.ndarray:
    """Of seconds with decimals."""
    parts = pc.extract_regex(texts, _DECIMAL)
    digits = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.struct_field(parts, "part"), 3, "0"), 0, 3)
    return pc.binary_join_element_wise(pc.struct_field(parts, "whole"), digits, "").cast(pa.int64()).to_numpy()


def _plain_numbers(texts: pa.Array) -> pa.Array:
    """Texts whose numbers such as `1.62e+12`, as columns of floats are written, have no exponent."""
    exponents = pc.match_substring_regex(texts, _EXPONENT)
    if not pc.any(exponents).as_py():
        return texts
    plain = pc.if_else(exponents, texts, "0").cast(pa.float64())
    plain = pc.if_else(pc.less(plain, 2.0**63), plain, 0.0)
    return pc.if_else(exponents, plain.cast(pa.decimal128(25, 3), safe=False).cast(pa.string()), texts)


def _date_times(texts: pa.Array, timezone: str) -> _Times:
    shaped = pc.if_else(pc.match_substring_regex(texts, _DATE_TIME), texts, "")
    shaped = pc.replace_substring_regex(shaped, r"(\.[0-9]{3})[0-9]+", r"\1")
    instants = pd.to_datetime(shaped.to_pandas(), format="ISO8601", errors="coerce", utc=True)
    instants = pd.DatetimeIndex(instants).as_unit("ms")
    zoneless = ~matches(shaped, rf":[0-9.]+{_ZONE}$")
    placed = _placed(instants[zoneless].tz_localize(None), timezone)
    read = _Times(instants.asi8.copy(), ~instants.isna(), zoneless, *np.zeros((2, len(texts)), dtype=bool))
    for name in ("times", "repeated", "skipped"):
        getattr(read, name)[zoneless] = getattr(placed, name)
    return read


def us_clock(texts: pa.Array) -> pa.Array:
    """The clock that texts such as `11/15/2019 8:55:22 AM` show: (n,) timestamps in seconds without a zone, or null."""
    shaped = pc.if_else(pc.match_substring_regex(texts, _US_DATE_TIME), texts, pa.scalar(None, pa.string()))
    clock = pc.strptime(shaped, "%m/%d/%Y %I:%M:%S %p", "s", error_is_null=True)
    # 11/31 would be the first of December
    day = pc.struct_field(pc.extract_regex(shaped, _US_DATE_TIME), "day").cast(pa.int64())
    return pc.if_else(pc.equal(pc.day(clock), day), clock, pa.scalar(None, clock.type))


def _us_date_times(texts: pa.Array, timezone: str) -> _Times:
    return _placed(pd.DatetimeIndex(us_clock(texts).to_numpy(zero_copy_only=False)).as_unit("ms"), timezone)


def _placed(clock: pd.DatetimeIndex, timezone: str) -> _Times:
    """The instants at which a clock without a zone shows some times, if it hangs in `timezone`."""
    first = np.ones(len(clock), dtype=bool)
    local, other = (clock.tz_localize(timezone, ambiguous=of, nonexistent="NaT") for of in (first, ~first))
    times, skipped = local.asi8.copy(), (local.isna() & ~clock.isna())
    # pandas' own ways to move such a time on are wrong where clocks move by half an hour, or a day is left out
    times[skipped] = [_before_change(shown, timezone) for shown in clock[skipped].to_pydatetime()]
    return _Times(times, ~clock.isna(), first, (local != other) & ~skipped, skipped)


def _before_change(shown: datetime, timezone: str) -> int:
    """The instant (milliseconds) at which clocks would show this, had they not been put forward yet."""
    return (shown.replace(tzinfo=ZoneInfo(timezone), fold=0) - _EPOCH) // timedelta(milliseconds=1)


_CLOCKS = {DATE_TIMES: _date_times, US_DATE_TIMES: _us_date_times}
