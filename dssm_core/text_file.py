"""A CSV or TSV file, perhaps gzipped, read row by row: each is taken apart or set aside with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from dssm_core.byte_source import byte_source
from dssm_core.encodings import UTF_16, EncodingCheck, readable, surely_foreign
from dssm_core.input_batch import Batch, Progress, Unread
from dssm_core.line_set import LineSet
from dssm_core.quotes import Rows, lone_rows, whole_rows
from dssm_core.stored_files import as_label
from dssm_core.text_lines import MOST_ROW_BYTES, LineBlocks, Lines

_SHOWN_CHARACTERS = 1000
_FLAWS = ("row too long", "NUL byte", "bad encoding")


@dataclass(frozen=True)
class TextFile:
    """A CSV or TSV file, perhaps gzipped.

    `names`: of its columns, in order; `skip`: the lines before the first row; `header`: whether they end with one that
    names the columns. `quoted`: whether quotes around a field mean that it may hold separators and line ends.
    `encoding_named`: a person named the encoding, so that no line of it is doubted. `only`: where the rows begin that
    are read, as they were before; None: every row is.
    """

    path: Path
    names: tuple[str, ...]
    separator: str
    quoted: bool
    skip: int
    encoding: str = "utf-8"
    header: bool = False
    encoding_named: bool = False
    only: LineSet | None = None

    @property
    def facts(self) -> dict:
        """What was found out about the file, for the report."""
        return {
            "name": as_label(self.path.name),
            "kind": "text",
            "encoding": self.encoding,
            "separator": self.separator,
            "header": self.header,
        }

    @property
    def unreadable(self) -> dict[str, str]:
        """The columns that cannot be read as texts: none."""
        return {}

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the file from its beginning. Raises a UserError for a file that cannot be unpacked."""
        check = EncodingCheck(self.encoding, self.encoding_named, self._is_mixed)
        with byte_source(self.path, self.encoding) as source:
            blocks = LineBlocks(source)
            while not blocks.final:
                batch = self._batch(blocks, check)
                progress(source.position)
                if len(batch.lines) or batch.unread:
                    yield batch

    def _is_mixed(self) -> bool:
        with byte_source(self.path, self.encoding) as source:
            blocks = LineBlocks(source)
            while not blocks.final:
                if surely_foreign(blocks.read(), self.encoding).any():
                    return True
        return False

    def _batch(self, blocks: LineBlocks, check: EncodingCheck) -> Batch:
        block = blocks.read()
        block = block.kept(block.numbers > self.skip)
        if self.only is not None and not self.quoted:
            block = block.kept(self.only.contains(block.numbers))
            flaws = np.zeros(len(block), np.uint8)  # or no row would begin on such a line
        else:
            flaws = self._flaws(block, check)
        lines = block.kept(flaws == 0)
        if self.encoding not in ("utf-8", *UTF_16):
            lines = lines.transcoded(self.encoding)
        rows = whole_rows(lines, self.separator, len(self.names), blocks.final) if self.quoted else lone_rows(lines)
        if rows.open is not None:
            lines, rows, flaws = _up_to_open(lines, rows, flaws, block, blocks)
        if self.only is not None:
            return Batch(*self._parsed(*_only(lines, rows, self.only))[:2], [])
        unread = [self._unread(block, i, _FLAWS[flaws[i] - 1], self.encoding) for i in np.flatnonzero(flaws)]
        unread += [self._unread(lines, i, "bad quotes", "utf-8") for i in np.flatnonzero(rows.stray)]
        parsed, numbers, ragged = self._parsed(lines.kept(~rows.stray), rows.first[~rows.stray])
        return Batch(parsed, numbers, sorted(unread + ragged))

    def _flaws(self, lines: Lines, check: EncodingCheck) -> np.ndarray:
        """Why each line cannot be taken: (lines,) uint8, numbers into `_FLAWS` from 1, or 0."""
        flaws = check.foreign(lines).astype(np.uint8) * 3
        if b"\0" in lines.data:
            flaws[lines.where(np.flatnonzero(np.frombuffer(lines.data, np.uint8) == 0))] = 2
        flaws[lines.ends - lines.starts > MOST_ROW_BYTES] = 1
        return flaws

    def _unread(self, lines: Lines, i: int, reason: str, encoding: str) -> Unread:
        text = readable(lines[i], encoding)
        shown = text if reason != "row too long" else text[:_SHOWN_CHARACTERS] + "…"
        return Unread(int(lines.numbers[i]), reason, shown)

    def _parsed(self, lines: Lines, first: np.ndarray) -> tuple[pa.RecordBatch, np.ndarray, list[Unread]]:
        """The rows of lines in UTF-8, the numbers of their first lines, and the ragged rows."""
        begin = np.flatnonzero(first & (lines.ends > lines.starts))
        if not len(begin):
            return _no_rows(self.names), np.zeros(0, np.int64), []
        ragged: list[int] = []

        def set_aside(row: pa.csv.InvalidRow) -> str:
            ragged.append(row.number - 1)
            return "skip"

        table = pa.csv.read_csv(pa.BufferReader(lines.data), **self._options(len(lines.data), set_aside))
        if len(table) + len(ragged) != len(begin):
            raise RuntimeError(f"{len(begin)} rows of {self.path} became {len(table)} and {len(ragged)} ragged ones")
        good = np.ones(len(begin), bool)
        good[ragged] = False
        rows = table.combine_chunks().to_batches()
        unread = [self._unread(lines, i, "ragged row", "utf-8") for i in begin[~good]]
        return rows[0] if rows else _no_rows(self.names), lines.numbers[begin[good]], unread

    def _options(self, size: int, set_aside: object) -> dict:
        return {
            # Rows are numbered only when read by one thread.
            "read_options": pa.csv.ReadOptions(use_threads=False, block_size=size + 1, column_names=list(self.names)),
            "parse_options": pa.csv.ParseOptions(
                delimiter=self.separator,
                quote_char='"' if self.quoted else False,
                newlines_in_values=self.quoted,
                invalid_row_handler=set_aside,
            ),
            # No column may be guessed to be a number: `007` and `1e5` are ids. The bytes are known to be UTF-8.
            "convert_options": pa.csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        }


def _only(lines: Lines, rows: Rows, chosen: LineSet) -> tuple[Lines, np.ndarray]:
    """The lines of the rows that begin on chosen ones, and which of them begin a row."""
    begin = np.maximum.accumulate(np.where(rows.first, np.arange(len(lines)), 0))
    kept = chosen.contains(lines.numbers[begin]) & ~rows.stray
    return lines.kept(kept), rows.first[kept]


def _up_to_open(
    lines: Lines, rows: Rows, flaws: np.ndarray, block: Lines, blocks: LineBlocks
) -> tuple[Lines, Rows, np.ndarray]:
    """What stands before a row that may go on in the next block; it and what follows are read again then."""
    end = int(np.searchsorted(block.numbers, lines.numbers[rows.open]))
    blocks.take_back(block, end)
    lines = lines.kept(np.arange(len(lines)) < rows.open)
    return lines, Rows(rows.first[: rows.open], rows.stray[: rows.open]), flaws[:end]


def _no_rows(names: tuple[str, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], list(names))
