"""exposures.parquet, written piece by piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from dssm_core.dataset import Exposures
from dssm_core.stored_files import written

MAIN_COLUMNS = ("user", "article", "time", "click")
"""The columns of the file that are no extras; `time` is left out where a log has none."""


_UNLIKE = ("article", "time", "click")
"""Columns that Parquet would make a dictionary of in vain: their values hardly repeat, or are a bit each."""


class ExposureWriter:
    """Writes exposures, piece by piece."""

    def __init__(self, path: Path):
        self._path = path
        self._writer: pa.parquet.ParquetWriter | None = None

    def write(self, exposures: Exposures) -> None:
        """Append exposures; all have the columns of the first."""
        main = {name: getattr(exposures, name) for name in MAIN_COLUMNS}
        table = pa.table({name: values for name, values in main.items() if values is not None} | exposures.extra)
        self._writer = self._writer or self._opened(table.schema)
        self._writer.write_table(table)

    def _opened(self, schema: pa.Schema) -> pa.parquet.ParquetWriter:
        repeating = [name for name in schema.names if name not in _UNLIKE]
        ascending = {"time": "DELTA_BINARY_PACKED"} if "time" in schema.names else {}
        return pa.parquet.ParquetWriter(
            self._path, schema, compression="zstd", use_dictionary=repeating, column_encoding=ascending
        )

    def close(self) -> None:
        """Write what a Parquet file ends with."""
        if self._writer:
            self._writer.close()


@contextmanager
def exposures_written(path: Path) -> Iterator[ExposureWriter]:
    """Yield a writer of a file that is there, once the body has succeeded, and not before."""
    with written(path) as beside:
        writer = ExposureWriter(beside)
        try:
            yield writer
        finally:
            writer.close()
