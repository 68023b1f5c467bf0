"""How input files are opened: what each is, told by looking at it where nobody says."""

from dataclasses import dataclass, replace
from pathlib import Path

from dssm_core.byte_source import starts_with
from dssm_core.errors import UserError
from dssm_core.input_batch import Batch, Progress, Unread
from dssm_core.line_set import LineSet
from dssm_core.parquet_file import MAGIC, MOST_COLUMNS, ParquetFile, open_parquet
from dssm_core.text_file import TextFile
from dssm_core.text_head import Head, head, is_header, parsed_rows, told_separator

__all__ = [
    "BY_LOOKING",
    "Batch",
    "Head",
    "InputFile",
    "ParquetFile",
    "Progress",
    "TextFile",
    "TextOptions",
    "Unread",
    "column_names",
    "first_rows",
    "head",
    "open_file",
    "read_again",
]

InputFile = TextFile | ParquetFile


@dataclass(frozen=True)
class TextOptions:
    """What a person says of text files; what is None is told by looking at each file.

    `encoding` is a name that Python knows, such as gb18030 or latin-1. `header`: whether the first row names the
    columns.
    """

    encoding: str | None = None
    separator: str | None = None
    header: bool | None = None


BY_LOOKING = TextOptions()
"""Everything is told by looking."""


def column_names(path: Path, options: TextOptions = BY_LOOKING) -> tuple[str, ...]:
    """The names of the columns of a CSV, TSV or Parquet file; a UserError for one that cannot be read."""
    return open_file(path, options).names


def open_file(path: Path, options: TextOptions = BY_LOOKING) -> InputFile:
    """Open a CSV, TSV or Parquet file; a UserError for one that cannot be read.

    The columns of a text file without a header are called column_1, column_2, …
    """
    if path.suffix == ".parquet" or starts_with(path, MAGIC):
        return open_parquet(path)
    return _open_text(path, options)


def first_rows(file: InputFile, count: int) -> list[list[str]]:
    """At most `count` rows that the file starts with, as texts in the order of `file.names`."""
    columns: list[list[str]] = [[] for _ in file.names]
    for batch in file.batches(lambda done: None):
        for texts, column in zip(columns, batch.rows.slice(0, count - len(columns[0])).columns, strict=True):
            texts += column.to_pylist()
        if len(columns[0]) >= count:
            break
    return [list(row) for row in zip(*columns, strict=True)]


def read_again(file: InputFile, lines: LineSet) -> InputFile:
    """A file of which the rows that begin on some lines are to be read once more: a text file reads these alone."""
    return replace(file, only=lines) if isinstance(file, TextFile) else file


def _open_text(path: Path, options: TextOptions) -> TextFile:
    start = head(path, options.encoding)
    separator = _checked_separator(options.separator) if options.separator else told_separator(path, start.lines)
    rows = parsed_rows(start.lines, separator)
    header = is_header(rows) if options.header is None else options.header
    names = rows[0] if header else [f"column_{i}" for i in range(1, len(rows[0]) + 1)]
    if len(names) > MOST_COLUMNS:
        raise UserError(f"{path} has {len(names):,} columns: expected at most {MOST_COLUMNS:,}")
    return TextFile(
        path,
        tuple(names),
        separator,
        True,
        start.blank + header,
        start.encoding,
        header,
        encoding_named=options.encoding is not None,
    )


def _checked_separator(separator: str) -> str:
    if len(separator) == 1 and separator.isascii() and separator not in '"\r\n\0':
        return separator
    raise UserError(f"cannot separate columns by {separator!r}: expected one ASCII character, such as , or ; or a tab")
