"""The stages of an ingest that is shared out among processes: a log is cleaned part by part, its ids are numbered, its
rows are cut by ranges of users, and each range is sorted and written.

A stage reads and writes files of a folder that all processes share. Each file is written whole and renamed, and is the
same however often its stage is carried out, so that a task whose machine is lost is simply tried again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from dssm_core.errors import UserError
from dssm_core.exposure_counts import ExposureCounts
from dssm_core.exposure_groups import Group
from dssm_core.exposure_log import ExposureLog, set_duplicates_aside
from dssm_core.exposure_writer import exposures_written
from dssm_core.ids import Ids
from dssm_core.ingest_plan import Plan
from dssm_core.input_files import read_again
from dssm_core.line_set import LineSet
from dssm_core.ordering import stable_order
from dssm_core.set_aside import SetAside
from dssm_core.spill import ROWS, Columns, added_up, user_edges
from dssm_core.stored_files import written
from dssm_core.times import TimeColumn

MOST_ROWS = 1 << 21
"""Of a range of users, unless one user alone has more: what a task sorts in memory."""

_LEAST_ROWS = 1 << 17
_RANGES = 16
"""Into how many ranges a log is cut, if they hold neither fewer rows nor more than that."""

_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Log:
    """What every task must know to read a log.

    `times`: the plan's columns of times. `users`, `articles`: the ids that have profiles; `ctimes` are those of the
    articles. `scratch`: the folder that all tasks share.
    """

    plan: Plan
    times: list[TimeColumn | None]
    users: Ids
    articles: Ids
    ctimes: np.ndarray
    scratch: Path


@dataclass(frozen=True)
class Cut:
    """How a cleaned log is cut: `parts` (those with rows) by the users where ranges begin, and the end of the last."""

    parts: list[int]
    edges: np.ndarray
    timezone: str
    scratch: Path

    @property
    def ranges(self) -> int:
        """How many ranges of users there are."""
        return len(self.edges) - 1


@dataclass(frozen=True)
class Again:
    """What every task must know to read a part once more."""

    plan: Plan
    scratch: Path


def clean_part(log: Log, number: int) -> dict:
    """Clean the plan's file of clicks of a number: write its accepted rows, those set aside and the new ids among them.

    The rows bear numbers that hold in this part alone: those of the profiles, and then new ids as they are met. Returns
    how many rows were accepted, and the counts of what was told of their times.
    """
    _check_shared(log.scratch)
    users, articles = log.users.copy(), log.articles.copy()
    times = [column and TimeColumn(column.unit, column.timezone) for column in log.times]
    with (
        written(aside_file(log.scratch, number)) as aside,
        SetAside(aside) as set_aside,
        written(_file(log.scratch, "rows", number)) as beside,
    ):
        rows = _Rows(beside)
        reading = ExposureLog(log.plan, times, users, articles, log.ctimes, set_aside, rows.add)
        for batch in log.plan.clicks[number].file.batches(lambda done: None):
            reading.add(number, reading.cleaned(number, batch))
        rows.finish()
    for kind, ids, known in (("users", users, log.users), ("articles", articles, log.articles)):
        _write_texts(_file(log.scratch, kind, number), ids.texts.slice(len(known)))
    _write_array(_file(log.scratch, "counts", number), rows.by_user)
    column = times[log.plan.log_numbers[number]]
    return {"rows": int(rows.by_user.sum()), "times": dict(column.counts) if column else {}}


def number_ids(scratch: Path, parts: list[int], users: Ids, articles: Ids) -> np.ndarray:
    """Number the ids of cleaned parts, in their order, as one machine would; returns each user's rows, (users,) int64.

    `users` and `articles` have those with profiles, and get the others.
    """
    by_user, known = np.zeros(0, np.int64), {"users": len(users), "articles": len(articles)}
    for number in parts:
        numbers = {}
        for kind, ids in (("users", users), ("articles", articles)):
            new = ids.number(_read_texts(_file(scratch, kind, number)))
            numbers[kind] = np.concatenate([np.arange(known[kind], dtype=np.int32), new])
            _write_array(_file(scratch, f"numbers-of-{kind}", number), numbers[kind])
        counts = _read_array(_file(scratch, "counts", number))
        placed = np.zeros(len(users), np.int64)
        placed[numbers["users"][: len(counts)]] = counts
        by_user = added_up(by_user, placed)
    return by_user


def edges_of(by_user: np.ndarray) -> np.ndarray:
    """The users at which ranges begin, and the one behind the last, from the rows of each user: int64."""
    rows = -(-int(by_user.sum()) // _RANGES)
    return user_edges(by_user, min(MOST_ROWS, max(_LEAST_ROWS, rows)))


def cut_part(cut: Cut, number: int) -> dict:
    """Give the rows of a cleaned part the numbers of the whole log, sort them by user and cut them at the edges."""
    users, articles = (_read_array(_file(cut.scratch, f"numbers-of-{kind}", number)) for kind in ("users", "articles"))
    with (
        pa.ipc.open_file(_file(cut.scratch, "rows", number)) as rows,
        written(_file(cut.scratch, "cut", number)) as beside,
        pa.ipc.new_file(beside, rows.schema, options=_PACKED) as file,
    ):
        for place in range(rows.num_record_batches):
            columns = _columns([rows.get_batch(place)])
            columns |= {"user": users[columns["user"]], "article": articles[columns["article"]]}
            by_user = stable_order(columns["user"])
            batch = pa.RecordBatch.from_pydict({name: values[by_user] for name, values in columns.items()})
            fences = np.searchsorted(columns["user"][by_user], cut.edges)
            for start, end in pairwise(fences):
                file.write_batch(batch.slice(start, end - start))
    return {}


def write_range(cut: Cut, number: int) -> dict:
    """Write the exposures of a range of users, sorted and without duplicates; returns what `ExposureCounts` counts."""
    group, counts = Group.of(_columns(list(_slices(cut, number)))), ExposureCounts(cut.timezone)
    with exposures_written(exposures_file(cut.scratch, number)) as writer:
        writer.write(group.exposures)
    counts.add(group.exposures)
    repeated = np.stack([group.repeated_files, group.repeated_lines])
    _write_array(_file(cut.scratch, "repeated", number), repeated)
    return {"rows": counts.rows, "clicks": counts.clicks, "days": sorted(counts.days), "ends": counts.ends}


def find_duplicates(cut: Cut) -> list[int]:
    """Note for every part the lines of its duplicates, once all ranges are written; returns the parts that have any."""
    files, lines = np.concatenate(
        [_read_array(_file(cut.scratch, "repeated", number)) for number in range(cut.ranges)], axis=1
    )
    parts = np.unique(files).tolist()
    for part in parts:
        _write_array(_file(cut.scratch, "lines", part), lines[files == part])
    return parts


def take_duplicates(again: Again, number: int) -> dict:
    """Read a part again for the texts of its duplicates, and set them aside."""
    lines = _read_array(_file(again.scratch, "lines", number))
    repeated = LineSet(int(lines.max()))
    repeated.add(lines)
    batches = read_again(again.plan.clicks[number].file, repeated).batches(lambda done: None)
    with written(duplicates_file(again.scratch, number)) as beside, SetAside(beside) as set_aside:
        set_duplicates_aside(again.plan, number, batches, repeated, set_aside)
    return {}


def aside_file(scratch: Path, number: int) -> Path:
    """Where `clean_part` keeps the rows of a part that it sets aside."""
    return _file(scratch, "aside", number)


def duplicates_file(scratch: Path, number: int) -> Path:
    """Where `take_duplicates` keeps those of a part."""
    return _file(scratch, "duplicates", number)


def exposures_file(scratch: Path, number: int) -> Path:
    """Where `write_range` puts the exposures of a range."""
    return _file(scratch, "exposures", number)


def _check_shared(scratch: Path) -> None:
    if not scratch.is_dir():
        raise UserError(
            f"a machine of the cluster does not see {scratch.parent.parent}: the workspace and the log must lie in "
            f"folders that all of its machines share under the same paths"
        )


def _file(scratch: Path, kind: str, number: int) -> Path:
    return scratch / f"{kind}-{number:05}"


def _write_array(path: Path, array: np.ndarray) -> None:
    with written(path) as beside, beside.open("wb") as file:
        np.save(file, array)


def _read_array(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _write_texts(path: Path, texts: pa.Array) -> None:
    batch = pa.RecordBatch.from_pydict({"text": texts})
    with written(path) as beside, pa.ipc.new_file(beside, batch.schema) as file:
        file.write_batch(batch)


def _read_texts(path: Path) -> pa.Array:
    with pa.ipc.open_file(path) as file:
        return file.get_batch(0).column("text")


class _Rows:
    """Writes accepted rows to an Arrow file, about `ROWS` at a time, and counts them by user. None: an empty one."""

    def __init__(self, path: Path):
        self.by_user = np.zeros(0, np.int64)
        self._path = path
        self._pending: list[pa.RecordBatch] = []
        self._file: pa.ipc.RecordBatchFileWriter | None = None

    def add(self, columns: Columns) -> None:
        self._pending.append(pa.RecordBatch.from_pydict(columns))
        if sum(map(len, self._pending)) >= ROWS:
            self._write()

    def finish(self) -> None:
        if self._pending:
            self._write()
        if self._file:
            self._file.close()
        else:
            self._path.touch()

    def _write(self) -> None:
        batches, self._pending = self._pending, []
        self._file = self._file or pa.ipc.new_file(self._path, batches[0].schema, options=_PACKED)
        rows = pa.concat_batches(batches)
        self._file.write_batch(rows)
        self.by_user = added_up(self.by_user, np.bincount(rows.column("user").to_numpy()))


def _slices(cut: Cut, number: int) -> Iterator[pa.RecordBatch]:
    """The rows of a range, in the order of the log."""
    for part in cut.parts:
        with pa.ipc.open_file(_file(cut.scratch, "cut", part)) as file:
            for place in range(number, file.num_record_batches, cut.ranges):
                yield file.get_batch(place)


def _columns(batches: list[pa.RecordBatch]) -> Columns:
    table = pa.Table.from_batches(batches)
    return {name: table.column(name).to_numpy() for name in table.column_names}
