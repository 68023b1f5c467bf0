"""How input files are read: as batches of texts, byte for byte as in the file."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dssm_core.errors import UserError

_SEPARATORS = (",", "\t", ";", "|")
_SNIFFED_BYTES = 1 << 16
_SNIFFED_LINES = 100
_BLOCK_BYTES = 8 << 20
_PARQUET_ROWS = 1 << 17

Progress = Callable[[int], None]
"""Called with the number of bytes of the file that have been read so far."""


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    `rows` holds every column of the file as text (never null). `lines` (rows,) int64 are their row numbers in the file,
    from 1, header included and blank lines not. `ragged` are the rows with too few or too many fields, as pairs of
    line and raw text, fields joined by tabs.
    """

    rows: pa.RecordBatch
    lines: np.ndarray
    ragged: list[tuple[int, str]]

    def texts(self, chosen: np.ndarray) -> pa.Array:
        """The raw rows where `chosen` ((rows,) bool) holds, fields joined by tabs."""
        rows = self.rows.filter(pa.array(chosen))
        return pc.binary_join_element_wise(*rows.columns, "\t")


@dataclass(frozen=True)
class TextFile:
    """A CSV or TSV file, perhaps gzipped: its columns' names, and the lines to skip before the first row."""

    path: Path
    names: tuple[str, ...]
    separator: str
    quoted: bool
    skip: int

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the file from its beginning. Raises a UserError for bytes that are not UTF-8 and rows that never end."""
        ragged: list[tuple[int, str]] = []

        def set_aside(row: pa.csv.InvalidRow) -> str:
            ragged.append((row.number, row.text.replace(self.separator, "\t")))
            return "skip"

        next_line = self.skip + 1
        try:
            with pa.OSFile(str(self.path)) as file:
                for rows in pa.csv.open_csv(_decompressed(self.path, file), **self._options(set_aside)):
                    progress(file.tell())
                    if not len(rows):
                        continue
                    lines = _line_numbers(len(rows), [line for line, _ in ragged], next_line)
                    # The parser reads ahead: ragged rows past this batch are handed on with the next one.
                    seen = [row for row in ragged if row[0] < lines[-1]]
                    ragged[:] = ragged[len(seen) :]
                    next_line = int(lines[-1]) + 1
                    yield Batch(rows, lines, seen)
        except pa.ArrowInvalid as error:
            raise _unreadable(self.path, str(error)) from None
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error}") from None
        if ragged:
            yield Batch(_no_rows(self.names), np.zeros(0, np.int64), ragged)

    def _options(self, set_aside: Callable[[pa.csv.InvalidRow], str]) -> dict:
        return {
            # Rows are numbered only when read by one thread.
            "read_options": pa.csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, skip_rows=self.skip, column_names=list(self.names)
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
    """A Parquet file; its numbers and times are read as their texts."""

    path: Path
    names: tuple[str, ...]

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
            yield from file.iter_batches(_PARQUET_ROWS)
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


def column_names(path: Path) -> tuple[str, ...]:
    """The names in the header of a CSV, TSV or Parquet file; a UserError for one that cannot be read."""
    return open_with_header(path).names


def open_with_header(path: Path) -> "TextFile | ParquetFile":
    """Open a CSV, TSV or Parquet file whose columns are named in the file; a UserError for one that cannot be read."""
    return _open_parquet(path) if path.suffix == ".parquet" else _open_text(path)


def _open_parquet(path: Path) -> ParquetFile:
    try:
        return ParquetFile(path, tuple(pa.parquet.read_schema(_existing(path)).names))
    except (pa.ArrowInvalid, OSError):
        raise UserError(
            f"{path} is not a Parquet file, though its name says so: rename it or export it again"
        ) from None


def _open_text(path: Path) -> TextFile:
    blank, (header, *_) = head(path)
    counts = {separator: header.count(separator) for separator in _SEPARATORS}
    is_tsv = path.name.removesuffix(".gz").endswith((".tsv", ".tab"))
    separator = "\t" if is_tsv else max(_SEPARATORS, key=counts.__getitem__)
    return TextFile(path, tuple(next(csv.reader([header], delimiter=separator))), separator, True, blank + 1)


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file in it")
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    return path


def _decompressed(path: Path, file: pa.NativeFile) -> pa.NativeFile:
    return pa.CompressedInputStream(file, "gzip") if path.suffix == ".gz" else file


def head(path: Path) -> tuple[int, list[str]]:
    """How many blank lines a text file starts with, and the first lines after them; at least one."""
    lines = re.split("\r\n|\n|\r", _start(path))
    blank = next((i for i, line in enumerate(lines) if line), None)
    if blank is None:
        raise UserError(f"{path} is empty: expected at least one row")
    return blank, [line for line in lines[blank : blank + _SNIFFED_LINES] if line]


def _start(path: Path) -> str:
    """The text that a file starts with, cut at the end of a line."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(_existing(path), "rb") as file:
            start = file.read(_SNIFFED_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if len(start) == _SNIFFED_BYTES and b"\n" in start:
        start = start[: start.rindex(b"\n")]
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _not_utf8(path) from None


def _line_numbers(rows: int, ragged: list[int], first: int) -> np.ndarray:
    """The numbers of `rows` good rows from `first` on, given the numbers of the ragged rows that stand between them."""
    good_before = np.array(ragged, np.int64) - first - np.arange(len(ragged))
    good = np.arange(rows)
    return first + good + np.searchsorted(good_before, good, side="right")


def _no_rows(names: tuple[str, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], list(names))


def _unreadable(path: Path, message: str) -> UserError:
    if "straddling" in message:
        return UserError(f"{path} has a row that does not end: look for a quote that is opened and never closed")
    # A ragged row of other bytes fails as a row of too few or too many columns.
    if "UTF8" in message or "Expected" in message:
        return _not_utf8(path)
    return UserError(f"cannot read {path}: {message}")


def _not_utf8(path: Path) -> UserError:
    return UserError(f"{path} is not UTF-8 text: convert it first, for example with `iconv -t UTF-8`")
