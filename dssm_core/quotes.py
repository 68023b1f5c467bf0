"""Which lines of a text file make one row: a quoted field may hold line ends, and a stray quote must not swallow rows.

A field is quoted where its first character is a quote; quotes elsewhere in a field are characters as others. A row
goes on over lines only where that is plausible: it is whole by the line that next has an odd number of quotes, has as
many fields as there are columns, is not too long, and none of the lines within it looks like a row of its own. Else the
line whose quote is not closed is set aside alone, and the next one begins a new row.
"""

import re
from dataclasses import dataclass

import numpy as np

from dssm_core.text_lines import MOST_ROW_BYTES, Lines

_QUOTE = ord('"')
_SHAPE_LINES = 100
_SPACE = re.compile(rb"\s")


@dataclass
class Rows:
    """Which lines make rows.

    `first` (lines,) bool: the line begins a row. `stray` (lines,) bool: it is none, for its quotes. `open`: the line
    with a quote that may yet be closed by lines that are still to come, or None; it and what follows it are neither.
    """

    first: np.ndarray
    stray: np.ndarray
    open: int | None = None


class FieldPattern:
    """Takes rows apart by a separator and quotes."""

    def __init__(self, separator: str):
        away = re.escape(separator.encode())
        self._field = re.compile(rb'("[^"]*+(?:""[^"]*+)*+"|(?!")[^%b\r\n]*+)(%b|\Z)' % (away, away))
        self._unclosed = re.compile(rb'"[^"]*+(?:""[^"]*+)*+\Z')

    def split(self, row: bytes) -> list[bytes] | None:
        """The fields of a row, quotes kept; None where a quote is not closed or stands at a wrong place."""
        fields, at = self._split(row)
        return fields if at is None else None

    def is_open(self, row: bytes) -> bool:
        """Whether only the last quote of a row is not closed."""
        _, at = self._split(row)
        return at is not None and self._unclosed.match(row, at) is not None

    def _split(self, row: bytes) -> tuple[list[bytes], int | None]:
        """The fields, and where there is none that can be taken, or None."""
        fields, at = [], 0
        while match := self._field.match(row, at):
            fields.append(match[1])
            at = match.end()
            if not match[2]:
                return fields, None
        return fields, at


class _Shape:
    """What rows look like: the number of their columns, and which of these ever hold white space."""

    def __init__(self, lines: Lines, fields: FieldPattern, columns: int):
        self._fields = fields
        rows = (fields.split(lines[i]) for i in range(min(len(lines), _SHAPE_LINES)))
        rows = [row for row in rows if row is not None and len(row) == columns]
        columns_of_rows = zip(*rows, strict=True) if rows else [[b" "]] * columns
        self._spaced = [any(map(_SPACE.search, texts)) for texts in columns_of_rows]

    def fits(self, line: bytes) -> bool:
        """Whether a line looks like a row."""
        fields = self._fields.split(line)
        if fields is None or len(fields) != len(self._spaced):
            return False
        return all(spaced or not _SPACE.search(text) for text, spaced in zip(fields, self._spaced, strict=True))


def lone_rows(lines: Lines) -> Rows:
    """Every line as a row of its own."""
    return Rows(np.ones(len(lines), bool), np.zeros(len(lines), bool))


def whole_rows(lines: Lines, separator: str, columns: int, final: bool) -> Rows:
    """Find the rows of a block of lines; `final` where no lines follow. A line without a quote is a row."""
    rows = lone_rows(lines)
    quotes = np.flatnonzero(np.frombuffer(lines.data, np.uint8) == _QUOTE)
    suspects = _suspects(lines, quotes, separator)
    if not len(suspects):
        return rows
    fields, odd, end = FieldPattern(separator), _odd_lines(lines, quotes), 0
    shape = _Shape(lines, fields, columns)
    for i in suspects:
        if i < end or fields.split(lines[i]) is not None:
            continue
        later = odd[np.searchsorted(odd, i, side="right") :]
        is_open = fields.is_open(lines[i])
        if is_open and not len(later) and not final and len(lines.data) - lines.starts[i] <= MOST_ROW_BYTES:
            rows.open = int(i)
            rows.first[i:] = False
            break
        if is_open and len(later) and _is_one_row(lines, i, later[0], fields, shape, columns):
            end = later[0] + 1
            rows.first[i + 1 : end] = False
        else:
            rows.first[i], rows.stray[i] = False, True
    return rows


def _suspects(lines: Lines, quotes: np.ndarray, separator: str) -> np.ndarray:
    """The lines that hold a quoted field, but not only whole ones: their quotes do not open and close by turns."""
    if not len(quotes):
        return quotes
    codes = np.frombuffer(lines.data + b"\n", np.uint8)
    line = lines.which(quotes)
    opens = (np.arange(len(quotes)) - np.searchsorted(line, line)) % 2 == 0
    doubled = np.append(False, np.diff(quotes) == 1) & ~np.append(True, np.diff(line) > 0)
    begins = (quotes == lines.starts[line]) | (codes[quotes - 1] == ord(separator))
    ends = (quotes + 1 == lines.ends[line]) | np.isin(codes[quotes + 1], [ord(separator), _QUOTE])
    is_bad = np.where(opens, ~(begins | doubled), ~ends)
    bad = np.union1d(line[is_bad], _odd_lines(lines, quotes))
    return np.intersect1d(bad, line[begins])


def _odd_lines(lines: Lines, quotes: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.bincount(lines.which(quotes), minlength=len(lines)) % 2)


def _is_one_row(lines: Lines, i: int, j: int, fields: FieldPattern, shape: _Shape, columns: int) -> bool:
    """Whether the lines from i to j can only be one row."""
    row = lines.data[lines.starts[i] : lines.ends[j]]
    if len(row) > MOST_ROW_BYTES or lines.numbers[j] - lines.numbers[i] != j - i:
        return False
    found = fields.split(row)
    if found is None or len(found) != columns or any(shape.fits(lines[k]) for k in range(i + 1, j)):
        return False
    return not all(shape.fits(lines[k].replace(b'"', b"")) for k in (i, j))
