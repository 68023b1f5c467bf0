"""Rows too many for memory: kept on the disk as they come, and read back in groups of whole users."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dssm_core.ordering import stable_order

ROWS = 1 << 19
"""How many rows are held in memory at once, while they come and when they are read back."""

Columns = dict[str, np.ndarray]
"""Arrays of equal length by name, `user` ((n,) int32) among them: always the same names and dtypes."""


@dataclass(frozen=True)
class _Run:
    """Some rows in the file, sorted by user: how many, and where each column begins (bytes) and what it is kept as."""

    rows: int
    begins: dict[str, int]
    kept_as: dict[str, np.dtype]


class Spill:
    """Rows in a file: sorted by user, `rows` at a time, and written; a group takes its users' part of every such run.

    See `spilled`.
    """

    def __init__(self, file: BinaryIO, rows: int):
        self._file, self._rows = file, rows
        self._pending: list[Columns] = []
        self._runs: list[_Run] = []
        self._dtypes: dict[str, np.dtype] = {}
        self._by_user = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """How many rows were kept."""
        return int(self._by_user.sum()) + sum(len(chunk["user"]) for chunk in self._pending)

    def add(self, columns: Columns) -> None:
        """Keep some rows."""
        self._pending.append(columns)
        if sum(len(chunk["user"]) for chunk in self._pending) >= self._rows:
            self._write()

    def groups(self) -> Iterator[Columns]:
        """All rows, in groups of consecutive users, every user's rows together in one and in the order they came in.

        A group has at most `rows` rows, unless one user alone has more. Within a group users are in no order.
        """
        if self._pending:
            self._write()
        edges = user_edges(self._by_user, self._rows)
        fences = [np.searchsorted(self._read(run, "user", 0, run.rows), edges) for run in self._runs]
        for group in range(len(edges) - 1):
            places = [fence[group : group + 2].tolist() for fence in fences]
            yield {name: self._gather(name, places) for name in self._dtypes}

    def _write(self) -> None:
        pending, self._pending = self._pending, []
        users = np.concatenate([chunk["user"] for chunk in pending])
        by_user, begins, kept_as = stable_order(users), {}, {}
        for name in list(pending[0]):
            values = np.concatenate([chunk.pop(name) for chunk in pending])
            self._dtypes[name], begins[name] = values.dtype, self._file.tell()
            values = _narrow(values)[by_user]
            kept_as[name] = values.dtype
            self._file.write(values.data)
        self._file.flush()
        self._runs.append(_Run(len(users), begins, kept_as))
        self._by_user = added_up(self._by_user, np.bincount(users))

    def _gather(self, name: str, places: list[list[int]]) -> np.ndarray:
        parts = zip(self._runs, places, strict=True)
        return np.concatenate([self._read(run, name, *place) for run, place in parts], dtype=self._dtypes[name])

    def _read(self, run: _Run, name: str, start: int, end: int) -> np.ndarray:
        dtype = run.kept_as[name]
        begin, behind = (run.begins[name] + place * dtype.itemsize for place in (start, end))
        return np.frombuffer(os.pread(self._file.fileno(), behind - begin, begin), dtype)


@contextmanager
def spilled(folder: Path, rows: int = ROWS) -> Iterator[Spill]:
    """Yield a spill whose file has no name, so that nothing of it stays in `folder` whatever ends this process."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Spill(file, rows)


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same whole numbers in as few bytes as hold them; other values as they are."""
    if values.dtype.kind == "i" and len(values):
        lowest, highest = values.min(), values.max()
        for kind in map(np.iinfo, (np.int8, np.int16, np.int32)):
            if kind.min <= lowest and highest <= kind.max:
                return values.astype(kind.dtype)
    return values


def added_up(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The sums of two arrays of counts, of which one may be the longer."""
    shorter, longer = sorted((some, others), key=len)
    summed = longer.copy()
    summed[: len(shorter)] += shorter
    return summed


def user_edges(by_user: np.ndarray, rows: int) -> np.ndarray:
    """The users at which groups of at most `rows` rows begin, and the one behind the last; `by_user`: rows of each.

    No group is without rows: users of none fall to the group before, or are in none.
    """
    up_to, edges = np.concatenate([[0], np.cumsum(by_user)]), [0]
    while edges[-1] < len(by_user):
        fitting = np.searchsorted(up_to, up_to[edges[-1]] + rows, side="right") - 1
        edges.append(max(edges[-1] + 1, int(fitting)))
    filled = np.diff(up_to[edges]) > 0
    return np.append(np.array(edges[:-1], np.int64)[filled], len(by_user))
