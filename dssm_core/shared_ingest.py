"""The exposures of a log, read, sorted and written by tasks that some engine hands out. See `ingest_stages`."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dssm_core import ingest_stages as stages
from dssm_core.exposure_counts import ExposureCounts
from dssm_core.ingest_plan import Plan
from dssm_core.ingest_stages import Again, Cut, Log
from dssm_core.meter import Meter
from dssm_core.profiles import Profiles
from dssm_core.set_aside import SetAside
from dssm_core.times import TimeColumn
from dssm_core.workspace import exposures_part

Each = Callable[[Callable[[Any, int], dict], Any, Sequence[int]], Iterator[tuple[int, dict]]]
"""Carries out a stage, given what all tasks share, for each of some numbers; yields each with its answer as it ends."""


def write_exposures(
    each: Each,
    folder: Path,
    plan: Plan,
    times: list[TimeColumn | None],
    profiles: dict[str, Profiles],
    set_aside: SetAside,
    meter: Meter,
) -> ExposureCounts:
    """As `local_ingest.write_exposures`, into a file for each of some ranges of users.

    Rows, numbers and what is set aside are those of one machine, whatever the order in which tasks end.
    """
    scratch, counts = folder / "scratch", ExposureCounts(plan.timezone)
    scratch.mkdir()
    users, articles = profiles["users"].ids, profiles["articles"].ids
    log = Log(plan, times, users, articles, profiles["articles"].ctimes(), scratch)
    parts = _clean(each, log, set_aside, meter)
    by_user = stages.number_ids(scratch, parts, users, articles)
    if parts:
        cut = Cut(parts, stages.edges_of(by_user), plan.timezone, scratch)
        _sort(each, cut, counts, meter)
        _set_duplicates_aside(each, Again(plan, scratch), stages.find_duplicates(cut), set_aside, meter)
        for number in range(cut.ranges):
            stages.exposures_file(scratch, number).rename(folder / exposures_part(number))
    shutil.rmtree(scratch)
    return counts


def _clean(each: Each, log: Log, set_aside: SetAside, meter: Meter) -> list[int]:
    """Clean every part; returns those with accepted rows."""
    rows, numbers = {}, range(len(log.plan.clicks))
    for number, answer in each(stages.clean_part, log, numbers):
        rows[number] = answer["rows"]
        column = log.times[log.plan.log_numbers[number]]
        if column:
            column.counts.update(answer["times"])
        meter.read(log.plan.clicks[number])
    for number in numbers:
        set_aside.add_all(stages.aside_file(log.scratch, number))
    return [number for number in numbers if rows[number]]


def _sort(each: Each, cut: Cut, counts: ExposureCounts, meter: Meter) -> None:
    for _ in each(stages.cut_part, cut, cut.parts):
        meter.sorted(1 / 2 / len(cut.parts))
    for _, answer in each(stages.write_range, cut, range(cut.ranges)):
        counts.add_counted(**answer)
        meter.sorted(1 / 2 / cut.ranges)


def _set_duplicates_aside(each: Each, again: Again, parts: list[int], set_aside: SetAside, meter: Meter) -> None:
    for number, _ in each(stages.take_duplicates, again, parts):
        meter.read_again(again.plan.clicks[number])
    for number in parts:
        set_aside.add_all(stages.duplicates_file(again.scratch, number))
