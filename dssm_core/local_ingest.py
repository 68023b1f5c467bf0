"""The exposures of a log, read, sorted and written by this machine alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dssm_core.exposure_counts import ExposureCounts
from dssm_core.exposure_groups import Group
from dssm_core.exposure_log import ExposureLog, set_duplicates_aside
from dssm_core.exposure_writer import exposures_written
from dssm_core.ingest_plan import Plan
from dssm_core.line_set import LineSet
from dssm_core.meter import Meter
from dssm_core.profiles import Profiles
from dssm_core.read_ahead import read_ahead
from dssm_core.set_aside import SetAside
from dssm_core.spill import Spill, spilled
from dssm_core.times import TimeColumn
from dssm_core.workspace import EXPOSURES


def write_exposures(
    folder: Path,
    plan: Plan,
    times: list[TimeColumn | None],
    profiles: dict[str, Profiles],
    set_aside: SetAside,
    meter: Meter,
) -> ExposureCounts:
    """Write the accepted rows of a plan's log into a dataset's folder as one file, and count them; none make no file.

    The ids of `profiles` get numbers for those that only the log knows; `times`: the plan's columns of times.
    """
    with spilled(folder) as spill:
        repeated = _read(plan, times, profiles, set_aside, spill, meter)
        counts = ExposureCounts(plan.timezone)
        if len(spill):
            _write_sorted(folder / EXPOSURES, spill, counts, repeated, meter)
    for number, lines in enumerate(repeated):
        if lines:
            with meter.batches(plan.clicks[number], again=lines) as batches:
                set_duplicates_aside(plan, number, batches, lines, set_aside)
    return counts


def _read(
    plan: Plan,
    times: list[TimeColumn | None],
    profiles: dict[str, Profiles],
    set_aside: SetAside,
    spill: Spill,
    meter: Meter,
) -> list[LineSet]:
    """Spill the accepted rows; returns for each file a set that any of its lines may be added to."""
    users, articles = profiles["users"].ids, profiles["articles"].ids
    log = ExposureLog(plan, times, users, articles, profiles["articles"].ctimes(), set_aside, spill.add)
    for number, table in enumerate(plan.clicks):
        with meter.batches(table, partial(log.cleaned, number)) as batches:
            for cleaned in batches:
                log.add(number, cleaned)
    return [LineSet(last) for last in log.last_lines]


def _write_sorted(path: Path, spill: Spill, counts: ExposureCounts, repeated: list[LineSet], meter: Meter) -> None:
    """Write and count what was spilled without duplicates, whose lines are added to those `repeated` of their files."""
    rows = len(spill)
    with exposures_written(path) as writer, read_ahead(partial(_sort, spill)) as groups:
        for group in meter.sorting(groups, rows):
            writer.write(group.exposures)
            counts.add(group.exposures)
            for number in np.unique(group.repeated_files):
                repeated[number].add(group.repeated_lines[group.repeated_files == number])


def _sort(spill: Spill, put: Callable[[Group], None]) -> None:
    for columns in spill.groups():
        put(Group.of(columns))
