"""How far an ingest is."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from dssm_core.canonical import InputTable
from dssm_core.ingest_plan import Plan
from dssm_core.input_files import Batch, read_again
from dssm_core.line_set import LineSet
from dssm_core.read_ahead import read_ahead

Made, Group = TypeVar("Made"), TypeVar("Group", bound=Sized)

Progress = Callable[[int, int], None]
"""Called with the work done so far and all the work, in bytes read; raise from it to stop."""

_SORTED = 0.4
_AGAIN = 0.3
"""What it costs to sort what a byte of the log held, and to look through it again, where reading it costs 1."""


def _itself(batch: Batch) -> Batch:
    return batch


class Meter:
    """Adds up the work of an ingest: files read, then the log sorted, then looked through again for duplicates."""

    def __init__(self, plan: Plan, progress: Progress | None):
        self._log_bytes = sum(map(_size, plan.clicks))
        profiles = (*plan.tables["users"], *plan.tables["articles"])
        # the last byte is told when all is stored
        self._total = int(self._log_bytes * (1 + _SORTED + _AGAIN)) + sum(map(_size, profiles)) + 1
        self._before = 0.0
        self._progress = progress or (lambda done, total: None)

    @contextmanager
    def batches(
        self, table: InputTable, made_of: Callable[[Batch], Made] = _itself, again: LineSet | None = None
    ) -> Iterator[Iterator[Made]]:
        """Yield what is made of the batches of one file, read ahead and measured; the thread that reads makes it too.

        `again`: the lines for which a file is read once more.
        """
        file = table.file if again is None else read_again(table.file, again)
        cost = 1 if again is None else _AGAIN

        def read(put: Callable[[tuple[int | None, Made | None]], None]) -> None:
            for batch in file.batches(lambda done: put((done, None))):
                put((None, made_of(batch)))

        with read_ahead(read) as told:
            yield self._told(told, cost)
        self._pass(_size(table) * cost)

    def _told(self, read: Iterator[tuple[int | None, Made | None]], cost: float) -> Iterator[Made]:
        for done, made in read:
            if made is None:
                self._tell(done * cost)
            else:
                yield made

    def sorting(self, groups: Iterable[Group], rows: int) -> Iterator[Group]:
        """Groups of rows of a log, `rows` in all, measured."""
        done = 0
        for group in groups:
            yield group
            done += len(group)
            self._tell(self._log_bytes * _SORTED * done / rows)
        self._pass(self._log_bytes * _SORTED)

    def read(self, table: InputTable) -> None:
        """Tell that a file has been read elsewhere."""
        self._pass(_size(table))

    def sorted(self, share: float) -> None:
        """Tell that a share of the log has been sorted elsewhere."""
        self._pass(self._log_bytes * _SORTED * share)

    def read_again(self, table: InputTable) -> None:
        """Tell that a file has been looked through again elsewhere."""
        self._pass(_size(table) * _AGAIN)

    def finish(self) -> None:
        """Tell that all is done."""
        self._progress(self._total, self._total)

    def _pass(self, work: float) -> None:
        self._before += work
        self._tell(0)

    def _tell(self, more: float) -> None:
        self._progress(int(self._before + more), self._total)


def _size(table: InputTable) -> int:
    return table.file.path.stat().st_size
