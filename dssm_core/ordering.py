"""Sorting whole numbers by several keys."""

import numpy as np


def stable_order(*keys: np.ndarray) -> np.ndarray:
    """The order that sorts rows by the first of some keys, then the next, …; equal rows stay as they stand: (n,) int64.

    Each key is (n,) whole numbers. As `np.lexsort` of the keys in reverse, and several times faster: each number is
    sorted together with its place in one word, where both fit.
    """
    *firsts, last = keys
    order = _order(last)
    for key in reversed(firsts):
        order = order[_order(key[order])]
    return order


def _order(key: np.ndarray) -> np.ndarray:
    if not len(key):
        return np.zeros(0, np.int64)
    bits, lowest = len(key).bit_length(), int(key.min())
    if (int(key.max()) - lowest).bit_length() + bits > 63:
        return np.argsort(key, kind="stable")
    return np.sort((key.astype(np.int64) - lowest) << bits | np.arange(len(key))) & ((1 << bits) - 1)
