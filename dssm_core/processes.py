"""Processes that outlive whoever starts them, one a folder: started, found at work, stopped.

A folder is locked (flock) from before its process starts until that process is gone, whatever ends it.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dssm_core.errors import UserError
from dssm_core.stored_files import written

_GRACE_SECONDS = 10.0


@contextmanager
def held_lock(folder: Path) -> Iterator[int]:
    """Hold a folder's lock while the body runs; yields its file's number, to hand on to a process."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def is_locked(folder: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        with (folder / "lock").open() as file:
            # shared, so that two who look at once do not see each other
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # never started, or deleted meanwhile
        return False
    return False


def start_process(folder: Path, module: str, arguments: list[str], lock: int) -> None:
    """Start `python -m module` in a session of its own, its output behind the folder's log.txt and its number in pid.

    It inherits the lock itself, so there is no moment at which nobody holds it.
    """
    for left in ("pid", "cancel"):  # by a process before
        (folder / left).unlink(missing_ok=True)
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        )
    try:
        with written(folder / "pid") as beside:
            beside.write_text(f"{process.pid} {_birth(process.pid)}")
    except UserError:
        process.kill()
        raise


def process_number(folder: Path) -> int | None:
    """The number of the folder's process, which is that of its group and session too; None while it has none.

    None too where another process has taken the number since.
    """
    try:
        number, _, birth = (folder / "pid").read_text().partition(" ")
    except FileNotFoundError:
        return None
    return int(number) if _birth(int(number)) in ("", birth) else None


def is_stopping(folder: Path) -> bool:
    """Whether the folder's process was told to stop."""
    return (folder / "cancel").exists()


def flag_stop(folder: Path) -> None:
    """Leave the flag that tells a folder's process to stop, on whichever machine it is."""
    # where the disk is full, the signal alone has to do
    with contextlib.suppress(OSError):
        (folder / "cancel").touch()


def ask_to_stop(folder: Path) -> None:
    """Tell the process that holds a folder's lock to stop: by a flag, and by SIGTERM.

    What it started itself, such as a Ray cluster, is left to it, so that it can end that in order.
    """
    flag_stop(folder)
    _signal(folder, os.kill, signal.SIGTERM)


def stop_process(folder: Path) -> None:
    """See to it that a process that was asked to stop is gone, and all that it started: by SIGKILL after a while."""
    if not _gone_within(folder, _GRACE_SECONDS):
        _signal(folder, os.killpg, signal.SIGKILL)
        _gone_within(folder, _GRACE_SECONDS)


def _signal(folder: Path, send: Callable[[int, int], None], way: signal.Signals) -> None:
    """`send`: os.kill for the process alone, os.killpg for all of its session."""
    group = process_number(folder)
    # without the lock nobody is there, and the number may be anybody's
    if group is not None and is_locked(folder):
        with contextlib.suppress(ProcessLookupError):
            send(group, way)


def _gone_within(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_locked(folder):
            return True
        time.sleep(0.05)
    return False


def _birth(number: int) -> str:
    """When a process started, as Linux counts it: tells it from a later one of the same number.

    "" where there is no such process, and on systems without /proc, where the lock alone has to tell.
    """
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
