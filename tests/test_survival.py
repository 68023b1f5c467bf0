"""What may befall the process of a run, done to a real one: it says what happened, and goes on when it is resumed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from dssm_core.config import with_settings
from dssm_core.presets import find_preset
from dssm_core.processes import held_lock, process_number
from dssm_core.runs import Run, cancel_run, describe_run, list_runs, resume_run, start_run
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.real_runs import log, wait, wait_for_event, wait_until_gone

YEARS = 10 * 365 * 86_400


@pytest.fixture
def workspace(tasteful_dataset, tmp_path):
    return made(tmp_path / "home", tasteful_dataset)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    # lazily: after a failure a child may still be there
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def child_begins_with(tmp_path, monkeypatch):
    """A function that has every child run some Python before anything else."""

    def begin_with(code):
        (tmp_path / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return begin_with


def made(home, dataset):
    workspace = Workspace(home, bundled=None)
    save_dataset(workspace, "tasty", dataset)
    return workspace


def start(workspace, *settings):
    return start_run(workspace, "tasty", with_settings(find_preset("in_batch").config, [*QUICK, *settings]))


def test_a_disk_that_fills_up_is_told_and_the_run_goes_on_once_there_is_room(small_disk, tasteful_dataset):
    run = start(made(small_disk, tasteful_dataset), "train.epochs=400")
    wait_for_event(run, "epoch")
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    assert "no room left on the disk" in wait(run, "failed").reason, log(run)
    wait_until_gone(run.folder)
    assert not list(run.folder.glob(".*"))
    (small_disk / "ballast").unlink()
    resume_run(Workspace(small_disk, bundled=None), run)
    wait_for_event(run, "train", 1)
    assert run.state().progress > 0
    cancel_run(run)


@pytest.mark.parametrize("kibibytes", [1, 100])
def test_a_write_that_fails_leaves_nothing_half_written(workspace, child_begins_with, kibibytes):
    """The first that fails is the very first, or that of the checkpoint."""
    child_begins_with(
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({kibibytes} << 10, resource.RLIM_INFINITY))"
    )
    run = start(workspace)
    state = wait(run, "failed")
    assert "no room left" in state.reason, log(run)
    wait_until_gone(run.folder)
    assert not list(run.folder.glob("**/.*"))
    assert not (run.folder / "manifest.json").exists()


def test_memory_that_runs_out_is_told(workspace, child_begins_with):
    # as many bytes of addresses as its libraries take, and little more
    child_begins_with(
        "import resource, threading, time, sys\n"
        "def narrow():\n"
        "    while not hasattr(sys.modules.get('dssm_core.pipeline'), 'peak_mb'): time.sleep(0.01)\n"
        "    pages = int(open('/proc/self/statm').read().split()[0])\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 27), -1))\n"
        "threading.Thread(target=narrow, daemon=True).start()\n"
    )
    config = with_settings(find_preset("random").config, [*QUICK, "eval.bootstrap=100000", "eval.k=100"])
    assert "out of memory: lower" in wait(start_run(workspace, "tasty", config), "failed").reason


def test_a_clock_that_jumps_changes_neither_states_nor_what_is_left(workspace, child_begins_with):
    child_begins_with(
        "import itertools, time\n"
        "true, jumps = time.time, itertools.cycle([0, -86400, 86400])\n"
        "time.time = lambda: true() + next(jumps)\n"
    )
    run = start(workspace, "train.epochs=6")
    seen = []
    while (state := run.state()).state in ("queued", "running"):
        seen.append(state)
        time.sleep(0.02)
    assert state.state == "finished", log(run)
    assert {state.state for state in seen} <= {"queued", "running"}
    assert all(0 <= state.eta_s < 3600 for state in seen if state.eta_s is not None)
    progress = [state.progress for state in seen if state.progress is not None]
    assert progress == sorted(progress)


@pytest.mark.parametrize("years", [-YEARS, YEARS])
def test_a_run_from_another_time_is_listed_in_its_state(workspace, years):
    folder = workspace.new_run_folder("odd")
    describe_run(folder, "tasty", find_preset("in_batch").config, "odd", "")
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "created": time.time() + years})
    write_json(folder / "status.json", {**read_json(folder / "status.json"), "updated": time.time() + years})
    assert [run.state().state for run in list_runs(workspace)] == ["interrupted"]


def test_a_run_outlives_the_server_that_started_it(workspace):
    code = (
        "import sys, time; from dssm_core.config import Config; from dssm_core.runs import start_run\n"
        "from dssm_core.workspace import Workspace\n"
        "print(start_run(Workspace(sys.argv[1], bundled=None), 'tasty', Config(model='random')).id, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(workspace.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        run = Run(workspace.home / "runs" / server.stdout.readline().strip())
        os.killpg(server.pid, signal.SIGKILL)
    assert wait(run, "finished").state == "finished"


def test_a_process_that_took_over_the_number_of_another_gets_no_signal(tmp_path):
    describe_run(tmp_path, "d", find_preset("in_batch").config, "", "")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger, held_lock(tmp_path):
        # as if written by a process that has ended since
        (tmp_path / "pid").write_text(f"{stranger.pid} 1")
        assert process_number(tmp_path) is None
        cancel_run(Run(tmp_path), wait=False)
        assert Run(tmp_path).state().state == "cancelling"
        time.sleep(0.2)
        assert stranger.poll() is None
        stranger.kill()
