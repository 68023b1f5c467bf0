"""The exposures of a log, read, sorted and written by a Ray cluster: Ray Data hands out the tasks."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from dssm_core import shared_ingest
from dssm_core.errors import UserError
from dssm_core.exposure_counts import ExposureCounts
from dssm_core.ray_cluster import connected, told_of_loss

_MOST_SECONDS = 60.0


def write_exposures(address: str | None, *arguments: Any) -> ExposureCounts:
    """As `local_ingest.write_exposures`, by the cluster at `address`: into a file for each of some ranges of users."""
    with connected(address) as ray:
        try:
            return shared_ingest.write_exposures(partial(_each, ray), *arguments)
        finally:
            _wait_for_ray_data()


def _each(
    ray: ModuleType, stage: Callable[[Any, int], dict], shared: Any, numbers: Sequence[int]
) -> Iterator[tuple[int, dict]]:
    """As `shared_ingest.Each`: as many tasks at once as the cluster has room for.

    Ray tries a task again whose machine was lost. A UserError of a task is raised here.
    """
    if not numbers:
        return
    sent = ray.put(shared)
    rows = _ray_data().from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
    with told_of_loss(ray):
        for row in rows.map(partial(_carried_out, stage, sent)).iter_rows():
            if row["error"]:
                raise UserError(row["error"])
            yield int(row["number"]), json.loads(row["answer"])


def _ray_data() -> ModuleType:
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # else half of two processors are kept for whoever reads the answers
    context.op_resource_reservation_enabled = False
    return ray.data


def _wait_for_ray_data() -> None:
    """Its threads were told to end; one that asks Ray something after it is disconnected ends the process."""
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(_MOST_SECONDS)


def _carried_out(stage: Callable[[Any, int], dict], sent: Any, row: dict) -> dict:
    """In a worker: the answer of a stage, or what was wrong."""
    import ray

    number, answer, error = int(row["number"]), {}, ""
    try:
        answer = stage(ray.get(sent), number)
    except UserError as told:
        error = str(told)
    return {"number": number, "answer": json.dumps(answer), "error": error}
