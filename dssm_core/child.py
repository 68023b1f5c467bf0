"""The process of one run: `python -m dssm_core.child HOME RUN [beside]`. Its parent holds no strings; see runs.py."""

import fcntl
import signal
import sys
import traceback
from pathlib import Path

from dssm_core.errors import UserError
from dssm_core.runs import EventLog, Run, write_status
from dssm_core.workspace import Workspace


class Cancelled(BaseException):
    """Raised where the process is when it is told to stop."""


def main(home: str, run_id: str, turn: str = "alone") -> int:
    """Wait for a place, carry the run out and say how it ended. `turn`: alone, or beside others of the same sweep."""
    workspace = Workspace(home)
    run = Run(workspace.home / "runs" / run_id)
    report = EventLog(run.folder / "events.jsonl")
    signal.signal(signal.SIGTERM, _cancel)
    try:
        with (workspace.home / "runs" / ".turn").open("w") as lock:
            # runs take turns: training uses all cores, so two at once are slower than one after the other
            fcntl.flock(lock, fcntl.LOCK_SH if turn == "beside" else fcntl.LOCK_EX)
            write_status(run.folder, "running")
            from dssm_core.pipeline import carry_out

            carry_out(workspace, run, lambda event: _report(report, run.folder, event))
    except Cancelled:
        return _end(run, report, "cancelled", "cancelled")
    except UserError as error:
        return _end(run, report, "failed", str(error))
    except MemoryError:
        return _end(run, report, "failed", "out of memory: lower train.batch_size or tower.embedding_dim")
    except Exception as error:
        traceback.print_exc()
        return _end(run, report, "failed", f"unexpected {type(error).__name__}: {error} (log.txt has the details)")
    return 0


def _cancel(number: int, frame: object) -> None:
    raise Cancelled


def _report(report: EventLog, folder: Path, event: dict) -> None:
    if (folder / "cancel").exists():
        raise Cancelled
    report(event)


def _end(run: Run, report: EventLog, state: str, reason: str) -> int:
    if run.finished:  # told to stop a moment too late
        return 0
    if (run.folder / "cancel").exists():  # what broke may have broken because it was stopped, such as an import
        state = reason = "cancelled"
    report({"type": state, "reason": reason})
    write_status(run.folder, state, reason)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
