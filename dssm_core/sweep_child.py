"""The process of one sweep: `python -m dssm_core.sweep_child HOME SWEEP`. It starts the runs and waits on them."""

import signal
import sys
import threading

from dssm_core.errors import UserError
from dssm_core.runs import ACTIVE, RESUMABLE, Run, cancel_run, resume_run, start_run, write_status
from dssm_core.sweeps import Sweep, planned_config
from dssm_core.workspace import Workspace, new_id

_POLL_SECONDS = 0.2


def main(home: str, sweep_id: str) -> int:
    """Carry out every planned run that is not finished and say how the sweep ended."""
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
        try:
            at_work.append(_carried_on(workspace, sweep, place, planned))
        except (UserError, OSError) as error:
            write_status(sweep.folder, "failed", f"run {place + 1} could not be started: {error}")
            return 1
    _wait_for_room(at_work, 1, stop)
    for run in at_work:
        cancel_run(run, wait=False)
    for run in at_work:
        cancel_run(run)
    write_status(sweep.folder, *(("cancelled", "cancelled") if stop.is_set() else _ending(sweep)))
    return 0


def _carried_on(workspace: Workspace, sweep: Sweep, place: int, planned: dict) -> Run:
    """The planned run, at work: started if it never was, resumed if it ended early; or finished."""
    run_id = planned["run"] or new_id()
    # first, so that a run is not lost, nor started twice, if this process is killed between the two
    sweep.note_start(place, run_id)
    name, beside = f"{planned['preset']} seed {planned['seed']}", sweep.jobs > 1
    run = start_run(workspace, sweep.dataset, planned_config(planned), name, planned["preset"], beside, run_id)
    if run.state().state in RESUMABLE:
        resume_run(workspace, run, beside)
    return run


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
