"""A log of the scale of fun-rec's sample of the Yidian logs, made once and shared by the timings that need one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dssm_core.demo import FILES, write_demo
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace

ROWS, USERS, ARTICLES, DAYS = 6_000_000, 50_000, 630_000, 7
HOME = "DSSM_BENCH_HOME"
"""The environment's name of the folder that keeps what was made; without it each script makes its own and drops it."""


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
