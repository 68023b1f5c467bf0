"""The rows that are set aside: counted by table and reason, and kept with their texts."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from dssm_core.canonical import CANONICAL
from dssm_core.cleaning import REASONS, Verdicts
from dssm_core.input_files import Batch

_SET_ASIDE = pa.schema(
    [(name, pa.int64() if name == "line" else pa.string()) for name in ("table", "file", "line", "reason", "text")]
)
_ROWS_AT_ONCE = 1 << 16


class SetAside:
    """The rows that were set aside: counted by table and reason, and written to a Parquet file as they come."""

    def __init__(self, path: Path):
        self.counts: dict[str, Counter] = {table: Counter() for table in CANONICAL}
        self._writer = pa.parquet.ParquetWriter(path, _SET_ASIDE, compression="zstd")

    def __enter__(self) -> "SetAside":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, table: str, file: str, reasons: np.ndarray, lines: np.ndarray, texts: pa.Array) -> None:
        """Keep some rows of a file: `reasons` (n,) str, their `lines` (n,) int64 and raw `texts` (n,)."""
        if not len(reasons):
            return
        names, numbers = np.unique(reasons, return_counts=True)
        self.counts[table].update(dict(zip(names.tolist(), numbers.tolist(), strict=True)))
        whence = [pa.repeat(name, len(reasons)) for name in (table, file)]
        columns = [*whence, pa.array(lines, pa.int64()), pa.array(reasons.astype(object)), texts]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SET_ASIDE))

    def report(self, table: str, accepted: int) -> dict:
        """The counts of a table as {"rows_in", "accepted", "set_aside": {reason: n}}."""
        counts = {reason: self.counts[table][reason] for reason in REASONS if self.counts[table][reason]}
        return {"rows_in": accepted + sum(counts.values()), "accepted": accepted, "set_aside": counts}

    def add_all(self, path: Path) -> None:
        """Keep the rows of a file that another `SetAside` wrote."""
        with pa.parquet.ParquetFile(path) as file:
            for rows in file.iter_batches(_ROWS_AT_ONCE):
                self._writer.write_batch(rows)
                kinds = pa.Table.from_batches([rows]).group_by(["table", "reason"]).aggregate([([], "count_all")])
                for kind in kinds.to_pylist():
                    self.counts[kind["table"]][kind["reason"]] += kind["count_all"]

    def add_unread(self, table: str, file: str, batch: Batch) -> None:
        """Keep the rows of a batch that could not be taken apart."""
        lines, reasons, texts = zip(*batch.unread, strict=True) if batch.unread else ((), (), ())
        self.add(table, file, np.array(reasons), np.array(lines, np.int64), pa.array(texts, pa.string()))

    def add_rejected(self, table: str, file: str, batch: Batch, verdicts: Verdicts) -> None:
        """Keep the rows of a batch that were not accepted."""
        rejected = ~verdicts.accepted
        if rejected.any():
            self.add(table, file, verdicts.reasons, batch.lines[rejected], batch.texts(rejected))
