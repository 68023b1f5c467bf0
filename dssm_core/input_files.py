"""How input files are read: as batches of texts, byte for byte as in the file."""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dssm_core.errors import UserError
from dssm_core.file_kinds import refuse_no_table, refuse_no_text

_SEPARATORS = (",", "\t", ";", "|")
_SNIFFED_BYTES = 1 << 16
_SNIFFED_LINES = 100
_BLOCK_BYTES = 8 << 20
_PARQUET_ROWS = 1 << 17

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*")

Progress = Callable[[int], None]
"""Called with the number of bytes of the file that have been read so far."""


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


class Unread(NamedTuple):
    """A row that could not be taken apart: its number in the file as in `Batch.lines`, the reason and its raw text."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    `rows` holds every column of the file as text (never null). `lines` (rows,) int64 are their row numbers in the file,
    from 1, header included and blank lines not. `unread` are the rows that could not be taken apart, such as those with
    too few or too many fields.
    """

    rows: pa.RecordBatch
    lines: np.ndarray
    unread: list[Unread]

    def texts(self, chosen: np.ndarray) -> pa.Array:
        """The raw rows where `chosen` ((rows,) bool) holds, fields joined by tabs."""
        rows = self.rows.filter(pa.array(chosen))
        return pc.binary_join_element_wise(*rows.columns, "\t")


@dataclass(frozen=True)
class TextFile:
    """A CSV or TSV file, perhaps gzipped.

    `names`: of its columns, in order; `skip`: the lines before the first row; `header`: whether they end with one that
    names the columns. `quoted`: whether quotes around a field mean that it may hold separators and line ends.
    """

    path: Path
    names: tuple[str, ...]
    separator: str
    quoted: bool
    skip: int
    encoding: str = "utf-8"
    header: bool = False

    @property
    def facts(self) -> dict:
        """What was found out about the file, for the report."""
        return {
            "name": self.path.name,
            "kind": "text",
            "encoding": self.encoding,
            "separator": self.separator,
            "header": self.header,
        }

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the file from its beginning. Raises a UserError for another encoding and rows that never end."""
        unread: list[Unread] = []

        def set_aside(row: pa.csv.InvalidRow) -> str:
            unread.append(Unread(row.number, "ragged row", row.text.replace(self.separator, "\t")))
            return "skip"

        next_line = self.skip + 1
        try:
            with pa.OSFile(str(self.path)) as file:
                for rows in pa.csv.open_csv(_decompressed(self.path, file), **self._options(set_aside)):
                    progress(file.tell())
                    if not len(rows):
                        continue
                    lines = _line_numbers(len(rows), [row.line for row in unread], next_line)
                    # The parser reads ahead: ragged rows past this batch are handed on with the next one.
                    seen = [row for row in unread if row.line < lines[-1]]
                    unread[:] = unread[len(seen) :]
                    next_line = int(lines[-1]) + 1
                    yield Batch(rows, lines, seen)
        except pa.ArrowInvalid as error:
            raise _unreadable(self, str(error)) from None
        except UnicodeDecodeError:
            raise _not_encoded(self.path, self.encoding) from None
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error}") from None
        if unread:
            yield Batch(_no_rows(self.names), np.zeros(0, np.int64), unread)

    def _options(self, set_aside: Callable[[pa.csv.InvalidRow], str]) -> dict:
        return {
            # Rows are numbered only when read by one thread.
            "read_options": pa.csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                skip_rows=self.skip,
                column_names=list(self.names),
                encoding=self.encoding,
            ),
            "parse_options": pa.csv.ParseOptions(
                delimiter=self.separator,
                quote_char='"' if self.quoted else False,
                newlines_in_values=self.quoted,
                invalid_row_handler=set_aside,
            ),
            # No column may be guessed to be a number: `007` and `1e5` are ids.
            "convert_options": pa.csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=False
            ),
        }


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file of which the columns `names` are read, so many rows at once; numbers and times as their texts."""

    path: Path
    names: tuple[str, ...]
    at_once: int = _PARQUET_ROWS

    @property
    def facts(self) -> dict:
        """What was found out about the file, for the report."""
        return {"name": self.path.name, "kind": "Parquet", "encoding": None, "separator": None, "header": None}

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
                column = pc.binary_join(column.cast(pa.list_(pa.string())), "|")
            return pc.fill_null(column.cast(pa.string()), "")
        except pa.ArrowException:
            raise UserError(
                f"column {name!r} of {self.path} holds {column.type}: expected texts, numbers, times or lists of texts"
            ) from None


InputFile = TextFile | ParquetFile


def column_names(path: Path, options: TextOptions = BY_LOOKING) -> tuple[str, ...]:
    """The names of the columns of a CSV, TSV or Parquet file; a UserError for one that cannot be read."""
    return open_file(path, options).names


