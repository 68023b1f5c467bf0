"""The rows that were set aside, from their Parquet file: a few to look at, or all to take away."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from lab import tables

MOST_ROWS = 1_000_000
"""A spreadsheet holds 1,048,576."""
MOST_BYTES = 200 << 20
_BATCH_ROWS = 1 << 16


def count(path: Path) -> int:
    """How many rows there are."""
    return pq.read_metadata(path).num_rows


def rows(path: Path, first: int, number: int) -> pd.DataFrame:
    """At most `number` rows from row `first` on (from 0); only the part of the file that holds them is read."""
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        groups = [i for i, end in enumerate(ends) if end > first and end - sizes[i] < first + number]
        before = int(ends[groups[0]]) - sizes[groups[0]] if groups else 0
        return file.read_row_groups(groups).slice(first - before, number).to_pandas()


def is_capped(path: Path) -> bool:
    """Whether `as_csv` may leave rows out."""
    metadata = pq.read_metadata(path)
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return metadata.num_rows > MOST_ROWS or size > MOST_BYTES // 2


def as_csv(path: Path, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> bytes:
    """The rows as CSV with formulas defused, up to `most_rows` and about `most_bytes`."""
    parts: list[bytes] = []
    size, left = 0, most_rows
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            parts.append(tables.csv(batch.slice(0, left).to_pandas(), header=not parts))
            size, left = size + len(parts[-1]), left - min(left, len(batch))
            if not left or size > most_bytes:
                break
    return b"".join(parts)
