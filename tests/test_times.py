import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.split import local_days
from dssm_core.times import TIME_UNITS, TimeColumn, to_times, told_unit


def texts(*values):
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("1624843756", "seconds"),
        ("1624843756.147", "seconds"),
        ("1624843756147", "milliseconds"),
        ("1.624843756147e+12", "milliseconds"),
        ("1624843756147000", "microseconds"),
        ("1624843756147258369", "nanoseconds"),
        ("2021-06-28T01:29:16.147Z", "date-times"),
        ("2021-06-28 09:29:16.147", "date-times"),
        ("2021-06-28 03:29:16.147258369+02:00", "date-times"),
    ],
)
def test_the_unit_of_times_is_told_and_all_mean_the_same_instant(value, unit):
    column = texts(value, "rubbish", "")
    assert told_unit([column]) == unit
    times, ok = to_times(column, unit, "Asia/Shanghai")
    assert ok.tolist() == [True, False, False]
    assert times[0] == (1624843756000 if value == "1624843756" else 1624843756147)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_is_a_time_in_one_unit_at_most(value):
    read = [to_times(texts(str(value)), unit, "UTC")[1][0] for unit in TIME_UNITS]
    assert sum(read) <= 1
    assert sum(read) == (0 < value < 9_200_000_000_000_000_000), "19 digits from 92 on are after 2261"


def test_a_few_times_of_another_unit_are_bad_and_not_a_thousand_times_off():
    column = texts("1624843756147", "1624843756", "1624843756148", "1624843756147000", "2021-06-28T01:29:16Z")
    assert told_unit([column]) == "milliseconds"
    times, ok = to_times(column, "milliseconds", "UTC")
    assert ok.tolist() == [True, False, True, False, False]
    assert times.tolist() == [1624843756147, 0, 1624843756148, 0, 0]


def test_blanks_zeros_and_other_texts_say_nothing_of_the_unit_of_times():
    nothing = texts(*["0", "", "Android", "-5"] * 2000)
    assert told_unit([nothing, nothing, texts("1624843756147")]) == "milliseconds"


def test_the_unit_is_that_of_most_of_the_first_thousand_times():
    shifted = texts("7", "8", "9", "1624843756147")
    assert told_unit([shifted, texts(*["1624843756147"] * 5)]) == "milliseconds"


def test_no_more_is_read_than_tells_the_unit():
    def pieces():
        yield texts(*["1624843756"] * 1000)
        raise AssertionError("read on")

    assert told_unit(pieces()) == "seconds"


def test_a_bad_date_does_not_spoil_its_column():
    times, ok = to_times(texts("2021-13-45", "1970-01-02", "2021-06-28 25:00", "20210628"), "date-times", "UTC")
    assert ok.tolist() == [False, True, False, False]
    assert times[1] == 86_400_000


def test_an_hour_that_clocks_repeat_is_its_first_and_one_they_skip_is_read_as_if_they_had_not_yet():
    times, ok = to_times(texts("2023-10-29 02:30:00", "2023-03-26 02:30:00"), "date-times", "Europe/Zurich")
    assert ok.all()
    assert times.tolist() == [1698539400000, 1679794200000]  # 00:30 and 01:30 UTC


@pytest.mark.parametrize(
    ("zone", "clock", "utc"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),  # midnight was skipped
        ("Australia/Lord_Howe", "2017-10-01 02:15:00", "2017-09-30T15:45:00Z"),  # by half an hour
        ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30T22:00:00Z"),  # the whole day
    ],
)
def test_times_that_clocks_skip_in_odd_ways_are_read_as_all_others(zone, clock, utc):
    column = texts(clock, utc)
    times, _ = to_times(column, "date-times", zone)
    assert times[0] == times[1]


def test_times_before_1970_or_in_the_last_day_of_9999_are_bad():
    assert not to_times(texts("0", "-5", "999999999999999999"), "seconds", "UTC")[1].any()
    last = "9999-12-30T23:59:59.999999999Z"
    times, ok = to_times(texts("1969-12-31T23:59:59Z", last, "9999-12-30T23:59:59-01:00"), "date-times", "UTC")
    assert ok.tolist() == [False, True, False]
    assert times[1] == 253_402_214_399_999
    # the last instant has a local day in every zone
    assert len(local_days(times[1:2], "Pacific/Kiritimati")) == 1


def test_a_creation_time_may_be_missing_only_where_the_format_allows_it():
    column = texts("", "NA", "0", "Android", "1624843756147")
    _, ok = TimeColumn("milliseconds", "UTC").creation_times(column, strict=False)
    assert ok.tolist() == [True, True, True, False, True]
    times, ok = TimeColumn("milliseconds", "UTC").creation_times(column, strict=True)
    assert ok.tolist() == [False, False, True, False, True]
    assert times.tolist() == [0, 0, 0, 0, 1624843756147]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["2021-06-28T01:29:16Z", "2021-06-28T01:29:16+02:00", "bad"], "date-times with their zones"),
        (["2021-06-28 01:29:16", "2021-06-28"], "date-times in Europe/Zurich"),
        (
            ["2021-06-28 01:29:16", "2021-06-28T01:29:16Z", "2021-06-28T01:29:16Z", ""],
            "date-times, 1 of 3 without a zone: those in Europe/Zurich",
        ),
        (
            ["2023-10-29 02:30:00", "2023-03-26 02:30:00", "2023-03-26 03:30:00"],
            "date-times in Europe/Zurich; 1 in an hour that clocks repeat: its first is taken; "
            "1 in an hour that clocks skip: read as if they skipped it later",
        ),
        (["2023-10-29 02:30:00+01:00"], "date-times with their zones"),
        (["", "bad"], "no times"),
    ],
)
def test_a_column_of_date_times_tells_what_was_done_to_those_without_a_zone(values, told):
    column = TimeColumn("date-times", "Europe/Zurich")
    for value in values:
        column.instants(texts(value))
    assert column.told() == told


def test_nothing_is_said_of_a_unit_but_its_name():
    column = TimeColumn("seconds", "UTC")
    assert np.array_equal(column.instants(texts("1624843756"))[0], [1624843756000])
    assert column.told() == "seconds"
