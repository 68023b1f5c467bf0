"""The process of one sweep: `python -m dssm_core.sweep_child HOME SWEEP`. It starts the runs and waits on them."""

import signal
import sys
import threading

from dssm_core.runs import ACTIVE, Run, cancel_run, start_run, write_status
from dssm_core.sweeps import Sweep, planned_config
from dssm_core.workspace import Workspace

_POLL_SECONDS = 0.2


def main(home: str, sweep_id: str) -> int:
    """Carry out every planned run and say how the sweep ended."""
    workspace = Workspace(home)
    sweep = Sweep(workspace, workspace.home / "sweeps" / sweep_id)
    # a flag rather than an exception: a run must not be lost between its start and the note of it
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    at_work: list[Run] = []
    for place, planned in enumerate(sweep.planned):
        _wait_for_room(at_work, sweep.jobs, stop)
        if stop.is_set():
            break
        name = f"{planned['preset']} seed {planned['seed']}"
        beside = sweep.jobs > 1
        run = start_run(workspace, sweep.dataset, planned_config(planned), name, planned["preset"], beside)
        sweep.note_start(place, run)
        at_work.append(run)
    _wait_for_room(at_work, 1, stop)
    for run in at_work:
        cancel_run(run)
    write_status(sweep.folder, *(("cancelled", "cancelled") if stop.is_set() else _ending(sweep)))
    return 0


def _wait_for_room(at_work: list[Run], jobs: int, stop: threading.Event) -> None:
    """Wait until fewer than `jobs` of the runs are at work, and forget those that are not; or until told to stop."""
    while not stop.is_set():
        at_work[:] = [run for run in at_work if run.state().state in ACTIVE]
        if len(at_work) < jobs:
            return
        stop.wait(_POLL_SECONDS)


def _ending(sweep: Sweep) -> tuple[str, str]:
    """The sweep's last state and its reason: it fails if none of its runs finished."""
    unfinished = [run for run in sweep.runs() if not run.finished]
    if unfinished and len(unfinished) == len(sweep.planned):
        return "failed", f"none of its runs finished; the first: {unfinished[0].state().reason}"
    missing = f"{len(unfinished)} of {len(sweep.planned)} runs did not finish" if unfinished else ""
    return "finished", missing


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
