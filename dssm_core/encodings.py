"""Which encoding a text file is in, and which of its lines are not.

UTF-8 and GB18030 cannot always be told apart: a line of a few Chinese characters in GB18030 may well be UTF-8 of
Latin, Greek or Arabic letters, and two Chinese characters of UTF-8 are three rare ones of GB18030. A line of the wrong
encoding must not pass for one of the right, so a line that fits both is judged by its fields:

- three or four bytes that make one character of UTF-8 (all of Chinese) are UTF-8: GB18030 text has such a run of
  bytes by chance about once in 20,000 short fields;
- a field whose only other letters are pairs of bytes fits both. It is likelier GB18030 where the pairs are all of
  GB2312 and no accents within a Latin word (`naïve`) nor a sign beside letters or digits (`20°C`); else UTF-8.
  The unlikely is believed only of a file in which some other line surely is of the other encoding.

What is read as if nothing were wrong: such fields in a file where nothing else tells that encodings are mixed.
"""

import codecs
import re
from collections import Counter
from collections.abc import Callable
from itertools import islice

import numpy as np
import pyarrow as pa

from dssm_core.errors import UserError
from dssm_core.text_lines import Lines

UTF_16 = ("utf-16-le", "utf-16-be")

_GB = ("gb18030", "gbk", "gb2312")
_JUDGED_LINES = 2000

_HIGH = rb"[\x80-\xff]"
_PAIR = rb"[\xc2-\xdf][\x80-\xbf]"
_LONGER = rb"(?:[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
# A whole run of high bytes that is UTF-8, with a character of three or four bytes in it.
_SURE_UTF_8 = re.compile(rb"(?<!%b)(?:%b)*%b(?:%b|%b)*(?!%b)" % (_HIGH, _PAIR, _LONGER, _PAIR, _LONGER, _HIGH))
# A whole run of high bytes that is UTF-8 and GB18030.
_EITHER = re.compile(rb"(?<!%b)(?:%b)+(?!%b)" % (_HIGH, _PAIR, _HIGH))
_GB_2312 = re.compile(rb"(?:[\xc2-\xdf][\xa1-\xbf])+")
_ACCENTS = re.compile(rb"(?:[\xc3-\xc9][\x80-\xbf])+")
# Pairs of one script each: Latin, Greek, Cyrillic, Hebrew, Arabic.
_SCRIPT = re.compile(
    rb"(?:[\xc2-\xc5][\x80-\xbf])+|(?:[\xce\xcf][\x80-\xbf])+|(?:[\xd0\xd1][\x80-\xbf])+"
    rb"|(?:\xd7[\x80-\xbf])+|(?:[\xd8-\xdb][\x80-\xbf])+"
)
_FIELD_ENDS = re.compile(rb'[\t,;|"]')
_GB_FIELD_ENDS = re.compile(rb'[\t,;"]')  # | may be half a character
_ALPHANUMERIC = re.compile(rb"[0-9A-Za-z]")
_LETTER = re.compile(rb"[A-Za-z]")
_SWAPPED_LINE_END = re.compile("\u0a00".encode())  # no character: a line feed of UTF-16 after a byte was lost or added


def checked_encoding(name: str) -> str:
    """Python's name for an encoding; a UserError for one that is unknown or whose line ends are not those of ASCII."""
    try:
        known = codecs.lookup(name).name
        if known in ("utf-8-sig", "utf-16"):
            return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}[known]
        if known in UTF_16 or "\r\n".encode(known) == b"\r\n":
            return known
    except (LookupError, UnicodeError):
        pass
    raise UserError(f"unknown encoding {name!r}: expected a name such as utf-8, gb18030, utf-16-le, big5 or latin-1")


def told_encoding(sample: bytes) -> str:
    """UTF-8 or GB18030: the one that most of the lines of a sample are likelier in, UTF-8 where there is no telling."""
    lines = islice((line for line in sample.splitlines() if not line.isascii()), _JUDGED_LINES)
    votes = Counter(map(_likelier, lines))
    return "gb18030" if votes["gb18030"] > votes["utf-8"] else "utf-8"


