"""What a text file starts with, and what that tells: its encoding, separator and header."""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from dssm_core.byte_source import ByteSource, byte_source
from dssm_core.encodings import checked_encoding, is_in, readable, told_encoding
from dssm_core.errors import UserError
from dssm_core.file_kinds import refuse_no_table, refuse_no_text

_SEPARATORS = (",", "\t", ";", "|")
_HEAD_BYTES = 1 << 16
_HEAD_LINES = 100
_SAMPLE_BYTES = 1 << 20
_MOST_SAMPLES = 32
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*")


class Head(NamedTuple):
    """What a text file starts with: how many blank lines, the first lines after them (at least one); its encoding."""

    blank: int
    lines: list[str]
    encoding: str


def head(path: Path, encoding: str | None = None) -> Head:
    """Look at the beginning of a text file, told to be in `encoding`; a UserError where there is no row."""
    with byte_source(path) as source:
        refuse_no_table(path, source.read(_HEAD_BYTES))
    encoding = checked_encoding(encoding) if encoding else _look_for_encoding(path)
    with byte_source(path, encoding) as source:
        start = source.read(_HEAD_BYTES)
        is_all = len(start) < _HEAD_BYTES
    lines = start.splitlines()
    blank = next((i for i, line in enumerate(lines) if line), None)
    if blank is None:
        raise UserError(f"{path} is empty: expected at least one row")
    lines = lines[blank : blank + _HEAD_LINES + 1]
    whole = lines if is_all else lines[:-1] or lines
    return Head(blank, [readable(line, encoding) for line in whole[:_HEAD_LINES] if line], encoding)


def _look_for_encoding(path: Path) -> str:
    """By the byte order mark, else by the first lines that are not ASCII."""
    with byte_source(path) as source:
        if source.mark:
            return source.mark
        for _ in range(_MOST_SAMPLES):
            sample = source.read(_SAMPLE_BYTES)
            if not sample:
                break
            _refuse_unmarked_utf_16(path, sample)
            if not sample.isascii():
                lines = _lines_around(sample, source)
                if not is_in(lines, "utf-8"):
                    refuse_no_text(path, lines)
                return told_encoding(lines)
    return "utf-8"


def _refuse_unmarked_utf_16(path: Path, sample: bytes) -> None:
    first, _, _ = sample.lstrip(b"\r\n\0").partition(b"\n")
    if len(first) > 2 and 0.4 < first.count(0) / len(first) < 0.6:
        raise UserError(f"{path} looks like UTF-16 without a mark: name its encoding, utf-16-le or utf-16-be")


def _lines_around(sample: bytes, source: ByteSource) -> bytes:
    """The sample and what follows it, cut at the end of a line unless the file ends there."""
    more = source.read(_SAMPLE_BYTES)
    sample += more
    return sample if len(more) < _SAMPLE_BYTES else sample[: sample.rfind(b"\n") + 1] or sample


def told_separator(path: Path, lines: list[str]) -> str:
    """The separator that the first line has most of, outside of quotes; a tab where the file's name says so."""
    if path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab")):
        return "\t"
    counts = Counter(re.sub(r'"[^"]*"', "", lines[0]))
    return max(_SEPARATORS, key=counts.__getitem__)


def parsed_rows(lines: list[str], separator: str) -> list[list[str]]:
    """Some lines taken apart, for looking at them."""
    return [next(csv.reader([line], delimiter=separator)) for line in lines]


def is_header(rows: list[list[str]]) -> bool:
    """Whether the first of some rows looks like names: it has no number, or fewer than there are columns of numbers."""
    first, *others = ([_NUMBER.fullmatch(field) is not None for field in row] for row in rows)
    numeric = [column for column in zip(*others, strict=False) if all(column)]
    return not any(first) or len(numeric) > sum(first)
