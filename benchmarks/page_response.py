"""Server time of a page's rerun at full scale: another user on Users, another baseline or K on Compare with 30 runs.

`python benchmarks/page_response.py [HOME]`: HOME is a workspace with finished two-tower runs of a large log. Without
it one is made: 50,000 users, 630,000 articles, a run of one epoch, and copies of it that differ in name and seed.
"""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from dssm_core.config import with_settings
from dssm_core.demo import ingest_demo
from dssm_core.manifest import write_manifest
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run, list_runs, open_run
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace

TIMES = 50
RUNS = 30


def main(home: str | None) -> None:
    """Print one JSON line a page."""
    if home:
        measure(Path(home))
        return
    with tempfile.TemporaryDirectory() as made:
        # in a process of its own: the server that is timed never holds TensorFlow
        maker = multiprocessing.get_context("spawn").Process(target=make_runs, args=(Path(made),))
        maker.start()
        maker.join()
        measure(Path(made))


def make_runs(home: Path) -> None:
    """A large demo log, a trained run with its baselines, and its copies."""
    workspace = Workspace(home, bundled=None)
    dataset = ingest_demo(workspace, users=50_000, articles=630_000, days=7, seed=0)["dataset"]
    config = with_settings(find_preset("in_batch").config, ["train.epochs=1"])
    folder = workspace.new_run_folder("trained-00")
    describe_run(folder, dataset, config, "in_batch seed 0", "in_batch")
    carry_out(workspace, Run(folder), EventLog(folder / "events.jsonl"))
    for seed in range(1, RUNS):
        copy = shutil.copytree(folder, folder.with_name(f"trained-{seed:02}"), copy_function=os.link)
        described = read_json(folder / "config.json")
        described |= {"name": f"in_batch seed {seed}", "config": described["config"] | {"seed": seed}}
        write_json(copy / "config.json", described)
        write_manifest(copy)


def measure(home: Path) -> None:
    """Time both pages on the newest trained run and on all that can be compared with it."""
    os.environ["DSSM_HOME"] = str(home)
    runs = [run for run in list_runs(Workspace(home, bundled=None)) if run.model == "two_tower" and run.finished]
    run = runs[0]
    users = open_run(Workspace(home), run.id).per_user()["user_id"].astype(str).tolist()
    chosen = np.random.default_rng(0).choice(users, TIMES, replace=False)
    for beside in ("", runs[-1].id):
        page = opened("pages/users.py", run=run.id, **({"beside": beside} if beside else {}))
        print_times(f"users{' beside' if beside else ''}", page, moved_to(page, {"user": list(chosen)}))
    compared = [run.id for run in list_runs(Workspace(home, bundled=None)) if run.finished][:RUNS]
    page = opened("pages/compare.py", compared=compared, k="50")
    for view in page.segmented_control(key="view").options:
        print_times(f"compare, first look at {view}", page, moved_to(page, {"view": [view]}))
    views = page.segmented_control(key="view").options
    baselines = page.selectbox(key="baseline").options
    changes = {
        "view": [views[i % len(views)] for i in range(TIMES)],
        "baseline": [compared[i // len(views) % len(compared)] for i in range(TIMES)],
    }
    print_times(f"compare {len(compared)} runs in {len(baselines)} groups", page, moved_to(page, changes))


def opened(page: str, **query: object) -> AppTest:
    """A page after its first run."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    at.switch_page(page)
    for key, value in query.items():
        at.query_params[key] = value
    started = time.perf_counter()
    at.run()
    print(json.dumps({"page": page, "first_s": round(time.perf_counter() - started, 2), "ok": not at.exception}))
    return at


def moved_to(page: AppTest, changes: dict[str, list[str]]) -> Iterator[Callable[[], None]]:
    """One change of the address after the other; `changes`: the values that each key takes in turn."""
    for values in zip(*changes.values(), strict=True):
        yield lambda values=values: page.query_params.update(dict(zip(changes, map(str, values), strict=True)))


def print_times(name: str, page: AppTest, changes: Iterator[Callable[[], None]]) -> None:
    """Median and 95th percentile over the reruns, in milliseconds."""
    taken = []
    for change in changes:
        change()
        started = time.perf_counter()
        page.run()
        taken.append(1000 * (time.perf_counter() - started))
        if page.exception:
            raise RuntimeError(f"{name}: {page.exception[0].value}")
    median, late = np.percentile(taken, [50, 95])
    print(json.dumps({"name": name, "median_ms": round(median), "p95_ms": round(late), "times": len(taken)}))


if __name__ == "__main__":
    main(*(sys.argv[1:2] or [None]))
