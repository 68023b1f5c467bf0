"""A Parquet file, its values read as texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from dssm_core.byte_source import existing
from dssm_core.errors import UserError
from dssm_core.input_batch import Batch, Progress
from dssm_core.stored_files import as_label

MAGIC = b"PAR1"
"""What a Parquet file starts and ends with."""

_PARQUET_ROWS = 1 << 17


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file of which the columns `names` are read, so many rows at once; numbers and times as their texts."""

    path: Path
    names: tuple[str, ...]
    at_once: int = _PARQUET_ROWS

    @property
    def facts(self) -> dict:
        """What was found out about the file, for the report."""
        return {
            "name": as_label(self.path.name),
            "kind": "Parquet",
            "encoding": None,
            "separator": None,
            "header": None,
        }

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the file from its beginning. Raises a UserError for a column that cannot be read as texts."""
        size = self.path.stat().st_size
        with pa.parquet.ParquetFile(self.path) as file:
            done, total = 0, max(file.metadata.num_rows, 1)
            for rows in self._rows(file):
                columns = [self._as_text(name, rows.column(name)) for name in self.names]
                lines = np.arange(done + 1, done + 1 + len(rows))
                done += len(rows)
                progress(size * done // total)
                yield Batch(pa.RecordBatch.from_arrays(columns, list(self.names)), lines, [])

    def _rows(self, file: pa.parquet.ParquetFile) -> Iterator[pa.RecordBatch]:
        try:
            yield from file.iter_batches(self.at_once, columns=list(self.names))
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"cannot read {self.path}: {error}; it is damaged, so export it again") from None

    def _as_text(self, name: str, column: pa.Array) -> pa.Array:
        try:
            if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
                column = _joined(column.cast(pa.list_(pa.string())))
            return pc.fill_null(column.cast(pa.string()), "")
        except pa.ArrowException:
            raise UserError(
                f"column {name!r} of {self.path} holds {column.type}: expected texts, numbers, times or lists of texts"
            ) from None


def _joined(lists: pa.ListArray) -> pa.Array:
    """The entries of each list joined by `|`, a missing one as nothing; a whole list would be missing with it."""
    entries = pc.fill_null(lists.flatten(), "")
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), entries), "|")


def open_parquet(path: Path) -> ParquetFile:
    """Open a Parquet file; a UserError where it is none."""
    try:
        return ParquetFile(path, tuple(pa.parquet.read_schema(existing(path)).names))
    except (pa.ArrowInvalid, OSError):
        raise UserError(
            f"{path} is not a Parquet file, though its name says so: rename it or export it again"
        ) from None
