"""Server time of a page's reruns at full scale: what the scripts of the three pages share.

The log has 50,000 users and 630,000 articles. Its run is trained, and its baselines computed, by processes of their
own: the one that is timed never holds TensorFlow, which would slow all of it down, as it never does in the server.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from benchmarks.full_scale import ROOT, full_run
from benchmarks.goals import print_value, rounded
from dssm_core.manifest import write_manifest
from dssm_core.runs import Run, list_runs, open_run
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace

TIMES = 50
RUNS = 30


def thirty_runs(home: Path) -> list[Run]:
    """30 comparable runs in the workspace that the page will show: a trained one, copies of it, and the baselines."""
    workspace, run_id = full_run(home)
    trained = open_run(workspace, run_id)
    for seed in range(1, RUNS + 1 - len(list_runs(workspace))):
        folder = workspace.home / "runs" / f"copy-{seed:02}"
        shutil.rmtree(folder, ignore_errors=True)  # left by a call that was interrupted
        shutil.copytree(trained.folder, folder, copy_function=os.link)
        (folder / "config.json").unlink()
        described = read_json(trained.folder / "config.json")
        described |= {"name": f"in_batch seed {seed}", "config": described["config"] | {"seed": seed}}
        write_json(folder / "config.json", described)
        write_manifest(folder)
    os.environ["DSSM_HOME"] = str(workspace.home)
    return list_runs(Workspace(workspace.home, bundled=None))[:RUNS]


def opened(page: str, **query: object) -> AppTest:
    """A page after its first run, which nothing is timed of."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    at.switch_page(page)
    for key, value in query.items():
        at.query_params[key] = value
    return _checked(at.run())


def print_reruns(name: str, page: AppTest, changes: Iterable[Callable[[], object]], **details: object) -> None:
    """Print the 95th percentile over one rerun after each change, in milliseconds; the change itself is not timed."""
    taken = []
    for change in changes:
        change()
        started = time.perf_counter()
        page.run()
        taken.append(1000 * (time.perf_counter() - started))
        _checked(page)
    if "tensorflow" in sys.modules:
        raise RuntimeError("TensorFlow is loaded beside the page, and slows it down")
    print_value(
        name,
        float(np.percentile(taken, 95)),
        min(taken),
        max(taken),
        median=rounded(float(np.median(taken))),
        times=len(taken),
        **details,
    )


def _checked(page: AppTest) -> AppTest:
    if page.exception:
        raise RuntimeError(f"the page failed: {page.exception[0].value}")
    return page
