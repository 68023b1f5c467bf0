"""A set of line numbers of a file of any length."""

import numpy as np


class LineSet:
    """Line numbers from 0 to `last`, a bit each."""

    def __init__(self, last: int):
        self._bits = np.zeros(last // 8 + 1, np.uint8)

    def __bool__(self) -> bool:
        return bool(self._bits.any())

    def add(self, lines: np.ndarray) -> None:
        """Add some lines: (n,) int64."""
        np.bitwise_or.at(self._bits, lines >> 3, (1 << (lines & 7)).astype(np.uint8))

    def contains(self, lines: np.ndarray) -> np.ndarray:
        """Whether each line is in the set: (n,) bool. Lines behind the last are not."""
        bits = self._bits[np.minimum(lines >> 3, len(self._bits) - 1)]
        return (bits >> (lines & 7).astype(np.uint8) & 1).astype(bool) & (lines >> 3 < len(self._bits))
