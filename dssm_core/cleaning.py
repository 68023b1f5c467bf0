"""Turns texts into numbers and clicks, and says of every row whether it is accepted or why it is set aside."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.dataset import UNKNOWN
from dssm_core.errors import UserError

REASONS = (
    "row too long",
    "NUL byte",
    "bad encoding",
    "bad quotes",
    "ragged row",
    "no labels",
    "empty list",
    "missing id",
    "bad time",
    "bad click",
    "bad split",
    "bad history",
    "created after exposure",
    "duplicate",
)
"""Why a row is set aside: the first of these that holds of it."""

SPLITS = ("train", "validation", "test")
"""The values of a log's own `split` column."""

NO_VALUE = -1
"""Stands for an optional number that is missing or cannot be read."""

_CLICKED = pa.array(["1", "1.0", "true", "True", "TRUE"])
_NOT_CLICKED = pa.array(["0", "0.0", "false", "False", "FALSE"])
_INTEGER = r"^-?([0-9]{1,18}|[0-8][0-9]{18}|9[01][0-9]{17})$"  # in 64 bits, whatever the last digits
_NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
_OFFSET_BYTES = 4  # of a text in an array of strings
_PROBABILITY = r"[^:,]+:[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?"


class Verdicts:
    """The first reason to set each row of a batch aside, or none."""

    def __init__(self, rows: int):
        self._codes = np.zeros(rows, np.uint8)

    def reject(self, bad: np.ndarray, reason: str) -> None:
        """Set aside the rows where `bad` ((rows,) bool) holds, unless they already are."""
        self._codes[bad & self.accepted] = REASONS.index(reason) + 1

    @property
    def accepted(self) -> np.ndarray:
        """(rows,) bool."""
        return self._codes == 0

    @property
    def reasons(self) -> np.ndarray:
        """The reasons of the rows set aside, in their order: (rows set aside,) str."""
        return np.array(REASONS)[self._codes[~self.accepted] - 1]


def matches(texts: pa.Array, pattern: str) -> np.ndarray:
    """Whether each text matches a regular expression: (n,) bool."""
    return _mask(pc.match_substring_regex(texts, pattern))


def is_missing(texts: pa.Array) -> np.ndarray:
    """Whether each id is empty: (n,) bool."""
    return _mask(pc.equal(texts, ""))


def to_integers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The integers in `texts`, (n,) int64, 0 where there is none, and whether there is one, (n,) bool.

    `12.0`, as a table that once held gaps writes it, is 12; no value goes through a float.
    """
    plain = _mask(pc.and_(pc.ascii_is_decimal(texts), pc.less_equal(pc.binary_length(texts), 18)))
    if plain.all():
        return texts.cast(pa.int64()).to_numpy(), plain
    values, ok = _plain_integers(texts, plain), plain.copy()
    values[~plain], ok[~plain] = _other_integers(texts.filter(pa.array(~plain)))
    return values, ok


def _plain_integers(texts: pa.Array, plain: np.ndarray) -> np.ndarray:
    """The integers of the texts where `plain` holds; no text is copied to leave out the others."""
    _, offsets, data = texts.buffers()
    offsets = offsets.slice(_OFFSET_BYTES * texts.offset)
    others_null = pa.StringArray.from_buffers(len(texts), offsets, data, pa.array(plain).buffers()[1])
    return others_null.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False, writable=True)


def _other_integers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """As `to_integers`, of any texts."""
    texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    whole = pc.match_substring_regex(texts, _INTEGER)
    return pc.if_else(whole, texts, "0").cast(pa.int64()).to_numpy(), _mask(whole)


def to_optional_integers(texts: pa.Array) -> np.ndarray:
    """The integers in `texts`, -1 where there is none: (n,) int64."""
    distinct = texts.dictionary_encode()
    values, ok = to_integers(distinct.dictionary)
    return np.where(ok, values, NO_VALUE)[distinct.indices.to_numpy()]


def to_numbers(texts: pa.Array) -> np.ndarray:
    """The numbers in `texts`, NaN where there is none: (n,) float64."""
    stripped = pc.utf8_trim_whitespace(texts)
    ok = pc.match_substring_regex(stripped, _NUMBER)
    return np.where(_mask(ok), pc.if_else(ok, stripped, "0").cast(pa.float64()).to_numpy(), np.nan)


def to_clicks(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Whether each text says clicked (1, true), and whether it says anything (0, 1, true, false): two (n,) bool."""
    distinct = texts.dictionary_encode()
    clicked = _mask(pc.is_in(distinct.dictionary, _CLICKED))
    known, rows = clicked | _mask(pc.is_in(distinct.dictionary, _NOT_CLICKED)), distinct.indices.to_numpy()
    return clicked[rows], known[rows]


