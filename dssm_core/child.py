"""The process of one run: `python -m dssm_core.child HOME RUN [beside]`. Its parent holds no strings; see runs.py."""

import errno
import fcntl
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from dssm_core.errors import UserError
from dssm_core.processes import is_stopping
from dssm_core.runs import EventLog, Run, write_status
from dssm_core.workspace import Workspace

_RESERVE_BYTES = 65_536
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Cancelled(BaseException):
    """Raised where the process is when it is told to stop."""


def main(home: str, run_id: str, turn: str = "alone") -> int:
    """Wait for a place, carry the run out and say how it ended. `turn`: alone, or beside others of the same sweep."""
    workspace = Workspace(home)
    run = Run(workspace.home / "runs" / run_id)
    try:
        signal.signal(signal.SIGTERM, _cancel)
        report = EventLog(run.folder / "events.jsonl")
        _reserve(run.folder).write_bytes(os.urandom(_RESERVE_BYTES))
        _stop_if_told(run.folder)
        with (workspace.home / "runs" / ".turn").open("w") as lock:
            # runs take turns: training uses all cores, so two at once are slower than one after the other
            fcntl.flock(lock, fcntl.LOCK_SH if turn == "beside" else fcntl.LOCK_EX)
            write_status(run.folder, "running")
            from dssm_core.pipeline import carry_out

            carry_out(workspace, run, lambda event: _report(report, run.folder, event))
    except Cancelled:
        _end(run, "cancelled", "cancelled")
    except Exception as error:
        _end(run, "failed", _reason(error))
        if not isinstance(error, UserError):
            traceback.print_exc()
    if not run.finished:
        return 1
    _reserve(run.folder).unlink(missing_ok=True)
    try:
        workspace.publish("runs", run.id)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _cancel(number: int, frame: object) -> None:
    # once is enough: a second one must not break how the first is seen to
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Cancelled


def _stop_if_told(folder: Path) -> None:
    if is_stopping(folder):
        raise Cancelled


def _report(report: EventLog, folder: Path, event: dict) -> None:
    _stop_if_told(folder)
    report(event)


def _reserve(folder: Path) -> Path:
    """Room that is given up for a run's last words, when the disk is full."""
    return folder / ".reserve"


def _end(run: Run, state: str, reason: str) -> None:
    if run.finished:  # told to stop a moment too late
        return
    _reserve(run.folder).unlink(missing_ok=True)
    if is_stopping(run.folder):  # what broke may have broken because it was stopped, such as an import
        state = reason = "cancelled"
    write_status(run.folder, state, reason)
    EventLog(run.folder / "events.jsonl")({"type": state, "reason": reason})


def _reason(error: Exception) -> str:
    """Why a run failed, and what to do."""
    causes = list(_causes(error))
    if any(isinstance(cause, OSError) and cause.errno in _NO_ROOM for cause in causes):
        return "there is no room left on the disk: make some, then resume the run"
    # TensorFlow's own is told by its name, since it may not have been imported
    if any(isinstance(cause, MemoryError) or type(cause).__name__ == "ResourceExhaustedError" for cause in causes):
        return "out of memory: lower train.batch_size or tower.embedding_dim"
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"a file could not be read or written: {error}; see to its disk, then resume the run"
    return f"unexpected {type(error).__name__}: {error} (log.txt has the details)"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those while whose handling it was raised: a file that cannot be closed hides why."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
