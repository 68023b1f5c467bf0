"""A Parquet file, its values read as texts. Nothing that its footer says is believed before it is checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from dssm_core.byte_source import existing, most_bytes
from dssm_core.encodings import is_in, readable
from dssm_core.errors import UserError
from dssm_core.input_batch import Batch, Progress, Unread
from dssm_core.stored_files import as_label
from dssm_core.text_lines import MOST_ROW_BYTES

MAGIC = b"PAR1"
"""What a Parquet file starts and ends with."""

MOST_COLUMNS = 10_000
"""A file with more columns is refused."""

_ROWS_AT_ONCE = 1 << 17
_BYTES_AT_ONCE = 64 << 20
_MOST_FOOTER_BYTES = 64 << 20
_MOST_NAME_BYTES = 16 << 20
_MOST_PARTS = 1 << 20
_SHOWN_CHARACTERS = 1000
_LOOKED_AT = 20
_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError)
"""What pyarrow raises for damaged files, that of text which is no UTF-8 among it."""


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file of which the columns `names` are read, so many rows at once; numbers and times as their texts.

    `unreadable`: the types of the columns, by name, that cannot be read as texts.
    """

    path: Path
    names: tuple[str, ...]
    at_once: int = _ROWS_AT_ONCE
    unreadable: Mapping[str, str] = field(default_factory=dict)

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
        """Read the file from its beginning. Raises a UserError where it is damaged or its texts are too long."""
        try:
            yield from self._batches(progress)
        except _BROKEN as error:
            raise _damaged(self.path, error) from None

    def _batches(self, progress: Progress) -> Iterator[Batch]:
        size, done, unpacked, most = self.path.stat().st_size, 0, 0, most_bytes()
        with _opened(self.path) as file:
            total = file.metadata.num_rows
            at_once = min(self.at_once, self._rows_that_fit(file))
            for rows in file.iter_batches(at_once, columns=list(self.names), use_threads=False):
                lines = np.arange(done + 1, done + 1 + len(rows))
                done += len(rows)
                batch = self._batch(rows, lines)
                unpacked += batch.rows.nbytes
                if unpacked > most:
                    raise _too_big(self.path, most)
                progress(size * done // max(total, 1))
                yield batch
        if done != total:
            raise UserError(f"{self.path} holds {done:,} rows, not the {total:,} that it says: export it again")

    def _batch(self, rows: pa.RecordBatch, lines: np.ndarray) -> Batch:
        columns = [self._as_text(name, rows.column(name)) for name in self.names]
        flaws = _flaws(columns, len(rows))
        sound = pa.RecordBatch.from_arrays(columns, list(self.names))
        if not flaws:
            return Batch(sound, lines, [])
        unread = [Unread(int(lines[i]), flaws[i], _shown(columns, i)) for i in sorted(flaws)]
        kept = np.ones(len(rows), bool)
        kept[list(flaws)] = False
        return Batch(sound.filter(pa.array(kept)), lines[kept], unread)

    def _as_text(self, name: str, column: pa.Array) -> pa.Array:
        if name in self.unreadable:
            raise unreadable_column(name, self)
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            column = _joined(column.cast(pa.list_(pa.string())))
        elif _is_bytes(column.type):
            # Whether they are UTF-8 is seen row by row.
            column = column.cast(pa.binary()).view(pa.string())
        elif pa.types.is_timestamp(column.type) and column.type.tz:
            # In another zone its offset would be written, and cut to whole minutes.
            column = column.cast(pa.timestamp(column.type.unit, "UTC"))
        return pc.fill_null(column.cast(pa.string()), "")

    def _rows_that_fit(self, file: pa.parquet.ParquetFile) -> int:
        """How many rows at once stay within memory, however often their longest text is repeated."""
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        widest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0)
        return max(1, int(_BYTES_AT_ONCE / max(widest, self._longest_repeated(), 1)))

    def _longest_repeated(self) -> int:
        """Bytes of the longest text that is stored once and may be repeated in any row: a small file may unpack to any
        size by it."""
        longest = 0
        with _opened(self.path) as plain:
            paths = _text_paths(plain, self.names)
            groups = plain.num_row_groups
        if not paths:
            return 0
        with _opened(self.path, read_dictionary=paths) as file:
            for group in range(groups):
                for rows in file.iter_batches(1, row_groups=[group], columns=paths, use_threads=False):
                    longest = max(longest, *map(_longest, rows.columns))
                    break
        if longest > _BYTES_AT_ONCE:
            raise UserError(f"{self.path} holds a text of {longest:,} bytes: leave its column out and export it again")
        return longest


def _joined(lists: pa.ListArray) -> pa.Array:
    """The entries of each list joined by `|`, a missing one as nothing; a whole list would be missing with it."""
    entries = pc.fill_null(lists.flatten(), "")
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), entries), "|")


def open_parquet(path: Path) -> ParquetFile:
    """Open a Parquet file; a UserError where it is none, is damaged or has too many columns."""
    _check_ends(path)
    try:
        with _opened(path) as file:
            _check_footer(path, file.metadata)
            schema = file.schema_arrow
            unreadable = {column.name: str(column.type) for column in schema if not _is_readable(column.type)}
            unreadable |= _bytes_that_are_no_texts(file, [name for name in schema.names if name not in unreadable])
    except _BROKEN as error:
        raise _damaged(path, error) from None
    return ParquetFile(path, tuple(name for name in schema.names if name not in unreadable), unreadable=unreadable)


