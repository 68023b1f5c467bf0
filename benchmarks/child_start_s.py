"""From the start of a training to its first step: seconds, of the bundled demo's log and of the full-scale one.

The run is cancelled once it has made a step. Its stages until then are told beside, as the Train page shows them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import shutil
import tempfile
import time

from benchmarks.full_scale import ROOT, full_dataset, full_scale_home
from benchmarks.goals import print_figure, rounded
from benchmarks.side_by_side import ROUNDS
from dssm_core.presets import find_preset
from dssm_core.runs import ACTIVE, cancel_run, start_run
from dssm_core.workspace import Workspace


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as home, full_scale_home() as kept:
        shutil.copytree(ROOT / "assets" / "demo" / "datasets", Path(home) / "datasets")
        workspace = Workspace(home, bundled=None)
        print_starts("child_start_s", workspace, workspace.datasets()[0]["id"])
        print_starts("child_start_full_s", *full_dataset(kept))


def print_starts(name: str, workspace: Workspace, dataset: str) -> None:
    """Start and cancel a run some times."""
    rounds = [started(workspace, dataset) for _ in range(ROUNDS)]
    print_figure(name, [seconds for seconds, _ in rounds], seconds_at=rounds[-1][1])


def started(workspace: Workspace, dataset: str) -> tuple[float, dict[str, float]]:
    """Seconds to the first step, and to the beginning of each stage before it."""
    begun = time.monotonic()
    run = start_run(workspace, dataset, find_preset("in_batch").config)
    while not any(event["type"] == "step" for event in run.events()):
        if run.state().state not in ACTIVE:
            raise RuntimeError(f"the run ended before a step: {run.state()}")
        time.sleep(0.05)
    events = run.events()
    cancel_run(run)
    shutil.rmtree(run.folder)
    at = {event["stage"]: rounded(event["clock"] - begun) for event in events if event["type"] == "stage"}
    return next(event["clock"] for event in events if event["type"] == "step") - begun, at


if __name__ == "__main__":
    main()
