"""The lines of a text file, a block at a time."""

from dataclasses import dataclass

import numpy as np

from dssm_core.byte_source import ByteSource, Utf16Source

MOST_ROW_BYTES = 1 << 20
"""A longer row is set aside."""

_BLOCK_BYTES = 4 << 20
_LF, _CR = 10, 13


@dataclass(frozen=True)
class Lines:
    """Some whole lines of a text file.

    `data`: their bytes. `starts` and `ends` (n,) int64: where each begins in `data`, and where it ends without its line
    end (LF, CR LF or CR). `numbers` (n,) int64: of the lines in the file, from 1.
    """

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    numbers: np.ndarray

    @classmethod
    def cut(cls, data: bytes, numbers: np.ndarray | None = None, first: int = 1) -> "Lines":
        """Cut some bytes at their line ends; `numbers` of the lines, or of the first of them."""
        codes = np.frombuffer(data, np.uint8)
        ends = stops = np.flatnonzero(codes == _LF)
        if b"\r" in data:
            is_alone = np.append(codes[1:], 0) != _LF
            stops = np.flatnonzero((codes == _LF) | ((codes == _CR) & is_alone))
            ends = stops - ((codes[stops] == _LF) & (stops > 0) & (codes[stops - 1] == _CR))
        starts = np.concatenate([[0], stops + 1])
        if starts[-1] == len(data):
            starts = starts[:-1]
        else:
            ends = np.append(ends, len(data))
        return cls(data, starts, ends, np.arange(first, first + len(starts)) if numbers is None else numbers)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, i: int) -> bytes:
        return self.data[self.starts[i] : self.ends[i]]

    def which(self, positions: np.ndarray) -> np.ndarray:
        """The line that holds each position in `data`: (n,) int64."""
        return np.searchsorted(self.starts, positions, side="right") - 1

    def where(self, positions: np.ndarray) -> np.ndarray:
        """Which lines hold one of some positions in `data`: (lines,) bool."""
        found = np.zeros(len(self), bool)
        found[self.which(positions)] = True
        return found

    @property
    def stops(self) -> np.ndarray:
        """Where each line ends, its line end included: (lines,) int64."""
        return np.append(self.starts, len(self.data))[1:]

    def kept(self, chosen: np.ndarray) -> "Lines":
        """The lines where `chosen` ((lines,) bool) holds."""
        if chosen.all():
            return self
        edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
        stops = self.stops
        runs = zip(self.starts[edges[::2]], stops[edges[1::2] - 1], strict=True)
        data = b"".join(self.data[begin:end] for begin, end in runs)
        lengths = (stops - self.starts)[chosen]
        starts = np.cumsum(lengths) - lengths
        return Lines(data, starts, starts + (self.ends - self.starts)[chosen], self.numbers[chosen])

    def transcoded(self, encoding: str) -> "Lines":
        """The lines in UTF-8; every one of them must be in `encoding`."""
        places = zip(self.starts, self.stops, strict=True)
        pieces = [self.data[start:stop].decode(encoding).encode() for start, stop in places]
        lengths = np.array([len(piece) for piece in pieces], np.int64)
        stops = np.cumsum(lengths)
        return Lines(b"".join(pieces), stops - lengths, stops - (self.stops - self.ends), self.numbers)


class LineBlocks:
    """Hands out the lines of a source in blocks of some megabytes."""

    def __init__(self, source: ByteSource | Utf16Source):
        self.final = False
        self._source = source
        self._rest = b""
        self._next = 1

    def read(self) -> Lines:
        """The next lines; `final` tells that there are no others. Of an endless line only the beginning is kept."""
        block, self._rest = self._cut_off()
        lines = Lines.cut(block, first=self._next)
        self._next += len(lines)
        return lines

    def take_back(self, lines: Lines, i: int) -> None:
        """Hand out the lines from line i of the last block on once more, with those that follow them."""
        self._rest = lines.data[lines.starts[i] :] + self._rest
        self._next = int(lines.numbers[i])

    def _cut_off(self) -> tuple[bytes, bytes]:
        """Whole lines, and what was read beyond them."""
        data, cut = self._rest, 0
        while not cut and not self.final:
            more = self._source.read(_BLOCK_BYTES)
            if end := _whole(more):  # as nearly always: then nothing is copied twice
                return b"".join((data, memoryview(more)[:end])), more[end:]
            self.final = not more
            data += more
            cut = len(data) if self.final else _whole(data)
            if not cut and len(data) > MOST_ROW_BYTES:
                data, cut = self._shortened(data)
        return data[:cut], data[cut:]

    def _shortened(self, data: bytes) -> tuple[bytes, int]:
        """The beginning of a line that is too long and what follows it, and where that begins."""
        beginning = data[: MOST_ROW_BYTES + 1] + b"\n"
        while not self.final:
            data = data[-1:] + self._source.read(_BLOCK_BYTES)
            self.final = len(data) < 2
            if cut := _first_whole(data):
                return beginning + data[cut:], len(beginning)
        return beginning, len(beginning)


def _whole(data: bytes) -> int:
    """Where the last whole line of `data` ends; a CR at the very end may be half of a line end."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1


def _first_whole(data: bytes) -> int:
    """Where the first line of `data` ends, or 0."""
    lines = Lines.cut(data[: _whole(data)])
    return int(lines.stops[0]) if len(lines) else 0