def readable(line: bytes, encoding: str) -> str:
    r"""A line as text: in UTF-8 where it is, for GB18030 text hardly ever is; bytes of neither encoding as `\xNN`."""
    if encoding in UTF_16 or (encoding in _GB and is_in(line, "utf-8")):
        encoding = "utf-8"
    return line.decode(encoding, "backslashreplace")


class EncodingCheck:
    """Finds the lines of a file that are not in its encoding.

    `named`: a person named the encoding; then only lines that are surely in another are found, not the doubtful ones.
    `is_mixed` tells whether any line of the whole file surely is: it is asked once, at the first line that is likelier
    in the file's encoding, but might be in the other.
    """

    def __init__(self, encoding: str, named: bool, is_mixed: Callable[[], bool]):
        self._encoding = encoding
        self._named = named
        self._is_mixed = is_mixed
        self._mixed: bool | None = None
        self._chinese = 0

    def foreign(self, lines: Lines) -> np.ndarray:
        """Which lines are of another encoding, or begin with a byte order mark within the file: (lines,) bool."""
        if lines.data.isascii():
            return np.zeros(len(lines), bool)
        found = surely_foreign(lines, self._encoding)
        if found.any():
            self._mixed = True
        if not self._named and self._encoding == "utf-8":
            found |= self._doubtful_in_utf_8(lines)
        elif not self._named and self._encoding in _GB:
            found |= self._doubtful_in_gb18030(lines)
        return found | _begins_with_a_mark(lines, self._encoding)

    def _doubtful_in_utf_8(self, lines: Lines) -> np.ndarray:
        """Lines that might be GB18030, in a file with more Chinese than letters of two bytes."""
        found = np.zeros(len(lines), bool)
        codes = np.frombuffer(lines.data, np.uint8)
        high = codes[codes >= 0x80]
        of_two = np.count_nonzero(high - np.uint8(0xC2) < 0x1E)
        self._chinese += np.count_nonzero((high - np.uint8(0xE4)) < 6) - of_two
        if self._chinese < 0 or not of_two:
            return found
        pairs = np.flatnonzero(codes - np.uint8(0xC2) < 0x1E)
        begins_run = (pairs == 0) | (codes[pairs - 1] < 0x80)
        for i in np.unique(lines.which(pairs[begins_run])):
            kind = doubt(lines[i])
            found[i] = kind == "strong" or (kind == "weak" and self._known_mixed())
        return found

    def _doubtful_in_gb18030(self, lines: Lines) -> np.ndarray:
        """Lines that might be UTF-8: accents within words, and pairs of bytes that are no usual ones of GB18030."""
        found = _lines_with(_EITHER, lines, _has_likelier_utf_8)
        return found if found.any() and self._known_mixed() else np.zeros(len(lines), bool)

    def _known_mixed(self) -> bool:
        if self._mixed is None:
            self._mixed = self._is_mixed()
        return self._mixed


def surely_foreign(lines: Lines, encoding: str) -> np.ndarray:
    """Which lines cannot be in an encoding, or are of UTF-8 and no GB18030: (lines,) bool."""
    if lines.data.isascii():
        return np.zeros(len(lines), bool)
    found = _undecodable(lines, encoding)
    if encoding in UTF_16:
        swapped = [match.start() for match in _SWAPPED_LINE_END.finditer(lines.data)]
        found |= lines.where(np.array(swapped, np.int64))
    elif encoding in _GB:
        found |= _lines_with(_SURE_UTF_8, lines, _has_utf_8)
    return found


def _undecodable(lines: Lines, encoding: str) -> np.ndarray:
    if encoding in UTF_16:
        encoding = "utf-8"
    if _is_utf_8(lines.data) if encoding == "utf-8" else is_in(lines.data, encoding):
        return np.zeros(len(lines), bool)
    return np.array([not is_in(lines[i], encoding) for i in range(len(lines))], bool)


