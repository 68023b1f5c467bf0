"""How far an ingest is."""

from collections.abc import Callable, Iterator
from pathlib import Path

from dssm_core.canonical import InputTable
from dssm_core.input_files import Batch

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes of all files."""


class Meter:
    """Adds up the bytes read over several files."""

    def __init__(self, files: list[Path], progress: Progress | None):
        self._total = sum(path.stat().st_size for path in files)
        self._before = 0
        self._progress = progress or (lambda done, total: None)

    def batches(self, table: InputTable) -> Iterator[Batch]:
        """The batches of one file, measured."""
        yield from table.file.batches(lambda done: self._progress(self._before + done, self._total))
        self._before += table.file.path.stat().st_size
        self._progress(self._before, self._total)
