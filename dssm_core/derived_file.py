"""Files that are read through a function: columns worked out of others, and rows that unfold into many."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.input_files import Batch, InputFile, Progress, Unread

_ROWS_AT_ONCE = 4096
"""So many rows are unfolded at a time: each may unfold into hundreds."""


@dataclass(frozen=True)
class DerivedBatch(Batch):
    """Rows made from those of a file; `raw` gives the texts that chosen ones ((rows,) bool) were made from."""

    raw: Callable[[np.ndarray], pa.Array]

    def texts(self, chosen: np.ndarray) -> pa.Array:
        """What the file says of the rows where `chosen` ((rows,) bool) holds, fields joined by tabs."""
        return self.raw(chosen)


@dataclass(frozen=True)
class _ReadThrough:
    """A file of the columns `names`, read through another."""

    file: InputFile
    names: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file that is read."""
        return self.file.path

    @property
    def facts(self) -> dict:
        """What was found out about the file, for the report."""
        return self.file.facts


@dataclass(frozen=True)
class DerivedFile(_ReadThrough):
    """A file each of whose rows is made from one row of another.

    `derive` gives the columns `names` from the rows of a batch, without those that it names a reason for, by their
    place: these are handed on unread.
    """

    derive: Callable[[pa.RecordBatch], tuple[list[pa.Array], dict[int, str]]]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the file from its beginning; raises what reading it raises."""
        for batch in self.file.batches(progress):
            yield self._derived(batch)

    def _derived(self, batch: Batch) -> DerivedBatch:
        columns, reasons = self.derive(batch.rows)
        kept = np.setdiff1d(np.arange(len(batch.rows)), list(reasons))

        def raw(chosen: np.ndarray) -> pa.Array:
            return batch.texts(np.isin(np.arange(len(batch.rows)), kept[chosen]))

        rows = pa.RecordBatch.from_arrays(columns, list(self.names))
        return DerivedBatch(rows, batch.lines[kept], [*batch.unread, *_unread(batch, reasons)], raw)


@dataclass(frozen=True)
class Unfolded:
    """What the rows of a batch unfold into.

    `columns` (n,) texts by name; `parents` (n,) int64 the row of the batch that each is made from; `entries` (n,) what
    the row says of it. `reasons` names why a row of the batch, by its place in it, unfolds into nothing.
    """

    columns: dict[str, pa.Array]
    parents: np.ndarray
    entries: pa.Array
    reasons: dict[int, str]


@dataclass(frozen=True)
class UnfoldedFile(_ReadThrough):
    """A file whose rows unfold into many, such as the articles of an impression.

    Its rows have the columns `names`: those of `shared` are the file's own, repeated; `unfold` gives the others.
    `lines` number the rows that come out, from 1: that is what a row of such a log is. A row that unfolds into nothing
    is handed on unread, under its line in the file.
    """

    shared: tuple[str, ...]
    unfold: Callable[[pa.RecordBatch], Unfolded]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the file from its beginning; raises what reading it raises."""
        done = 0
        for batch in self.file.batches(progress):
            for part in _parts(batch):
                unfolded = self._unfolded(part, done)
                done += len(unfolded.lines)
                yield unfolded

    def _unfolded(self, batch: Batch, done: int) -> DerivedBatch:
        unfolded = self.unfold(batch.rows)
        parents = pa.array(unfolded.parents)
        columns = unfolded.columns | {name: batch.rows.column(name).take(parents) for name in self.shared}
        rows = pa.RecordBatch.from_arrays([columns[name] for name in self.names], list(self.names))

        def raw(chosen: np.ndarray) -> pa.Array:
            of = pa.array(unfolded.parents[chosen])
            heads = [batch.rows.column(name).take(of) for name in self.shared]
            return pc.binary_join_element_wise(*heads, unfolded.entries.filter(pa.array(chosen)), "\t")

        lines = np.arange(done + 1, done + 1 + len(rows))
        return DerivedBatch(rows, lines, [*batch.unread, *_unread(batch, unfolded.reasons)], raw)


@dataclass(frozen=True)
class FilesInOne:
    """Some files of the columns `names`, read as one that has the first one's path and facts."""

    files: tuple[InputFile, ...]
    names: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The first of the files that are read."""
        return self.files[0].path

    @property
    def facts(self) -> dict:
        """What was found out about the first file, for the report."""
        return self.files[0].facts

    def chained(self, progress: Progress, turn: int = 0, turns: int = 1) -> Iterator[Batch]:
        """The batches of all, as of a file of the first one's size: `progress` hears of this of `turns` readings."""
        sizes = [file.path.stat().st_size for file in self.files]
        before = turn * sum(sizes)
        for file, size in zip(self.files, sizes, strict=True):
            yield from file.batches(
                lambda done, before=before: progress(sizes[0] * (before + done) // max(1, turns * sum(sizes)))
            )
            before += size


def entries_of(texts: pa.Array, separator: str) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """The entries of texts that list several: texts, the text of each and its place in it from 1, both int64.

    An empty text has no entry.
    """
    given = pc.not_equal(texts, "")
    lists = pc.split_pattern(texts.filter(given), separator)
    places = np.flatnonzero(given.to_numpy(zero_copy_only=False))
    parents = places[pc.list_parent_indices(lists).to_numpy()]
    counts = np.bincount(parents, minlength=len(texts))
    return lists.flatten(), parents, np.arange(1, len(parents) + 1) - (np.cumsum(counts) - counts)[parents]


def _parts(batch: Batch) -> Iterator[Batch]:
    for start in range(0, max(len(batch.rows), 1), _ROWS_AT_ONCE):
        end = start + _ROWS_AT_ONCE
        unread = [] if start else batch.unread
        yield Batch(batch.rows.slice(start, _ROWS_AT_ONCE), batch.lines[start:end], unread)


def _unread(batch: Batch, reasons: dict[int, str]) -> list[Unread]:
    chosen = np.isin(np.arange(len(batch.rows)), list(reasons))
    texts = batch.texts(chosen).to_pylist() if reasons else []
    return [
        Unread(int(line), reasons[row], text)
        for row, line, text in zip(np.flatnonzero(chosen), batch.lines[chosen], texts, strict=True)
    ]
