"""What an ingest leaves behind that is ended from outside: ingests in processes of their own, really ended."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ingest_memory import write_log
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace

ROOT = Path(__file__).parents[1]
HELD = """
import sys, time
from pathlib import Path
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace

home, log, go = map(Path, sys.argv[1:])

def wait(done, total):
    if done > 0.8 * total:
        (home / "waiting").touch()
        while not go.exists():
            time.sleep(0.02)

ingest(Workspace(home, bundled=None), "generic", log, progress=wait)
"""


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,article_id\nu,a\nu,b\n")
    return path


def left_in(workspace):
    return sorted(path.name for path in (workspace.home / "datasets").iterdir())


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited a minute in vain"
        time.sleep(0.02)


@pytest.fixture
def held(workspace, log, tmp_path):
    """An ingest in a process of its own that waits for the file `go`, its rows read and on the disk."""
    child = subprocess.Popen([sys.executable, "-c", HELD, workspace.home, log, tmp_path / "go"], cwd=ROOT)
    until((workspace.home / "waiting").exists)
    yield child
    child.kill()
    child.wait()


def test_a_killed_ingest_is_not_listed_and_the_next_one_sweeps_it_away(workspace, log, held):
    held.kill()
    held.wait()
    (hidden,) = left_in(workspace)
    assert hidden.startswith(".") and workspace.datasets() == []
    made = ingest(workspace, "generic", log)["dataset"]
    assert left_in(workspace) == [made]


def test_an_ingest_at_work_is_left_alone_by_the_next_one(workspace, log, held, tmp_path):
    made = ingest(workspace, "generic", log)["dataset"]
    assert len(left_in(workspace)) == 2
    (tmp_path / "go").touch()
    assert held.wait(60) == 0
    assert len(workspace.datasets()) == 2 and made in left_in(workspace)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_command_line_ends_cleanly_when_it_is_asked_to(workspace, tmp_path, number):
    write_log(tmp_path, 300_000, 1000, 1000, np.random.default_rng(0))
    command = ["ingest", "--format", "yidian", "--exposures", tmp_path / "train_data.txt", "--home", workspace.home]
    child = subprocess.Popen(
        [sys.executable, "-m", "dssm_core", *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # tests that a shell runs in the background inherit that SIGINT is ignored
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    until(lambda: (workspace.home / "datasets").exists() and any(name.startswith(".") for name in left_in(workspace)))
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 128 + number
    assert left_in(workspace) == []
    assert not out and b"Traceback" not in err


def test_the_command_line_shows_how_far_an_ingest_is(workspace, log):
    script = (
        "import sys; sys.stderr.isatty = lambda: True; from dssm_core.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["ingest", "--format", "generic", "--exposures", log, "--home", workspace.home]
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, check=True)
    assert b"ingest 100%" in done.stderr
    quiet = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--json"], cwd=ROOT, capture_output=True, check=True
    )
    assert not quiet.stderr and json.loads(quiet.stdout)["accepted"] == 2