def open_file(path: Path, options: TextOptions = BY_LOOKING) -> InputFile:
    """Open a CSV, TSV or Parquet file; a UserError for one that cannot be read.

    The columns of a text file without a header are called column_1, column_2, …
    """
    return _open_parquet(path) if path.suffix == ".parquet" else _open_text(path, options)


def first_rows(file: InputFile, count: int) -> list[list[str]]:
    """At most `count` rows that the file starts with, as texts in the order of `file.names`."""
    columns: list[list[str]] = [[] for _ in file.names]
    for batch in file.batches(lambda done: None):
        for texts, column in zip(columns, batch.rows.slice(0, count - len(columns[0])).columns, strict=True):
            texts += column.to_pylist()
        if len(columns[0]) >= count:
            break
    return [list(row) for row in zip(*columns, strict=True)]


def _open_parquet(path: Path) -> ParquetFile:
    try:
        return ParquetFile(path, tuple(pa.parquet.read_schema(_existing(path)).names))
    except (pa.ArrowInvalid, OSError):
        raise UserError(
            f"{path} is not a Parquet file, though its name says so: rename it or export it again"
        ) from None


def _open_text(path: Path, options: TextOptions) -> TextFile:
    start = head(path, options.encoding)
    separator = options.separator or _separator(path, start.lines[0])
    rows = list(islice(csv.reader(start.lines, delimiter=separator), _SNIFFED_LINES))
    header = is_header(rows) if options.header is None else options.header
    names = rows[0] if header else [f"column_{i}" for i in range(1, len(rows[0]) + 1)]
    return TextFile(path, tuple(names), separator, True, start.blank + header, start.encoding, header)


def _separator(path: Path, first: str) -> str:
    if path.name.removesuffix(".gz").endswith((".tsv", ".tab")):
        return "\t"
    counts = {separator: first.count(separator) for separator in _SEPARATORS}
    return max(_SEPARATORS, key=counts.__getitem__)


def is_header(rows: list[list[str]]) -> bool:
    """Whether the first of some rows looks like names: it has no number, or fewer than there are columns of numbers."""
    first, *others = ([_NUMBER.fullmatch(field) is not None for field in row] for row in rows)
    numeric = [column for column in zip(*others, strict=False) if all(column)]
    return not any(first) or len(numeric) > sum(first)


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file in it")
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    return path


def _decompressed(path: Path, file: pa.NativeFile) -> pa.NativeFile:
    return pa.CompressedInputStream(file, "gzip") if path.suffix == ".gz" else file


class Head(NamedTuple):
    """What a text file starts with: how many blank lines, the first lines after them (at least one); its encoding."""

    blank: int
    lines: list[str]
    encoding: str


def head(path: Path, encoding: str | None = None) -> Head:
    """Look at the beginning of a text file; a UserError where there is no row or the encoding does not fit."""
    start = _start(path)
    refuse_no_table(path, start)
    encoding = _checked_encoding(encoding) if encoding else _told_encoding(path, start)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _not_encoded(path, encoding) from None
    lines = re.split("\r\n|\n|\r", text)
    if len(start) == _SNIFFED_BYTES:
        lines = lines[:-1] or lines
    blank = next((i for i, line in enumerate(lines) if line), None)
    if blank is None:
        raise UserError(f"{path} is empty: expected at least one row")
    return Head(blank, [line for line in lines[blank : blank + _SNIFFED_LINES] if line], encoding)


def _checked_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise UserError(
            f"unknown encoding {name!r}: expected a name such as utf-8, gb18030, utf-16-le or latin-1"
        ) from None


def _told_encoding(path: Path, start: bytes) -> str:
    """By the byte order mark, else UTF-8 where that fits, else GB18030."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        refuse_no_text(path, start)
        return "gb18030"
    return "utf-8"


def _start(path: Path) -> bytes:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(_existing(path), "rb") as file:
            return file.read(_SNIFFED_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}") from None


def _line_numbers(rows: int, ragged: list[int], first: int) -> np.ndarray:
    """The numbers of `rows` good rows from `first` on, given the numbers of the ragged rows that stand between them."""
    good_before = np.array(ragged, np.int64) - first - np.arange(len(ragged))
    good = np.arange(rows)
    return first + good + np.searchsorted(good_before, good, side="right")


def _no_rows(names: tuple[str, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], list(names))


def _unreadable(file: TextFile, message: str) -> UserError:
    if "straddling" in message:
        return UserError(f"{file.path} has a row that does not end: look for a quote that is opened and never closed")
    # A ragged row of other bytes fails as a row of too few or too many columns.
    if "UTF8" in message or "Expected" in message:
        return _not_encoded(file.path, file.encoding)
    return UserError(f"cannot read {file.path}: {message}")


def _not_encoded(path: Path, encoding: str) -> UserError:
    return UserError(f"{path} is not {encoding.upper()} text: name its encoding, such as gb18030 or latin-1")
