"""Reads a whole table of a format, for tests."""

import numpy as np

from dssm_core.canonical import InputTable
from dssm_core.input_files import Unread


def read_table(table: InputTable) -> tuple[list[dict], list[int], list[Unread], list[str]]:
    """Every row in the table's own columns, the rows' lines, the rows not read, and the raw texts."""
    rows, lines, unread, texts = [], [], [], []
    for batch in table.file.batches(lambda done: None):
        columns = {name: batch.rows.column(column).to_pylist() for name, column in table.columns.items()}
        rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        lines += batch.lines.tolist()
        unread += batch.unread
        texts += batch.texts(np.ones(len(batch.lines), dtype=bool)).to_pylist()
    return rows, lines, unread, texts
