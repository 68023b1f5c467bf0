"""The process of one sweep: `python -m dssm_core.sweep_child HOME SWEEP`. It starts the runs and waits on them."""

import signal
import sys
import threading

from dssm_core.errors import UserError
from dssm_core.runs import ACTIVE, Run, cancel_run, write_status
from dssm_core.sweeps import Sweep, carried_on
from dssm_core.workspace import Workspace

_POLL_SECONDS = 0.2


def main(home: str, sweep_id: str) -> int:
    """Carry out every planned run that is not finished and say how the sweep ended."""
    workspace = Workspace(home)
    sweep = Sweep(workspace, workspace.home / "sweeps" / sweep_id)
    # a flag rather than an exception: a run must not be lost between its start and the note of it
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    carry_out = _one_after_the_other if sweep.engine.kind == "local" else _on_ray
    try:
        carry_out(sweep, stop)
    except (UserError, OSError) as error:
        write_status(sweep.folder, "failed", str(error))
        return 1
    write_status(sweep.folder, *(("cancelled", "cancelled") if stop.is_set() else _ending(sweep)))
    return 0


def _on_ray(sweep: Sweep, stop: threading.Event) -> None:
    from dssm_core.ray_sweep import carry_out

    carry_out(sweep, stop)


def _one_after_the_other(sweep: Sweep, stop: threading.Event) -> None:
    """Carry the runs out on this machine, as many at once as the sweep says, or until told to stop."""
    at_work: list[Run] = []
    for place in range(len(sweep.planned)):
        _wait_for_room(at_work, sweep.jobs, stop)
        if stop.is_set():
            break
        sweep.note_start(place)
        try:
            at_work.append(carried_on(sweep.workspace, sweep, place, beside=sweep.jobs > 1))
        except (UserError, OSError) as error:
            raise UserError(f"run {place + 1} could not be started: {error}") from error
    _wait_for_room(at_work, 1, stop)
    for run in at_work:
        cancel_run(run, wait=False)
    for run in at_work:
        cancel_run(run)


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
