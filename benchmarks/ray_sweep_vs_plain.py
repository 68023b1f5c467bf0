"""Time of a sweep of six runs on Ray with two workers, its cluster started and stopped, against this machine's own way.

Both have two runs at work at once, and leave the same vectors and metrics, which is checked.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.full_scale import command_line
from benchmarks.goals import print_figure, rounded
from dssm_core.runs import open_run
from dssm_core.workspace import Workspace

ROUNDS = 3
SWEEP = ("--presets", "recommended,in_batch,uniform", "--seeds", "2")
WAYS = {
    "plain": ("--jobs", "2"),
    "ray": ("--engine", "ray", "--cpus", "1"),
}


def main() -> None:
    """Print the ratio, with the seconds of each way beside it."""
    rounds = [{way: timed(options) for way, options in WAYS.items()} for _ in range(ROUNDS)]
    seconds = [{way: spent for way, (spent, _) in done.items()} for done in rounds]
    left = [found for done in rounds for _, found in done.values()]
    print_figure(
        "ray_sweep_vs_plain",
        [done["ray"] / done["plain"] for done in seconds],
        rounds=ROUNDS,
        seconds={way: rounded(float(np.median([done[way] for done in seconds]))) for way in WAYS},
        same_results=all(alike(left[0], other) for other in left[1:]),
    )


def timed(options: tuple[str, ...]) -> tuple[float, dict]:
    """Seconds that the sweep took in a fresh workspace, and what its runs left."""
    with tempfile.TemporaryDirectory() as home:
        dataset = command_line("demo", "--home", home)["dataset"]
        started = time.perf_counter()
        sweep = command_line("sweep", "--home", home, "--dataset", dataset, *SWEEP, *options)
        spent = time.perf_counter() - started
        workspace = Workspace(home, bundled=None)
        found = {(row["preset"], row["seed"]): left_by(workspace, row["run"]) for row in sweep["runs"]}
    return spent, found


def left_by(workspace: Workspace, run_id: str) -> dict[str, np.ndarray]:
    """The vectors of a run, and its metrics in one array."""
    run = open_run(workspace, run_id)
    vectors = {
        side: np.load(run.folder / f"{side}.npz", allow_pickle=False)["vectors"] for side in ("users", "articles")
    }
    values = [value for metric in run.metrics()["metrics"].values() for value in metric.values()]
    return vectors | {"metrics": np.array(values, float)}


def alike(one: dict, other: dict) -> bool:
    """Whether two sweeps left the same of every run, to the last bit."""
    return one.keys() == other.keys() and all(
        np.array_equal(one[run][name], other[run][name], equal_nan=True) for run in one for name in one[run]
    )


if __name__ == "__main__":
    main()
