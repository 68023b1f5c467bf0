"""A disk that fails at the k-th call that changes it: a file opened to be written, written, forced out, renamed, …"""

import builtins
import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest


class Disk:
    """Counts the calls that change what is below `home`, and lets the `fails_at`-th (from 0) fail.

    `stays`: from then on all of them, as on a disk that is full or was mounted anew to be read only.
    """

    def __init__(self, home: Path, fails_at: int | None, stays: bool = False):
        self.calls = 0
        self.failed = ""
        self._home, self._fails_at, self._stays = str(home), fails_at, stays
        self._files: dict[int, str] = {}

    def call(self, what: str, path: object) -> None:
        """Count a call, or fail as a disk does: one in two is full, the other broken."""
        if not (isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._home)):
            return
        here, self.calls = self.calls, self.calls + 1
        if self._fails_at is not None and (here == self._fails_at or (self._stays and here > self._fails_at)):
            self.failed = self.failed or f"{what} of {Path(path).relative_to(self._home)}"
            number = (errno.ENOSPC, errno.EIO)[self._fails_at % 2]
            raise OSError(number, os.strerror(number))

    def opened(self, file: int, path: object) -> None:
        """Remember what a file number stands for."""
        self._files[file] = os.fspath(path)

    def path_of(self, file: int) -> str | None:
        """The path that a file number stands for, where it was opened here."""
        return self._files.get(file)


class _Written:
    """A file open to be written, each of whose writes is counted."""

    def __init__(self, file, disk: Disk, path: str):
        self._file, self._disk, self._path = file, disk, path

    def write(self, content):
        self._disk.call("write", self._path)
        return self._file.write(content)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


@contextmanager
def failing(home: Path, fails_at: int | None, stays: bool = False) -> Iterator[Disk]:
    """Every way by which this project changes files goes through a `Disk` while the body runs."""
    disk = Disk(home, fails_at, stays)
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((builtins, "open"), (io, "open")):
            patch.setattr(module, name, _opening(getattr(module, name), disk))
        patch.setattr(tempfile, "_io", io)  # past which it opens its files
        for name in ("replace", "rename", "mkdir", "unlink"):
            patch.setattr(os, name, _counted(name, getattr(os, name), disk))
        patch.setattr(os, "open", _opening_a_number(os.open, disk))
        for name in ("write", "fsync"):
            patch.setattr(os, name, _counted_by_number(name, getattr(os, name), disk))
        for name in ("__init__", "write_table", "close"):
            patch.setattr(pq.ParquetWriter, name, _table_written(name, getattr(pq.ParquetWriter, name), disk))
        yield disk


def _opening(real: Callable, disk: Disk) -> Callable:
    def opening(path, mode="r", *rest, **options):
        if not set(mode) & set("wax+"):
            return real(path, mode, *rest, **options)
        disk.call("open", path)
        file = real(path, mode, *rest, **options)
        return _Written(file, disk, path) if isinstance(path, str | os.PathLike) else file

    return opening


def _opening_a_number(real: Callable, disk: Disk) -> Callable:
    def opening(path, way, *rest, **options):
        if way & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            disk.call("open", path)
        file = real(path, way, *rest, **options)
        if isinstance(path, str | os.PathLike):
            disk.opened(file, path)
        return file

    return opening


def _counted(name: str, real: Callable, disk: Disk) -> Callable:
    def counted(path, *rest, **options):
        disk.call(name, path)
        return real(path, *rest, **options)

    return counted


def _counted_by_number(name: str, real: Callable, disk: Disk) -> Callable:
    def counted(file, *rest):
        disk.call(name, disk.path_of(file))
        return real(file, *rest)

    return counted


def _table_written(name: str, real: Callable, disk: Disk) -> Callable:
    def written(self, *arguments, **options):
        if name == "__init__":
            self.path = arguments[0]
        disk.call(f"{name} of a Parquet writer", self.path)
        return real(self, *arguments, **options)

    return written
