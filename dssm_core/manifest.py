"""Manifests: what makes a folder whole, and what each of its files is checked against before it is read.

manifest.json holds the sha256 and the size of every other file, and a sha256 of itself, so that a file that was
changed, cut short, lost or brought from elsewhere is noticed before anything opens it.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import pyarrow as pa

from dssm_core.stored_files import cannot_write, check_own, damaged, final_name, open_file, read_text, written

MANIFEST = "manifest.json"

NOTES = "notes.json"
"""What people write about a run (see notes.py), which may change at any time."""

DAMAGED_NOTES = "notes.damaged.json"
"""What was there in its place and could not be read."""

_LEFT_OUT = (MANIFEST, NOTES, DAMAGED_NOTES, "lock", "pid", "cancel", "log.txt")
"""What belongs to a run's process, or to people, rather than to the run."""

_SMALL = 1 << 20
"""Bytes of a file that is checked whenever its folder is looked at; a larger one is when it is read."""

_SETTLED_NS = 2_000_000_000
"""What was changed more lately is not remembered."""

Stamp = tuple[int, ...]
Computed = TypeVar("Computed", str, dict)

_digests: dict[Path, tuple[Stamp, str]] = {}
_manifests: dict[Path, tuple[Stamp, dict]] = {}
"""What this process has computed of files that were not touched since."""


def write_manifest(folder: Path, **facts: Any) -> None:
    """Write manifest.json, which makes the folder whole: `facts` and the sha256 and size of every other file."""
    try:
        files = {path.name: _described(path) for path in sorted(folder.iterdir()) if _is_part(path)}
    except OSError as error:
        raise cannot_write(folder / MANIFEST, error) from error
    write_sealed(folder / MANIFEST, {**facts, "of": _place(folder), "files": files})


def read_manifest(folder: Path) -> dict:
    """The manifest of a whole folder, as it was written; Damaged where it is not."""
    check_own(folder)
    path = folder / MANIFEST
    manifest = _remembered(_manifests, path)
    if manifest is None:
        with open_file(path) as file:
            stamp = _stamp(os.fstat(file.fileno()))
        manifest = _remember(_manifests, path, stamp, read_sealed(path))
    if manifest["of"] != _place(folder):
        raise damaged(path, f"is that of {manifest['of']}")
    return manifest


def holds(folder: Path, name: str) -> bool:
    """Whether a whole folder has such a file by its manifest."""
    return name in read_manifest(folder)["files"]


@contextmanager
def checked(folder: Path, name: str) -> Iterator[Path]:
    """Yield the path of a file of a whole folder that is what the manifest says; Damaged where it is not.

    What breaks while the body reads it is told as damage too.
    """
    path = folder / name
    _check(path, read_manifest(folder)["files"].get(name))
    try:
        yield path
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, pa.ArrowException) as error:
        raise damaged(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def check_whole(folder: Path) -> None:
    """Raise Damaged where a whole folder lacks a file, or one of them is not what the manifest says.

    Large tables and arrays are checked by their size alone, unless they were read before.
    """
    for name, entry in read_manifest(folder)["files"].items():
        _check(folder / name, entry, None if name.endswith(".json") else _SMALL)


def write_sealed(path: Path, value: dict) -> None:
    """Write a dict as JSON, whole or not at all, with a sha256 of itself."""
    with written(path) as beside:
        beside.write_bytes(_sealed(value))


def read_sealed(path: Path) -> dict:
    """What `write_sealed` wrote, byte for byte; Damaged where it is not."""
    text = read_text(path)
    try:
        value = json.loads(text)
        del value["sha256"]
        unchanged = _sealed(value) == text.encode()
    except (ValueError, RecursionError, TypeError, KeyError):
        unchanged = False
    if not unchanged:
        raise damaged(path, "was changed, or was written by an earlier version")
    return value


def _sealed(value: dict) -> bytes:
    digest = hashlib.sha256(_rendered(value)).hexdigest()
    return _rendered({**value, "sha256": digest})


def _rendered(value: dict) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _place(folder: Path) -> str:
    """What a folder is: the kind of it and its id, since a folder may be taken for another as a file may."""
    return f"{folder.parent.name}/{final_name(folder)}"


def _is_part(path: Path) -> bool:
    return path.name not in _LEFT_OUT and not path.name.startswith(".") and path.is_file()


def _described(path: Path) -> dict:
    with path.open("rb") as file:
        os.fsync(file.fileno())  # also what was appended or copied without
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": os.fstat(file.fileno()).st_size}


def _check(path: Path, entry: dict | None, largest: int | None = None) -> None:
    """Raise Damaged for a file that is not as described; one above `largest` bytes is not read for it."""
    if entry is None:
        raise damaged(path, "is not in the manifest")
    digest = _remembered(_digests, path) or _digest(path, entry, largest)
    if digest not in (None, entry["sha256"]):
        raise damaged(path, "is not as it was written")


def _digest(path: Path, entry: dict, largest: int | None) -> str | None:
    with open_file(path) as file:
        stamp = _stamp(os.fstat(file.fileno()))
        if stamp[0] != entry["bytes"]:
            raise damaged(path, f"has {stamp[0]:,} bytes instead of {entry['bytes']:,}")
        if largest is not None and stamp[0] > largest:
            return None
        return _remember(_digests, path, stamp, hashlib.file_digest(file, "sha256").hexdigest())


def _remembered(known: dict[Path, tuple[Stamp, Computed]], path: Path) -> Computed | None:
    """What was computed of a file, where that was not touched since."""
    stamp, computed = known.get(path, (None, None))
    try:
        return computed if stamp and stamp == _stamp(path.lstat()) else None
    except OSError:
        return None


def _remember(known: dict[Path, tuple[Stamp, Computed]], path: Path, stamp: Stamp, computed: Computed) -> Computed:
    """Remember what was computed of a file, unless a further change might not show: time is counted in steps there."""
    if abs(time.time_ns() - stamp[2]) > _SETTLED_NS:
        known[path] = (stamp, computed)
    return computed


def _stamp(status: os.stat_result) -> Stamp:
    """Size, times of the last change of content and of anything, and place of a file."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
