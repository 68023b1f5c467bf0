"""The k-th write fails, for every k of an ingest and of a run: nothing earlier is lost, nothing half made is whole."""

import hashlib
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context

import pandas as pd
import pytest

from dssm_core import child
from dssm_core.config import Config, with_settings
from dssm_core.demo import write_demo
from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.manifest import MANIFEST, checked, read_manifest
from dssm_core.presets import find_preset
from dssm_core.runs import describe_run, list_runs
from dssm_core.workspace import Workspace, load_dataset
from tests.campaigns.failing_disk import failing
from tests.campaigns.size import cases
from tests.conftest import QUICK

# a Parquet writer that could not be closed tries once more when it is forgotten
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_RUNS_A_PROCESS = 50
"""TensorFlow does not outlive some hundreds of trainings in one process."""
PERSISTING = pytest.mark.parametrize("stays", [False, True], ids=["once", "from then on"])
BASELINE = Config(model="popular", eval={"k": [5, 20], "bootstrap": 100}, split={"train_days": 2})
TWO_TOWER = with_settings(find_preset("in_batch").config, [*QUICK, "train.epochs=1", "split.train_days=2"])


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    write_demo(folder, users=60, articles=50, days=3, seed=1)
    return folder


@pytest.fixture(scope="module")
def home(log, tmp_path_factory):
    """A workspace with a dataset and a finished run, without the other baselines."""
    home = tmp_path_factory.mktemp("earlier") / "home"
    workspace = Workspace(home, bundled=None)
    brought(workspace, log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dssm_core.pipeline._baselines", lambda *_: None)
        carried_out(workspace, BASELINE, "earlier")
    return home


@pytest.fixture(scope="module")
def home_with_baselines(home, tmp_path_factory):
    """The same where every baseline of the run to come is there."""
    home = shutil.copytree(home, tmp_path_factory.mktemp("baselines") / "home")
    carried_out(Workspace(home, bundled=None), TWO_TOWER.model_copy(update={"model": "popular"}), "with-baselines")
    return home


def brought(workspace, log):
    return ingest(workspace, "yidian", log / "train_data.txt", log / "user_info.txt", log / "doc_info.txt")


def carried_out(workspace, config, name):
    """What the process of a run does, from the making of its folder, in this process."""
    (dataset,) = (manifest["id"] for manifest in workspace.datasets())
    describe_run(workspace.new_run_folder(name), dataset, config, name, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signal.signal", lambda number, handler: None)
        return child.main(str(workspace.home), name)


def calls(home, folder, body):
    """How many writing calls `body` makes in a copy of a workspace when nothing fails."""
    copy = shutil.copytree(home, folder / "undisturbed")
    with failing(copy, None) as disk:
        body(Workspace(copy, bundled=None))
    return disk.calls


@contextmanager
def broken(home, folder, body, number, stays, ends_in):
    """A copy of a workspace in which a writing call of `body` failed, which may end in some errors; and what failed."""
    copy = shutil.copytree(home, folder / str(number))
    with failing(copy, number, stays) as disk, suppress(*ends_in):
        body(Workspace(copy, bundled=None))
    assert disk.failed, f"call {number} was not reached"
    yield Workspace(copy, bundled=None), f"call {number}: {disk.failed}"
    shutil.rmtree(copy)


def contents(workspace):
    """A digest of everything that is listed as whole, by place; reads every file."""
    found = {}
    for manifest in workspace.datasets():
        dataset = load_dataset(workspace, manifest["id"])
        found["datasets", manifest["id"]] = hashlib.sha256(
            pd.util.hash_pandas_object(dataset.articles).to_numpy().tobytes() + dataset.exposures.article.tobytes()
        ).hexdigest()
    for run in list_runs(workspace):
        if run.finished:
            run.metrics(), run.recall(), run.per_user(), run.held_out(), run.events()
            for name in read_manifest(run.folder)["files"]:
                with checked(run.folder, name):
                    pass
            found["runs", run.id] = hashlib.sha256((run.folder / MANIFEST).read_bytes()).hexdigest()
    return found


@PERSISTING
def test_an_ingest_whose_write_fails_leaves_nothing_or_a_whole_dataset(home, log, tmp_path, stays):
    earlier = contents(Workspace(home, bundled=None))
    ((_, first),) = (place for place in earlier if place[0] == "datasets")
    body = partial(brought, log=log)
    for number in range(0, calls(home, tmp_path, body), cases(12, 1)):
        with broken(home, tmp_path, body, number, stays, [UserError]) as (workspace, told):
            found = contents(workspace)
            assert earlier.items() <= found.items(), told
            assert not workspace.damaged_datasets(), told
            # the same log gives the same dataset, if it gives one
            assert {found[place] for place in found if place[0] == "datasets"} == {earlier["datasets", first]}, told
            brought(workspace, log)
            hidden = [path.name for path in (workspace.home / "datasets").iterdir() if path.name.startswith(".")]
            assert not hidden, f"{told}: the next ingest left {hidden}"


@PERSISTING
@pytest.mark.parametrize("model", ["popular", "two_tower"])
def test_a_run_whose_write_fails_says_so_or_is_whole(home, home_with_baselines, tmp_path, model, stays):
    start, config, step = (home, BASELINE, 60) if model == "popular" else (home_with_baselines, TWO_TOWER, 180)
    numbers = range(0, calls(start, tmp_path, partial(carried_out, config=config, name="mine")), cases(step, 1))
    check = partial(check_broken_run, start, tmp_path, config, stays)
    for first in range(0, len(numbers), _RUNS_A_PROCESS):
        some = numbers[first : first + _RUNS_A_PROCESS]
        if len(numbers) <= _RUNS_A_PROCESS:
            list(map(check, some))
            continue
        # a pool of its own each time: one that renews its processes may wait for ever (cpython issue 115634)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            list(pool.map(check, some))


def check_broken_run(start, folder, config, stays, number):
    """A run with a failing call is told as failed or interrupted, or is whole; all other runs and datasets are."""
    earlier = contents(Workspace(start, bundled=None))
    body = partial(carried_out, config=config, name="mine")
    # a process that cannot write how it ends dies of it
    with broken(start, folder, body, number, stays, [UserError, OSError]) as (workspace, told):
        assert earlier.items() <= contents(workspace).items(), told
        for run in list_runs(workspace):
            state = run.state()
            assert state.state in ("finished", "failed", "interrupted"), f"{told}: {run.id} is {state}"
            assert run.id == "mine" or state.state == "finished", f"{told}: {run.id} is {state}"
            if state.state == "failed":
                assert state.reason and "unexpected" not in state.reason, f"{told}: {state}"
