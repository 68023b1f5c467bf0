"""A sweep on Ray: a task for each run, which starts the run's process on its node and waits for its end.

The workspace must be a folder that all nodes share under the same path, with locks (flock) that hold between them. A
run is then watched, cancelled and resumed through its files as on one machine, whichever node it is on.
"""

import os
import threading
import time
from types import ModuleType

from dssm_core.errors import UserError
from dssm_core.free_memory import in_words
from dssm_core.processes import flag_stop, is_stopping
from dssm_core.ray_cluster import cause_of, connected, told_of_loss
from dssm_core.runs import ACTIVE, Run, cancel_run
from dssm_core.sweeps import Engine, Sweep, carried_on
from dssm_core.workspace import Workspace

_POLL_SECONDS = 0.2
_TRIES = 3
"""How often a run is started that is killed without a word, and a task whose node was lost is tried again."""
_GRACE_SECONDS = 30.0
"""For the tasks of a sweep that was told to stop to stop their runs."""


def carry_out(sweep: Sweep, stop: threading.Event) -> None:
    """Carry out every planned run that is not finished, as many at once as the cluster has room for; or until `stop`.

    The runs of a node that is lost go on from their last whole epoch on another. A UserError where the cluster, or a
    run, cannot be started.
    """
    engine = sweep.engine
    with connected(engine.address) as ray:
        _check_room(ray, engine, sweep.planned)
        carry = ray.remote(max_retries=_TRIES)(_carry_run)
        tasks = {}
        for place, planned in enumerate(sweep.planned):
            sweep.note_start(place)
            resources = {"num_cpus": engine.cpus, "num_gpus": engine.gpus, "memory": int(planned["bytes"])}
            tasks[carry.options(**resources).remote(str(sweep.workspace.home), sweep.id, place)] = place
        with told_of_loss(ray):
            _wait(ray, sweep, tasks, stop)


def _wait(ray: ModuleType, sweep: Sweep, tasks: dict, stop: threading.Event) -> None:
    """Wait for the tasks; once told to stop, as long as they may need to stop their runs.

    Then a UserError for the first of them that broke off.
    """
    left, end, broken = list(tasks), float("inf"), ""
    while left and time.monotonic() < end:
        if end == float("inf") and (stop.is_set() or is_stopping(sweep.folder)):
            stop.set()
            flag_stop(sweep.folder)
            end = time.monotonic() + _GRACE_SECONDS
        done, left = ray.wait(left, timeout=_POLL_SECONDS)
        for task in done:
            try:
                ray.get(task)
            except ray.exceptions.RayError as error:
                broken = broken or f"run {tasks[task] + 1} could not be carried out: {cause_of(error)}"
    if broken and not stop.is_set():
        raise UserError(broken)


def _counted(number: float, kind: str) -> str:
    return f"{number:g} {kind}{'' if number == 1 else 's'}"


def _check_room(ray: ModuleType, engine: Engine, planned: list[dict]) -> None:
    """Ray waits for ever for what no node has."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    needed = max(plan["bytes"] for plan in planned)
    able = [node for node in nodes if node.get("CPU", 0) >= engine.cpus and node.get("GPU", 0) >= engine.gpus]
    if not able:
        most = ", ".join(_counted(max(node.get(kind, 0) for node in nodes), kind) for kind in ("CPU", "GPU"))
        raise UserError(
            f"no node of the cluster has {_counted(engine.cpus, 'CPU')} and {_counted(engine.gpus, 'GPU')} for a run, "
            f"the most is {most}: ask for fewer"
        )
    free = max(node.get("memory", 0) for node in able)
    if needed > free:
        raise UserError(
            f"a run needs about {in_words(needed)} of memory, and the largest node of the cluster that could take it "
            f"has {in_words(free)}: lower train.batch_size or tower.embedding_dim, or add a larger node"
        )


def _carry_run(home: str, sweep_id: str, place: int) -> None:
    """In a worker: see a planned run to its end. One that lives on after its first worker was lost is waited for."""
    # Ray's own, as many as the task's CPUs: with other threads than on one machine, sums are rounded otherwise
    os.environ.pop("OMP_NUM_THREADS", None)
    workspace = Workspace(home)
    sweep = Sweep(workspace, workspace.home / "sweeps" / sweep_id)
    for _ in range(_TRIES):
        if is_stopping(sweep.folder):
            return
        run = carried_on(workspace, sweep, place, beside=True)
        _see_to_the_end(run, sweep)
        if run.state().state != "interrupted":
            return


def _see_to_the_end(run: Run, sweep: Sweep) -> None:
    while run.state().state in ACTIVE:
        # from another machine it can be told to stop, but not made to
        if is_stopping(sweep.folder) or is_stopping(run.folder):
            cancel_run(run)
        time.sleep(_POLL_SECONDS)
