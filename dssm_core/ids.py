"""Numbers for ids."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_WORD = 8
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(_WORD + 1)], np.uint64)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio: Fibonacci hashing (Knuth, TAOCP 3, 6.4)
_HALF = np.uint64(32)
_LONG = 64
"""Bytes of a text; the hash of a longer one is Python's own, or a few long ones would cost a step for each word."""


class Ids:
    """Numbers ids from 1 in the order in which they are first met; 0 is the unknown id "".

    A hash table that takes each step for many ids at once: the texts of all ids stand in one array, and the number of
    each in the table, at the place that its hash names or, where that is taken, at the next one that was free.
    """

    def __init__(self):
        self._texts = pa.array([""], pa.large_string())
        self._table = _table(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def texts(self) -> pa.Array:
        """Every id in the order of their numbers, "" first: (ids,) large_string."""
        return self._texts

    def find(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, 0 where it was never met: (n,) int32."""
        texts = ids.cast(pa.large_string())
        found, rest, places = np.zeros(len(texts), np.int32), np.arange(len(texts)), _places(texts, self._table)
        while len(rest):
            there = self._table[places]
            same = pc.equal(self._texts.take(pa.array(np.maximum(there, 0))), texts).to_numpy(zero_copy_only=False)
            found[rest[same]] = there[same]
            goes_on = ~same & (there >= 0)
            rest, texts, places = rest[goes_on], texts.filter(pa.array(goes_on)), _next(places[goes_on], self._table)
        return found

    def number(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, new ones added: (n,) int32."""
        found = self.find(ids)
        unmet = found == 0
        if unmet.any():
            others = ids.filter(pa.array(unmet))
            self._add(others.unique())
            found[unmet] = self.find(others)
        return found

    def _add(self, ids: pa.Array) -> None:
        """Number ids that are distinct and were never met; "" may be among them."""
        known = len(self._texts)
        added = ids.filter(pc.not_equal(ids, "")).cast(pa.large_string())
        self._texts = pa.concat_arrays([self._texts, added])
        if 2 * len(self._texts) > len(self._table):
            self._table = _table(self._texts)
        else:
            _put(self._table, added, known)


def _table(texts: pa.Array) -> np.ndarray:
    """A table of the numbers of distinct texts, -1 where it is free, which more than half of it is: int32."""
    table = np.full(1 << (4 * len(texts) - 1).bit_length(), -1, np.int32)
    _put(table, texts, 0)
    return table


def _put(table: np.ndarray, texts: pa.Array, first: int) -> None:
    """Write the numbers of distinct texts, from `first` on, into a table."""
    numbers, places = np.arange(first, first + len(texts), dtype=np.int32), _places(texts, table)
    while len(numbers):
        free = table[places] < 0
        table[places[free]] = numbers[free]
        lost = table[places] != numbers
        numbers, places = numbers[lost], _next(places[lost], table)


def _places(texts: pa.Array, table: np.ndarray) -> np.ndarray:
    """Where in a table to look for texts first: (n,) int64."""
    return (_hashes(texts) & np.uint64(len(table) - 1)).astype(np.int64)


def _next(places: np.ndarray, table: np.ndarray) -> np.ndarray:
    return (places + 1) & (len(table) - 1)


def _hashes(texts: pa.Array) -> np.ndarray:
    """A hash of each of some large_strings, eight bytes at a time: (n,) uint64."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64, len(texts) + 1, _WORD * texts.offset)
    data = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]
    data = np.concatenate([data, np.zeros(_WORD, np.uint8)])
    words = np.ndarray(len(data) - _WORD + 1, "<u8", data, strides=(1,))  # the one that begins at each byte
    starts, left = ends[:-1] - ends[0], np.diff(ends)
    hashes, is_long = left.astype(np.uint64), left > _LONG
    hashes[is_long] = np.array([hash(text) for text in texts.filter(pa.array(is_long)).to_pylist()], np.int64).view(
        np.uint64
    )
    rows = np.flatnonzero(~is_long)
    starts, left = starts[rows], left[rows]
    while len(rows):
        mixed = (hashes[rows] ^ (words[starts] & _MASKS[np.minimum(left, _WORD)])) * _SPREAD
        hashes[rows] = mixed ^ (mixed >> _HALF)
        longer = left > _WORD
        rows, starts, left = rows[longer], starts[longer] + _WORD, left[longer] - _WORD
    return hashes
