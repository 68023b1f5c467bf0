"""A log of the scale of fun-rec's sample of the Yidian logs, made once and shared by the timings that need one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dssm_core.demo import FILES, write_demo
from dssm_core.export import read_vectors
from dssm_core.ingest import ingest
from dssm_core.runs import list_runs, open_run
from dssm_core.workspace import Workspace

ROOT = Path(__file__).parent.parent
ROWS, USERS, ARTICLES, DAYS = 6_000_000, 50_000, 630_000, 7
HOME = "DSSM_BENCH_HOME"
"""The environment's name of the folder that keeps what was made; without it each script makes its own and drops it."""
_ONE_EPOCH = ("--set", "train.epochs=1")


@contextmanager
def full_scale_home() -> Iterator[Path]:
    """The folder that `$DSSM_BENCH_HOME` names, or one that goes after the body."""
    if kept := os.environ.get(HOME):
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory(prefix="dssm-bench-") as made:
        yield Path(made)


def raw_log(home: Path) -> list[Path]:
    """The log's three files, headerless `yidian`: exposures, users, articles."""
    folder = home / "log"
    if not folder.exists():
        written = home / "log, not whole"
        write_demo(written, USERS, ARTICLES, DAYS, seed=0, exposures=ROWS)
        written.rename(folder)
    return [folder / name for name in FILES]


def full_dataset(home: Path) -> tuple[Workspace, str]:
    """A workspace with that log, and the dataset's id."""
    workspace = Workspace(home / "workspace", bundled=None)
    if not workspace.datasets():
        ingest(workspace, "yidian", *raw_log(home), name="full scale")
    return workspace, workspace.datasets()[0]["id"]


def full_run(home: Path) -> tuple[Workspace, str]:
    """The workspace with a two-tower run of one epoch, trained by a process of its own, and the run's id."""
    workspace, dataset = full_dataset(home)
    trained = [run for run in list_runs(workspace) if run.model == "two_tower" and run.finished]
    if trained:
        return workspace, trained[-1].id
    settings = ("--dataset", dataset, "--preset", "in_batch", *_ONE_EPOCH)
    return workspace, command_line("train", "--home", home / "workspace", *settings)["run"]


def full_vectors(home: Path) -> tuple[np.ndarray, np.ndarray]:
    """What that run learned, as unit rows of 32 float32: the pool's articles, and the users with train clicks."""
    workspace, run = full_run(home)
    return tuple(read_vectors(open_run(workspace, run), side)[1] for side in ("articles", "users"))


def command_line(*arguments: object) -> dict:
    """What `python -m dssm_core … --json` answers."""
    command = [sys.executable, "-m", "dssm_core", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
