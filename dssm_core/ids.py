"""Numbers for ids."""

import copy
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_WORD = 8
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(_WORD + 1)], np.uint64)
_TOP, _HALF = np.uint64(56), np.uint64(32)
_HASHED = np.uint64(0xFF << 56)
"""The keys from here on are hashes; those below are short texts themselves."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio: Fibonacci hashing (Knuth, TAOCP 3, 6.4)
_LONG = 64
"""Bytes of a text; a longer one is hashed by a library, or a few long ones would cost a step for each word."""


class Ids:
    """Numbers ids from 1 in the order in which they are first met; 0 is the unknown id "".

    A hash table that takes each step for many ids at once: the texts and keys of all ids stand in arrays, and the
    number of each in the table, at the place that its key names or, where that is taken, at the next one that was free.
    """

    def __init__(self):
        self._texts = pa.array([""], pa.large_string())
        self._keys = _keys(self._texts)
        self._table = _table(self._keys)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def texts(self) -> pa.Array:
        """Every id in the order of their numbers, "" first: (ids,) large_string."""
        return self._texts

    def copy(self) -> "Ids":
        """The same numbers; ids that are added to one of the two are not added to the other."""
        other = copy.copy(self)
        other._table = self._table.copy()
        return other

    def find(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, 0 where it was never met: (n,) int32."""
        keys = _keys(ids)
        found, rest, places = np.zeros(len(keys), np.int32), np.arange(len(keys)), _places(keys, self._table)
        while len(rest):
            there = self._table.take(places, mode="clip")  # every place is within it: "clip" saves the check
            same = (there >= 0) & (self._keys.take(there, mode="clip") == keys)
            hashed = np.flatnonzero(same & (keys >= _HASHED))
            same[hashed] = self._are(there[hashed], ids.take(pa.array(rest[hashed])))
            found[rest] = there * same
            goes_on = np.flatnonzero(~same & (there >= 0))
            rest, keys, places = rest[goes_on], keys[goes_on], _next(places[goes_on], self._table)
        return found

    def number(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, new ones added: (n,) int32."""
        found = self.find(ids)
        unmet = found == 0
        if unmet.any():
            distinct = ids.filter(pa.array(unmet)).dictionary_encode()
            found[unmet] = self._add(distinct.dictionary)[distinct.indices.to_numpy()]
        return found

    def _are(self, numbers: np.ndarray, ids: pa.Array) -> np.ndarray:
        texts = self._texts.take(pa.array(numbers))
        return pc.equal(texts, ids.cast(pa.large_string())).to_numpy(zero_copy_only=False)

    def _add(self, ids: pa.Array) -> np.ndarray:
        """Number ids that are distinct and were never met; "" may be among them. Returns their numbers: (n,) int32."""
        known, is_text = len(self._texts), pc.not_equal(ids, "")
        added = ids.filter(is_text).cast(pa.large_string())
        self._texts = pa.concat_arrays([self._texts, added])
        self._keys = np.concatenate([self._keys, _keys(added)])
        if 2 * len(self._keys) > len(self._table):
            self._table = _table(self._keys)
        else:
            _put(self._table, self._keys, known)
        numbers = np.zeros(len(ids), np.int32)
        numbers[is_text.to_numpy(zero_copy_only=False)] = np.arange(known, len(self._texts))
        return numbers


def _table(keys: np.ndarray) -> np.ndarray:
    """A table of the numbers of distinct ids, -1 where it is free, which more than half of it is: int32."""
    table = np.full(1 << (4 * len(keys) - 1).bit_length(), -1, np.int32)
    _put(table, keys, 0)
    return table


def _put(table: np.ndarray, keys: np.ndarray, first: int) -> None:
    """Write the numbers of distinct ids, from `first` on, into a table; `keys` are those of all."""
    numbers, places = np.arange(first, len(keys), dtype=np.int32), _places(keys[first:], table)
    while len(numbers):
        free = table[places] < 0
        table[places[free]] = numbers[free]
        lost = table[places] != numbers
        numbers, places = numbers[lost], _next(places[lost], table)


def _places(keys: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Where in a table to look for ids first: (n,) int64."""
    return (_mixed(keys) & np.uint64(len(table) - 1)).astype(np.int64)


def _next(places: np.ndarray, table: np.ndarray) -> np.ndarray:
    return (places + 1) & (len(table) - 1)


def _mixed(words: np.ndarray) -> np.ndarray:
    products = (words ^ (words >> _HALF)) * _SPREAD
    return products ^ (products >> _HALF)


def _keys(ids: pa.Array) -> np.ndarray:
    """A word for each id, (n,) uint64: its bytes and their number where they are less than eight, else a hash."""
    texts = ids.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64, len(texts) + 1, _WORD * texts.offset)
    data = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]
    data = np.concatenate([data, np.zeros(_WORD, np.uint8)])
    words = np.ndarray(len(data) - _WORD + 1, "<u8", data, strides=(1,))  # the one that begins at each byte
    starts, lengths = ends[:-1] - ends[0], np.diff(ends)
    keys = words[starts] & _MASKS[np.minimum(lengths, _WORD)] | lengths.astype(np.uint64) << _TOP
    rows = np.flatnonzero(lengths >= _WORD)
    keys[rows] = _hashes(words, starts[rows], lengths[rows]) | _HASHED
    longest = np.flatnonzero(lengths > _LONG)
    keys[longest] = np.array([_digest(text) for text in texts.take(pa.array(longest)).to_pylist()], np.uint64) | _HASHED
    return keys


def _digest(text: str) -> int:
    """A hash that is the same in every process, unlike Python's own: ids may be sent from one to another."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_WORD).digest())


def _hashes(words: np.ndarray, starts: np.ndarray, left: np.ndarray) -> np.ndarray:
    """A hash of the first `_LONG` bytes and the length of each of some texts, eight bytes at a time: (n,) uint64."""
    hashes, rows = left.astype(np.uint64), np.arange(len(left))
    left = np.minimum(left, _LONG)
    while len(rows):
        hashes[rows] = _mixed(hashes[rows] ^ (words[starts] & _MASKS[np.minimum(left, _WORD)]))
        longer = left > _WORD
        rows, starts, left = rows[longer], starts[longer] + _WORD, left[longer] - _WORD
    return hashes
