"""The bytes of an input file, decompressed where it is gzipped, never more than a cap of them."""

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dssm_core.errors import UserError

MOST_BYTES = 64 << 30
"""The most bytes that may come out of a gzipped file, unless $DSSM_MOST_BYTES names another cap."""

_GZIP = b"\x1f\x8b"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    "\ufeff".encode("gb18030"): "gb18030",
}


class ByteSource:
    """Reads a file from its beginning, past a byte order mark. `mark`: the encoding that the mark tells, or None."""

    def __init__(self, path: Path, file: BinaryIO):
        self._path = path
        self._file = file
        self._count = 0
        self._zipped = starts_with(path, _GZIP)
        self._opened = gzip.GzipFile(fileobj=file) if self._zipped else file
        self._most = most_bytes() if self._zipped else None
        self._pending = self._read(4)
        found = next((mark for mark in _MARKS if self._pending.startswith(mark)), b"")
        self.mark = _MARKS.get(found)
        self._pending = self._pending[len(found) :]

    @property
    def position(self) -> int:
        """How many bytes of the file itself have been read."""
        return self._file.tell()

    def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer at the end alone. A UserError for a damaged file and one that never ends."""
        pending, self._pending = self._pending[:count], self._pending[count:]
        return pending + self._read(count - len(pending))

    def _read(self, count: int) -> bytes:
        try:
            data = self._opened.read(count)
        except EOFError:
            raise UserError(f"{self._path} is cut off in the middle: copy or download it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{self._path} is damaged ({error}): copy or download it again") from None
        except OSError as error:
            raise UserError(f"cannot read {self._path}: {error}") from None
        self._count += len(data)
        if self._most is not None and self._count > self._most:
            raise UserError(
                f"{self._path} unpacks to more than {self._most:,} bytes: unpack it yourself, or allow more by setting "
                f"DSSM_MOST_BYTES"
            )
        return data


class Utf16Source:
    """A source of UTF-16 as one of UTF-8. What is no UTF-16 (half a pair, a last odd byte) becomes what is no UTF-8."""

    def __init__(self, source: ByteSource, encoding: str):
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")

    @property
    def position(self) -> int:
        """How many bytes of the file itself have been read."""
        return self._source.position

    def read(self, count: int) -> bytes:
        """About `count` bytes; none at the end alone."""
        data = self._source.read(count - count % 2 + 2)
        if data:
            return self._decoder.decode(data).encode("utf-8", "surrogatepass") or self.read(count)
        pending, _ = self._decoder.getstate()
        self._decoder.reset()
        return b"\xff" if pending else b""


@contextmanager
def byte_source(path: Path, encoding: str | None = None) -> Iterator[ByteSource | Utf16Source]:
    """Open a file to read its bytes, in UTF-8 where its `encoding` is one of UTF-16; a UserError where it is none."""
    try:
        file = existing(path).open("rb")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from None
    with file:
        source = ByteSource(path, file)
        yield Utf16Source(source, encoding) if encoding in ("utf-16-le", "utf-16-be") else source


def most_bytes() -> int:
    """The cap on what comes out of a gzipped file; a UserError where $DSSM_MOST_BYTES is no number."""
    text = os.environ.get("DSSM_MOST_BYTES", str(MOST_BYTES))
    if not text.isdecimal():
        raise UserError(f"DSSM_MOST_BYTES is {text!r}: expected a whole number of bytes")
    return int(text)


def existing(path: Path) -> Path:
    """The path, if there is a file; else a UserError."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file in it")
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    return path


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a file that exists begins with some bytes."""
    with existing(path).open("rb") as file:
        return file.read(len(magic)) == magic