def most_probable(texts: pa.Array) -> pa.Array:
    """The most probable label of texts such as `female:0.36,male:0.64`, or the first of them; malformed: "unknown"."""
    well_formed = pc.match_substring_regex(texts, f"^{_PROBABILITY}(,{_PROBABILITY})*$")
    lists = pc.split_pattern(pc.if_else(well_formed, texts, f"{UNKNOWN}:1"), ",")
    parts = pc.extract_regex(lists.flatten(), "^(?P<label>[^:]+):(?P<probability>.+)$")
    probabilities = pc.struct_field(parts, "probability").cast(pa.float64()).to_numpy()
    counts = pc.list_value_length(lists).to_numpy()
    if not len(counts):
        return texts
    starts = np.cumsum(counts) - counts
    highest = np.repeat(np.maximum.reduceat(probabilities, starts), counts)
    candidates = np.where(probabilities == highest, np.arange(len(probabilities)), len(probabilities))
    return pc.struct_field(parts, "label").take(pa.array(np.minimum.reduceat(candidates, starts)))


def duplicates(user: np.ndarray, article: np.ndarray, time: np.ndarray | None, click: np.ndarray) -> np.ndarray:
    """Whether each exposure repeats another of the same user, article and time: (n,) bool, over the whole log.

    Of those that are the same, the first clicked one stays, else the first. Without times, user and article decide.
    """
    keys = {"user": user, "article": article, **({} if time is None else {"time": time})}
    repeated = np.flatnonzero(pd.DataFrame(keys, copy=False).duplicated(keep=False))
    clicked_first = repeated[np.argsort(~click[repeated], kind="stable")]
    again = pd.DataFrame({name: values[clicked_first] for name, values in keys.items()}).duplicated()
    is_duplicate = np.zeros(len(user), dtype=bool)
    is_duplicate[clicked_first[again]] = True
    return is_duplicate


_COMPARISONS = {
    ">=": np.greater_equal,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
}
_COMPARISON = re.compile(r"\s*(?P<column>[^=<>!]+?)\s*(?P<sign>>=|<=|==|!=|>|<)\s*+(?![=<>!])(?P<value>.*?)\s*")


@dataclass(frozen=True)
class Comparison:
    """One part of a click rule: a column of the file, a sign and the value to compare with."""

    column: str
    sign: str
    value: str

    def holds(self, texts: pa.Array) -> np.ndarray:
        """Whether the comparison holds of each text: (n,) bool.

        A value that is a number is compared as one: a text that is no number is unlike it, neither above nor below.
        Any other value is compared letter by letter.
        """
        compare = _COMPARISONS[self.sign]
        number = to_numbers(pa.array([self.value]))[0]
        if not np.isnan(number):
            return compare(to_numbers(texts), number)
        return compare(texts.to_numpy(zero_copy_only=False).astype(object), self.value).astype(bool)


@dataclass(frozen=True)
class ClickRule:
    """Which rows of a log are clicks: those of which every comparison holds."""

    comparisons: tuple[Comparison, ...]

    @classmethod
    def parse(cls, text: str) -> "ClickRule":
        """Read a rule such as `rating>=4` or `answer==1 & removedAt==NA`; a UserError says what is wrong with it."""
        found = [_COMPARISON.fullmatch(part) for part in text.split("&")]
        if not all(found):
            raise UserError(
                f"cannot read the click rule {text!r}: expected a column, one of {' '.join(_COMPARISONS)} and a value, "
                f"such as rating>=4; join several with &"
            )
        return cls(tuple(Comparison(match["column"], match["sign"], match["value"]) for match in found))

    def clicked(self, columns: Mapping[str, pa.Array]) -> np.ndarray:
        """Whether each row is a click: (n,) bool. `columns` are texts by the file's own names."""
        return np.logical_and.reduce([part.holds(columns[part.column]) for part in self.comparisons])


def _mask(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False)
