"""Deletes a dataset, run or sweep, whichever of the three an id is of."""

from dssm_core.errors import UserError
from dssm_core.runs import Run, delete_run
from dssm_core.sweeps import delete_sweep, open_sweep
from dssm_core.workspace import Workspace


def delete(workspace: Workspace, wanted: str, for_good: bool = False) -> str:
    """Delete a dataset, run or sweep, and return which of them it was. `Workspace.restore` brings it back for a week.

    `for_good`: remove it from the disk at once; that too which was deleted before. A UserError where nothing has that
    id, it ships with the project, or a process is at work on it.
    """
    for kind, remove in _DELETES.items():
        if workspace.has(kind, wanted):
            remove(workspace, wanted, for_good)
            return kind[:-1]
    if for_good and wanted in (one.id for one in workspace.deleted()):
        return workspace.delete_for_good(wanted).kind[:-1]
    raise UserError(f"unknown id {wanted!r}: it is of no dataset, run or sweep of {workspace.shown}")


def _delete_run(workspace: Workspace, wanted: str, for_good: bool) -> None:
    # not by `open_run`, which knows no run whose start was killed
    delete_run(workspace, Run(workspace.home / "runs" / wanted), for_good)


_DELETES = {
    "sweeps": lambda workspace, wanted, for_good: delete_sweep(open_sweep(workspace, wanted), for_good),
    "runs": _delete_run,
    "datasets": lambda workspace, wanted, for_good: workspace.delete_dataset(wanted, for_good),
}
