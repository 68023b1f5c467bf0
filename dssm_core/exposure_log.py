"""The log, as ingest reads it: one file of exposures, or two."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.cleaning import (
    NO_VALUE,
    SPLITS,
    Verdicts,
    duplicates,
    is_missing,
    to_clicks,
    to_optional_integers,
)
from dssm_core.dataset import Exposures
from dssm_core.exposure_writer import MAIN_COLUMNS
from dssm_core.ids import Ids
from dssm_core.ingest_plan import Plan
from dssm_core.input_files import Batch
from dssm_core.line_set import LineSet
from dssm_core.meter import Meter
from dssm_core.ordering import stable_order
from dssm_core.profiles import Profiles
from dssm_core.read_ahead import read_ahead
from dssm_core.set_aside import SetAside
from dssm_core.spill import Columns, Spill
from dssm_core.times import TimeColumn

OPTIONAL_NUMBERS = ("expo_position", "duration", "net_status", "flush_nums")
"""Columns of the log that are kept as whole numbers where they are given."""


@dataclass(frozen=True)
class _Cleaned:
    """A batch of the log with what its rows say: `values` by column, and `verdicts` so far."""

    batch: Batch
    user_ids: pa.Array
    article_ids: pa.Array
    verdicts: Verdicts
    values: Columns


@dataclass(frozen=True)
class _Group:
    """Sorted rows of some users, `rows` in all; of the duplicates among them only their files and lines are kept."""

    rows: int
    exposures: Exposures
    repeated_files: np.ndarray
    repeated_lines: np.ndarray

    @classmethod
    def of(cls, columns: Columns) -> "_Group":
        order = stable_order(*_keys(columns))
        columns = {name: values[order] for name, values in columns.items()}
        files, lines = columns.pop("file"), columns.pop("line")
        repeated = _repeated(columns)
        exposures = _exposures({name: values[~repeated] for name, values in columns.items()})
        return cls(len(order), exposures, files[repeated], lines[repeated])

    def __len__(self) -> int:
        return self.rows


class ExposureLog:
    """The rows of one or two files that are accepted as exposures: read batch by batch, then sorted group by group."""

    def __init__(self, plan: Plan, users: Ids, articles: Profiles, set_aside: SetAside, spill: Spill):
        self.times: list[TimeColumn] = []
        self._plan = plan
        self._users, self._articles = users, articles.ids
        self._ctimes = articles.ctimes()
        self._set_aside = set_aside
        self._spill, self._kept = spill, 0
        self._last_lines = [0 for _ in plan.clicks]
        self._has_split = len(plan.logs) > 1 or "split" in plan.logs[0].columns
        self._has_history = bool(plan.tables["history"]) or any("history" in log.columns for log in plan.logs)
        self._numbers = [name for name in OPTIONAL_NUMBERS if all(name in log.columns for log in plan.logs)]

    def read(self, number: int, meter: Meter) -> None:
        """Add the rows of the plan's file of clicks of a number: its logs come first, then the histories."""
        table = self._plan.clicks[number]
        if "expo_time" in table.columns:
            self.times.append(self._plan.time_column(table, "expo_time"))
        with meter.batches(table, partial(self._cleaned, number)) as batches:
            for cleaned in batches:
                self._add(number, cleaned)

    def exposures(self, meter: Meter) -> Iterator[Exposures]:
        """The accepted rows without duplicates, sorted by user, time and place in the input, piece by piece."""
        repeated_lines = [LineSet(last) for last in self._last_lines]
        with read_ahead(self._sort) as groups:
            for group in meter.sorting(groups, self._kept):
                for number, found in enumerate(repeated_lines):
                    found.add(group.repeated_lines[group.repeated_files == number])
                yield group.exposures
        for number, found in enumerate(repeated_lines):
            self._set_duplicates_aside(number, found, meter)

    def _sort(self, put: Callable[[_Group], None]) -> None:
        for group in self._spill.groups():
            put(_Group.of(group))

    def _cleaned(self, number: int, batch: Batch) -> _Cleaned:
        """What can be said of the rows of a batch without the others."""
        columns = {name: batch.rows.column(column) for name, column in self._plan.clicks[number].columns.items()}
        verdicts = Verdicts(len(batch.lines))
        verdicts.reject(is_missing(columns["user_id"]) | is_missing(columns["article_id"]), "missing id")
        values = {"file": np.full(len(batch.lines), number, np.int8), "line": batch.lines}
        if "expo_time" in columns:
            values["time"], ok = self.times[-1].instants(columns["expo_time"])
            verdicts.reject(~ok, "bad time")
        values["click"], ok = self._clicks(number, batch, columns)
        verdicts.reject(~ok, "bad click")
        if self._has_history:
            values["history"], ok = self._histories(number, columns)
            verdicts.reject(~ok, "bad history")
        if self._has_split:
            values["split"], ok = self._splits(number, columns)
            verdicts.reject(~ok, "bad split")
        for name in self._numbers:
            values[name] = (
                to_optional_integers(columns[name]) if name in columns else np.full(len(batch.lines), NO_VALUE)
            )
        return _Cleaned(batch, columns["user_id"], columns["article_id"], verdicts, values)

    def _add(self, number: int, cleaned: _Cleaned) -> None:
        batch, verdicts, values = cleaned.batch, cleaned.verdicts, cleaned.values
        values["user"] = self._users.find(cleaned.user_ids)
        values["article"] = self._articles.find(cleaned.article_ids)
        if "time" in values:
            verdicts.reject(self._too_early(values["article"], values["time"]), "created after exposure")
        self._set_aside.add_unread("exposures", batch)
        self._set_aside.add_rejected("exposures", batch, verdicts)
        self._keep(cleaned)
        self._last_lines[number] = max(self._last_lines[number], int(batch.lines.max(initial=0)))

    def _clicks(self, number: int, batch: Batch, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        every = np.ones(len(batch.lines), dtype=bool)
        if number >= len(self._plan.logs):
            return every, every
        if self._plan.rule:
            files = {part.column: batch.rows.column(part.column) for part in self._plan.rule.comparisons}
            return self._plan.rule.clicked(files), every
        return to_clicks(columns["click"]) if "click" in columns else (every, every)

    def _histories(self, number: int, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        """Whether each row is from before the log, and whether it says so or not where it should."""
        if "history" in columns:
            return to_clicks(columns["history"])
        rows = len(columns["user_id"])
        return np.full(rows, number >= len(self._plan.logs)), np.ones(rows, dtype=bool)

    def _splits(self, number: int, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers into `SPLITS`, and whether each row names one of them."""
        if len(self._plan.logs) > 1:
            rows = len(columns["user_id"])
            name = "test" if number == 1 else "train"
            return np.full(rows, SPLITS.index(name), np.int8), np.ones(rows, dtype=bool)
        found = pc.fill_null(pc.index_in(columns["split"], pa.array(SPLITS)), -1).to_numpy()
        return found.astype(np.int8), found >= 0

    def _too_early(self, article: np.ndarray, time: np.ndarray) -> np.ndarray:
        return self._ctimes[np.where(article < len(self._ctimes), article, 0)] > time

    def _keep(self, cleaned: _Cleaned) -> None:
        accepted = np.flatnonzero(cleaned.verdicts.accepted)
        kept = {name: array[accepted] for name, array in cleaned.values.items()}
        for ids, numbers, texts in (
            (self._users, kept["user"], cleaned.user_ids),
            (self._articles, kept["article"], cleaned.article_ids),
        ):
            unmet = numbers == 0
            numbers[unmet] = ids.number(texts.take(pa.array(accepted[unmet])))
        self._kept += len(accepted)
        self._spill.add(kept)

    def _set_duplicates_aside(self, number: int, repeated: LineSet, meter: Meter) -> None:
        """Duplicates are known only once all rows are: their texts are read from the file again."""
        if not repeated:
            return
        with meter.batches(self._plan.clicks[number], again=repeated) as batches:
            for batch in batches:
                chosen = repeated.contains(batch.lines)
                reasons = np.full(int(chosen.sum()), "duplicate")
                self._set_aside.add("exposures", reasons, batch.lines[chosen], batch.texts(chosen))


def _repeated(columns: Columns) -> np.ndarray:
    """Whether each of some sorted rows is a duplicate: only those beside one of the same user and time may be."""
    like_next = np.logical_and.reduce([values[1:] == values[:-1] for values in _keys(columns)])
    suspects = np.flatnonzero(np.append(like_next, False) | np.append(False, like_next))
    user, article, time, click = (columns[name][suspects] if name in columns else None for name in MAIN_COLUMNS)
    repeated = np.zeros(len(columns["user"]), dtype=bool)
    repeated[suspects] = duplicates(user, article, time, click)
    return repeated


def _keys(columns: Columns) -> list[np.ndarray]:
    return [columns[name] for name in ("user", "time") if name in columns]


def _exposures(columns: Columns) -> Exposures:
    main = {name: columns.pop(name, None) for name in MAIN_COLUMNS}
    if "split" in columns:
        columns["split"] = np.array(SPLITS, dtype=object)[columns["split"]]
    return Exposures(**main, extra=columns)
