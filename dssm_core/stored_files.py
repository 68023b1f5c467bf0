"""Files of the workspace: each is written beside, forced to the disk and renamed, so that it is whole or not there.

What is read may be anything: cut short, from elsewhere, a link, a pipe, as large as the disk. It is told as Damaged.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from dssm_core.errors import Damaged, UserError

Form = TypeVar("Form", bound=BaseModel)

_UNFINISHED, _DELETED = ".new-", ".deleted-"
"""What the names of folders start with that are not yet, or no more, the workspace's."""

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
"""What folders of datasets, runs and sweeps are called; others are not this program's."""

_MOST_BYTES = 64 << 20
"""Of a file that is read whole as text; the largest that a run of years writes has a tenth of it."""

_REMEDIES = {
    "datasets": ("dataset", "delete it and ingest its log again"),
    "runs": ("run", "delete it and train it again"),
    "sweeps": ("sweep", "forget it and start it again"),
}


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to, and rename it into place if the body succeeds; else remove it.

    After that the file outlives a power cut. A UserError where it cannot be written; the old file then stays.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(path.parent):
            raise  # the body failed at a file from elsewhere
        raise cannot_write(path, error) from error
    finally:
        _remove(beside)


def as_label(text: str) -> str:
    """A name as JSON can hold it: bytes that are no UTF-8, as names of files may have them, become "\ufffd"."""
    return os.fsencode(text).decode("utf-8", "replace")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON (UTF-8, indented), whole or not at all."""
    with written(path) as beside:
        beside.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON in a file of the workspace; Damaged where there is none."""
    try:
        value = json.loads(read_text(path))
        json.dumps(value, ensure_ascii=False).encode()  # halves of surrogate pairs, which nothing can show
    except (ValueError, RecursionError):
        raise damaged(path, "holds no JSON that could be read") from None
    return value


def read_as(path: Path, form: type[Form]) -> Form:
    """The JSON in a file of the workspace, of a given form; Damaged where it is of another."""
    try:
        return form.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its value"
        raise damaged(path, f"holds something else than expected: {where}: {first['msg']}") from None


def read_text(path: Path) -> str:
    """The text (UTF-8) of a file of the workspace; Damaged where it cannot be read, or is too long to be ours."""
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise damaged(path, f"has more than {_MOST_BYTES >> 20} MiB, which this program never writes")
        content = file.read()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise damaged(path, "is not UTF-8") from None


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file of the workspace to read. Damaged where that fails, also later, and for a link, a folder or a device.

    A link may lead elsewhere.
    """
    try:
        # without waiting: a named pipe would keep the reader until somebody writes
        with open(path, "rb", opener=lambda name, way: os.open(name, way | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise damaged(path, "is no file")
            yield file
    except OSError as error:
        raise damaged(path, _told(error)) from None


def check_own(folder: Path) -> None:
    """Raise Damaged for a folder that is a link: what it leads to is not the workspace's."""
    if folder.is_symlink():
        raise damaged(folder / "it", "is a link, and only folders of the workspace itself are read")


def is_there(path: Path) -> bool:
    """Whether a folder has such a name, whatever it names; True too where that is not to be found out."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def damaged(path: Path, what: str) -> Damaged:
    """The error for a file of a dataset, run or sweep: `what` goes after its name, and what to do follows."""
    kind, remedy = _REMEDIES.get(path.parent.parent.name, ("folder", "delete it"))
    return Damaged(f"{kind} {final_name(path.parent)} is damaged: {path.name} {what}; {remedy}")


def _told(error: OSError) -> str:
    """Why a file could not be opened or read, to go after its name."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, IsADirectoryError):
        return "is no file"
    if error.errno == errno.ELOOP:
        return "is a link"
    return f"cannot be read: {error.strerror or error}"


def final_name(folder: Path) -> str:
    """The name of a folder, or the one that it will have once it is whole."""
    return folder.name.removeprefix(_UNFINISHED)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to fill, which becomes `folder` if the body succeeds; else it is removed.

    What a killed process left of such a folder is removed too. A UserError where the folder cannot be made.
    """
    hidden = folder.with_name(f"{_UNFINISHED}{folder.name}")
    lock = _make(hidden)
    try:
        yield hidden
        _put(hidden, folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(lock)


def delete_folder(folder: Path) -> None:
    """Remove a folder of the workspace: at once from sight, then from the disk. A UserError where it cannot be."""
    try:
        if folder.is_symlink():  # what it points at is not the workspace's
            folder.unlink()
            return
        gone = folder.with_name(f"{_DELETED}{secrets.token_hex(4)}")
        folder.rename(gone)
    except OSError as error:
        raise UserError(f"cannot delete {folder}: {error.strerror}") from error
    # what cannot be removed is out of sight, and tried again when the next folder is made
    shutil.rmtree(gone, ignore_errors=True)


def make_folder(folder: Path) -> Path:
    """Make a new folder and those above it; a UserError where it cannot be made."""
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}; choose another --home or $DSSM_HOME") from error
    return folder


def own_folders(parent: Path) -> list[Path]:
    """The folders that this program may have made, by name, descending; links too, which are then told."""
    try:
        named = [path for path in parent.iterdir() if _ID.fullmatch(path.name)]
        return sorted((path for path in named if path.is_dir() or path.is_symlink()), reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot look into {parent}: {error.strerror}; choose another --home or $DSSM_HOME") from None


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def cannot_write(path: Path, error: OSError) -> UserError:
    """The error for a file that cannot be written: it says why, and what helps."""
    why = error.strerror or error
    return UserError(f"cannot write {path}: {why}; free space on its disk, or choose another --home or $DSSM_HOME")


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return  # a disk that takes no writes keeps the rest too; its name is hidden and read by nobody


def _make(hidden: Path) -> int:
    """Make a hidden folder and lock it until the number that is returned is closed, or this process ends."""
    try:
        hidden.parent.mkdir(parents=True, exist_ok=True)
        with _locked(hidden.parent):  # so that nobody takes it for abandoned between its making and its lock
            sweep_folder(hidden.parent)
            hidden.mkdir()
            return _open_locked(hidden, fcntl.LOCK_NB)
    except OSError as error:
        raise UserError(f"cannot make {hidden}: {error.strerror}; choose another --home or $DSSM_HOME") from error


def _put(hidden: Path, folder: Path) -> None:
    try:
        sync(hidden)
        hidden.rename(folder)
        sync(folder.parent)
    except OSError as error:
        raise cannot_write(folder, error) from error


def sweep_folder(parent: Path) -> None:
    """Remove what is left in a folder of hidden ones that no process is filling, or was killed while removing."""
    for left in [*parent.glob(f"{_UNFINISHED}*"), *parent.glob(f"{_DELETED}*")]:
        with _locked(left, fcntl.LOCK_NB) as held:
            if held:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path, way: int = 0) -> Iterator[bool]:
    """Hold a folder's lock while the body runs; yields whether it could be had."""
    try:
        number = _open_locked(folder, way)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(number)


def _open_locked(folder: Path, way: int = 0) -> int:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | way)
    except BaseException:
        os.close(number)
        raise
    return number