def doubt(line: bytes) -> str | None:
    """Whether a line of UTF-8 might be GB18030: "strong" where that is likelier, "weak" where not; None: it cannot."""
    doubts = {_doubt(field) for field in _FIELD_ENDS.split(line) if not field.isascii()}
    return "strong" if "strong" in doubts else "weak" if "weak" in doubts else None


def _doubt(field: bytes) -> str | None:
    runs = list(_EITHER.finditer(field))
    if not runs or not _EITHER.sub(b"", field).isascii():
        return None
    if not all(_GB_2312.fullmatch(run.group()) for run in runs) or all(_is_in_a_word(field, run) for run in runs):
        return "weak"
    single = all(len(run.group()) == 2 for run in runs)
    return "weak" if single and _ALPHANUMERIC.search(field) else "strong"


def _is_in_a_word(field: bytes, run: re.Match) -> bool:
    beside = field[max(run.start() - 1, 0) : run.start()] + field[run.end() : run.end() + 1]
    return bool(_ACCENTS.fullmatch(run.group()) and _LETTER.search(beside))


def _has_utf_8(line: bytes) -> bool:
    """Whether a field is UTF-8 as a whole, and no GB18030 but by chance."""
    return any(_SURE_UTF_8.search(field) and is_in(field, "utf-8") for field in _GB_FIELD_ENDS.split(line))


def _has_likelier_utf_8(line: bytes) -> bool:
    fields = [field for field in _GB_FIELD_ENDS.split(line) if not field.isascii() and is_in(field, "utf-8")]
    return any(
        not _GB_2312.fullmatch(run.group()) or _is_in_a_word(field, run)
        for field in fields
        for run in _EITHER.finditer(field)
    )


def _likelier(line: bytes) -> str | None:
    """Which encoding a line is likelier in, or None where there is no telling."""
    if not is_in(line, "utf-8"):
        return "gb18030" if is_in(line, "gb18030") and not _has_utf_8(line) else None
    if doubt(line) != "strong":
        return "utf-8"
    return None if all(_SCRIPT.fullmatch(run) for run in _EITHER.findall(line)) else "gb18030"


def _begins_with_a_mark(lines: Lines, encoding: str) -> np.ndarray:
    """Lines that begin as a file does: the parser would take the mark away."""
    mark = "\ufeff".encode("utf-8" if encoding in UTF_16 else encoding, "ignore")
    if not mark:
        return np.zeros(len(lines), bool)
    found = np.frombuffer(lines.data, np.uint8)[lines.starts] == mark[0]
    for i in np.flatnonzero(found):
        found[i] = lines[i].startswith(mark)
    return found


def _lines_with(pattern: re.Pattern, lines: Lines, test: Callable[[bytes], bool]) -> np.ndarray:
    """The lines with a run of high bytes that matches a pattern of UTF-8, of which a test holds too: (lines,) bool."""
    starts = _utf_8_starts(lines.data)
    found = lines.where(np.array([start for start in starts if pattern.match(lines.data, start)], np.int64))
    for i in np.flatnonzero(found):
        found[i] = test(lines[i])
    return found


def _utf_8_starts(data: bytes) -> list[int]:
    """Where runs of high bytes start that may be UTF-8, by their first three bytes: faster than any pattern."""
    codes = np.frombuffer(b"\0" + data + b"\0\0", np.uint8)
    before, first, second, third = codes[:-3], codes[1:-2], codes[2:-1], codes[3:]
    pair = (first < 0xE0) & ((third < 0x80) | (third >= 0xC2))
    longer = (first >= 0xE0) & (third >= 0x80) & (third < 0xC0)
    starts = (before < 0x80) & (first >= 0xC2) & (second >= 0x80) & (second < 0xC0) & (pair | longer)
    return np.flatnonzero(starts).tolist()


def _is_utf_8(data: bytes) -> bool:
    """Whether all of some bytes are UTF-8: faster than to decode them."""
    offsets = pa.py_buffer(np.array([0, len(data)], np.int32))
    try:
        pa.StringArray.from_buffers(1, offsets, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_in(data: bytes, encoding: str) -> bool:
    """Whether all of some bytes are in an encoding."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