def unreadable_column(name: str, file: ParquetFile) -> UserError:
    """The error for a column that cannot be read as texts."""
    kind = file.unreadable[name]
    return UserError(f"column {name!r} of {file.path} holds {kind}: expected texts, numbers, times or lists of texts")


def _opened(path: Path, **options: object) -> pa.parquet.ParquetFile:
    return pa.parquet.ParquetFile(
        path,
        thrift_string_size_limit=_MOST_NAME_BYTES,
        thrift_container_size_limit=_MOST_PARTS,
        page_checksum_verification=True,
        **options,
    )


def _check_ends(path: Path) -> None:
    size = existing(path).stat().st_size
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(max(size - 8, 0))
        end = file.read(8)
    if start != MAGIC:
        raise UserError(f"{path} is not a Parquet file, though its name says so: rename it or export it again")
    footer = int.from_bytes(end[:4], "little")
    if size < 12 or end[4:] != MAGIC or footer > size - 12:
        raise UserError(f"{path} is a Parquet file that is cut off or damaged at its end: copy or export it again")
    if footer > _MOST_FOOTER_BYTES:
        raise UserError(f"{path} has a footer of {footer:,} bytes: expected at most {_MOST_FOOTER_BYTES:,}")


def _check_footer(path: Path, footer: pa.parquet.FileMetaData) -> None:
    """A footer must agree with itself, and promise no more than may come out of a file.

    Its columns' own data are not looked at: where those are damaged, `RowGroupMetaData.column` ends the process
    (pyarrow 26), while reading them raises.
    """
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    if footer.num_columns > MOST_COLUMNS:
        raise UserError(f"{path} has {footer.num_columns:,} columns: expected at most {MOST_COLUMNS:,}")
    if any(group.num_rows < 0 for group in groups) or sum(group.num_rows for group in groups) != footer.num_rows:
        raise ValueError("the rows of its parts do not add up")
    if any(group.total_byte_size < 0 for group in groups):
        raise ValueError("one of its parts has a negative size")
    unpacked, most = sum(group.total_byte_size for group in groups), most_bytes()
    if unpacked > most:
        raise _too_big(path, most)


def _is_readable(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_readable(kind.value_type) and not types.is_nested(kind.value_type)
    if types.is_dictionary(kind):
        return _is_readable(kind.value_type)
    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary, types.is_integer)
    others = (types.is_floating, types.is_boolean, types.is_decimal, types.is_temporal, types.is_null)
    return any(test(kind) for test in (*tests, *others)) and not types.is_duration(kind) and not types.is_interval(kind)


def _bytes_that_are_no_texts(file: pa.parquet.ParquetFile, names: list[str]) -> dict[str, str]:
    """Columns of bytes, told by their first values to be something else than texts, such as pictures."""
    columns = [name for name in names if _is_bytes(file.schema_arrow.field(name).type)]
    rows = next(file.iter_batches(_LOOKED_AT, columns=columns, use_threads=False), None) if columns else None
    if rows is None:
        return {}
    values = {name: rows.column(name).drop_null().to_pylist() for name in columns}
    return {
        name: "bytes that are no texts"
        for name in columns
        if not all(len(value) <= _SHOWN_CHARACTERS and is_in(value, "utf-8") for value in values[name])
    }


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _text_paths(file: pa.parquet.ParquetFile, names: tuple[str, ...]) -> list[str]:
    """The columns of bytes among some, as Parquet calls them."""
    leaves = [file.schema.column(i) for i in range(len(file.schema))]
    return [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path.split(".")[0] in names]


def _longest(column: pa.Array) -> int:
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = column.values
    texts = column.dictionary if pa.types.is_dictionary(column.type) else column
    return pc.max(pc.binary_length(texts)).as_py() or 0


def _flaws(columns: list[pa.Array], rows: int) -> dict[int, str]:
    """Why rows of texts cannot be taken, by their place."""
    flaws = {}
    for column in columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            texts = column.view(pa.binary()).to_pylist()
            flaws |= {i: "bad encoding" for i, text in enumerate(texts) if not is_in(text, "utf-8")}
    if sum(column.nbytes for column in columns) > MOST_ROW_BYTES:
        widths = sum(pc.binary_length(column).to_numpy(zero_copy_only=False) for column in columns)
        flaws |= {int(i): "row too long" for i in np.flatnonzero(np.broadcast_to(widths, rows) > MOST_ROW_BYTES)}
    return flaws


def _shown(columns: list[pa.Array], i: int) -> str:
    text = readable(b"\t".join(column.view(pa.binary())[i].as_py() for column in columns), "utf-8")
    return text if len(text) <= MOST_ROW_BYTES else text[:_SHOWN_CHARACTERS] + "…"


def _too_big(path: Path, most: int) -> UserError:
    return UserError(
        f"{path} unpacks to more than {most:,} bytes: leave columns out and export it again, or allow more by setting "
        f"DSSM_MOST_BYTES"
    )


def _damaged(path: Path, error: BaseException) -> UserError:
    said = " ".join(str(error).split())[:200]
    return UserError(f"{path} is damaged ({said}): copy or export it again")
