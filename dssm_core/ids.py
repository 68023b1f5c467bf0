"""Numbers for ids."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa


class Ids:
    """Numbers ids from 1 in the order in which they are first met; 0 is the unknown id ""."""

    def __init__(self):
        self._numbers = {"": 0}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def find(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, 0 where it was never met: (n,) int32."""
        encoded, numbers = ids.dictionary_encode(), self._numbers
        found = [numbers.get(value, 0) for value in encoded.dictionary.to_pylist()]
        return np.array(found, np.int32)[encoded.indices.to_numpy()]

    def number(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, new ones added: (n,) int32."""
        encoded, numbers = ids.dictionary_encode(), self._numbers
        found = [numbers.setdefault(value, len(numbers)) for value in encoded.dictionary.to_pylist()]
        return np.array(found, np.int32)[encoded.indices.to_numpy()]
