"""Some rows of an input file, as every reader hands them on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Progress = Callable[[int], None]
"""Called with the number of bytes of the file that have been read so far."""


class Unread(NamedTuple):
    """A row that could not be taken apart: its number in the file as in `Batch.lines`, the reason and its raw text."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    `rows` holds every column of the file as text (never null). `lines` (rows,) int64 are the numbers of the lines they
    begin on, from 1, header and blank lines counted. `unread` are the rows that could not be taken apart, such as those
    with too few or too many fields.
    """

    rows: pa.RecordBatch
    lines: np.ndarray
    unread: list[Unread]

    def texts(self, chosen: np.ndarray) -> pa.Array:
        """The raw rows where `chosen` ((rows,) bool) holds, fields joined by tabs."""
        rows = self.rows.filter(pa.array(chosen))
        return pc.binary_join_element_wise(*rows.columns, "\t")
