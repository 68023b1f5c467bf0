import errno
import os
import signal
import time

import numpy as np
import pytest

from dssm_core.config import Config, flatten, with_settings
from dssm_core.errors import UserError
from dssm_core.presets import find_preset
from dssm_core.processes import held_lock, process_number
from dssm_core.runs import RunState, list_runs, write_status
from dssm_core.stored_files import write_json
from dssm_core.sweeps import (
    Sweep,
    cancel_sweep,
    delete_sweep,
    list_sweeps,
    open_sweep,
    plan,
    resume_sweep,
    start_sweep,
    with_budget,
)
from dssm_core.train_counts import TrainCounts
from dssm_core.workspace import Workspace
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.real_runs import wait_until_gone

SETTINGS = [setting for setting in QUICK if not setting.startswith("train.epochs")]


@pytest.fixture
def workspace(tasteful_dataset, tmp_path):
    workspace = Workspace(tmp_path, bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


def wait(sweep, seconds=120):
    end = time.monotonic() + seconds
    while (state := sweep.state()).state == "running":
        assert time.monotonic() < end, f"{state}: {(sweep.folder / 'log.txt').read_text()}"
        time.sleep(0.1)
    return state


def wait_for_a_run_at_work(sweep):
    end = time.monotonic() + 60
    while not any(run.state().state == "running" for run in sweep.runs()):
        assert time.monotonic() < end, (sweep.folder / "log.txt").read_text()
        time.sleep(0.05)
    return sweep.runs()[0]


def counts(clicks) -> TrainCounts:
    clicks = np.array(clicks)
    return TrainCounts(np.arange(1, len(clicks), dtype=np.int32), clicks, clicks, None, None)


def test_every_config_sees_as_many_positives_to_the_nearest_epoch():
    some = counts([0, 600, 400])
    config, seen = with_budget(find_preset("recommended").config, some, 16_400)
    assert (config.train.epochs, seen) == (16, 16_000)


def test_two_stages_share_the_budget():
    some = counts([0, *[10] * 100])
    config, seen = with_budget(find_preset("mined").config, some, 16_000)
    assert (config.train.epochs, seen) == (8, 16_000)


def test_thinned_out_clicks_are_passed_over_more_often():
    # t = 0.04 keeps an article with a share f of min(1, (√(f/t) + 1) t/f): of 0.64 (4 + 1)/16 and of 0.36 (3 + 1)/9
    some = counts([0, 640, 360])
    config, seen = with_budget(with_settings(Config(), ["negatives.subsample=0.04"]), some, 10_000)
    assert (config.train.epochs, seen) == (28, 28 * 360)


def test_a_baseline_has_no_budget_and_no_seeds(workspace):
    planned, _ = plan(workspace, "tasty", ["popular", "in_batch"], 2, SETTINGS)
    assert [(one["preset"], one["seed"]) for one in planned] == [("popular", 0), ("in_batch", 0), ("in_batch", 1)]
    assert planned[0]["positives"] is None


def test_runs_of_a_sweep_differ_by_preset_and_seed_alone(workspace, tasteful_dataset):
    planned, positives = plan(workspace, "tasty", ["in_batch", "uniform"], 2, SETTINGS)
    one, other = (dict(planned[i]["config"]) for i in (0, 2))
    assert (one.pop("seed"), other.pop("seed")) == (0, 1) and one == other
    assert {key for key in one if one[key] != planned[1]["config"][key]} == {
        key
        for key, value in flatten(find_preset("in_batch").config).items()
        if value != flatten(find_preset("uniform").config)[key]
    }
    assert {one["positives"] for one in planned} == {positives}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"presets": ["in_batch", "best"]}, "unknown preset 'best'"),
        ({"presets": []}, "at least one preset"),
        ({"seeds": 0}, "bad value 0 for seeds"),
        ({"seeds": 10**8}, "bad value 100000000 for seeds: it must be 1 to 1,000"),
        ({"jobs": 0}, "bad value 0 for jobs"),
        ({"positives": 0}, "bad value 0 for positives"),
        ({"positives": 10**9}, "preset in_batch: bad value .* for train.epochs"),
        ({"settings": ["split.kind=column"]}, "no split column"),
        ({"settings": ["negatives.rank_from=9000", "negatives.rank_to=9001"], "presets": ["mined"]}, "preset mined: "),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_starts(workspace, arguments, message):
    wanted = {"presets": ["in_batch"], "seeds": 2} | arguments
    with pytest.raises(UserError, match=message):
        start_sweep(workspace, "tasty", wanted.pop("presets"), wanted.pop("seeds"), **wanted)
    assert not list_sweeps(workspace)


def test_a_sweep_carries_out_its_runs_two_at_once_and_each_baseline_but_once(workspace):
    sweep = start_sweep(workspace, "tasty", ["in_batch", "popular"], 2, settings=SETTINGS, positives=2000, jobs=2)
    assert wait(sweep).state == "finished", (sweep.folder / "log.txt").read_text()
    state = sweep.state()
    assert (state.progress, state.stage, state.reason) == (1.0, "3 of 3 runs", "")
    assert [(run.preset, run.config.seed) for run in sweep.runs()] == [("in_batch", 0), ("popular", 0), ("in_batch", 1)]
    assert all(run.finished for run in sweep.runs())
    names = [folder.name for folder in workspace.run_folders()]
    assert sum(name.startswith("ease-") for name in names) == 1
    delete_sweep(open_sweep(workspace, sweep.id))
    assert not list_sweeps(workspace) and all(run.folder.exists() for run in sweep.runs())


def test_cancelling_a_sweep_stops_its_run_at_work_and_starts_no_other(workspace):
    sweep = start_sweep(workspace, "tasty", ["in_batch"], 3, settings=SETTINGS, positives=1_000_000)
    run = wait_for_a_run_at_work(sweep)
    with pytest.raises(UserError, match="is at work"):
        delete_sweep(sweep)
    cancel_sweep(sweep)
    state = sweep.state()
    assert (state.state, state.stage) == ("cancelled", "0 of 3 runs"), "what was stopped is not done"
    assert run.state().state == "cancelled"
    assert len(sweep.runs()) == 1


def test_a_killed_sweep_is_told_as_interrupted_and_its_run_goes_on(workspace):
    sweep = start_sweep(workspace, "tasty", ["random"], 1, settings=SETTINGS)
    os.killpg(process_number(sweep.folder), signal.SIGKILL)
    end = time.monotonic() + 10
    while sweep.state().state == "running":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert sweep.state().state == "interrupted"


def test_a_killed_sweep_goes_on_with_the_runs_that_did_not_finish(workspace):
    sweep = start_sweep(workspace, "tasty", ["random", "popular"], 1, settings=SETTINGS)
    first = wait_for_a_run_at_work(sweep)
    for job in (sweep, first):
        os.killpg(process_number(job.folder), signal.SIGKILL)
        wait_until_gone(job.folder)
    assert (sweep.state().state, first.state().state) == ("interrupted", "interrupted")
    resume_sweep(sweep)
    resume_sweep(sweep)
    assert wait(sweep).state == "finished", (sweep.folder / "log.txt").read_text()
    assert [run.preset for run in sweep.runs()] == ["random", "popular"] and first in sweep.runs()
    assert all(run.finished for run in sweep.runs())
    started = {run.id for run in list_runs(workspace) if run.name.endswith("seed 0")}
    assert started == {run.id for run in sweep.runs()}
    with pytest.raises(UserError, match="cannot be resumed: all its runs are finished"):
        resume_sweep(sweep)


def test_a_sweep_whose_process_cannot_be_started_again_is_told(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path, bundled=None)
    folder = workspace.new_sweep_folder("ended")
    plan = {"preset": "uniform", "seed": 0, "config": {}, "positives": 1}
    described = {"dataset": "tasty", "name": "", "presets": ["uniform"], "positives": 1, "jobs": 1, "created": 1.0}
    write_json(folder / "sweep.json", described | {"planned": [plan]})
    write_status(folder, "cancelled", "cancelled")

    def no_process(*arguments):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr("dssm_core.sweeps.start_process", no_process)
    with pytest.raises(UserError, match=r"sweep ended could not be resumed: .*memory"):
        resume_sweep(open_sweep(workspace, "ended"))


def test_what_is_left_of_a_sweep_goes_by_a_clock_that_does_not_jump(workspace, monkeypatch):
    folder = workspace.new_sweep_folder("odd")
    planned = [{"preset": "in_batch", "seed": seed, "config": {}, "positives": 100} for seed in range(4)]
    described = {"dataset": "d", "name": "odd", "presets": ["in_batch"], "positives": 1, "jobs": 1}
    write_json(folder / "sweep.json", {**described, "planned": planned, "created": time.time() + 10**8})
    write_status(folder, "running")
    sweep = Sweep(workspace, folder)
    write_json(folder / "begun.json", {"clock": time.monotonic() - 60, "done": 0.25})
    monkeypatch.setattr(Sweep, "runs", lambda self: [Ended()] * 2)
    with held_lock(folder):
        assert sweep.state().eta_s == pytest.approx(120, abs=5)


class Ended:
    def state(self):
        return RunState("finished")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sweep.json", "{}"),
        ("sweep.json", '{"name": "", "planned": []}'),
        (
            "sweep.json",
            '{"dataset": "d", "name": "", "presets": [], "positives": 1, "jobs": 1, "created": 1.0, "plannec": []}',
        ),
        ("status.json", '{"state": 1}'),
        ("started.json", '{"0": 7}'),
        ("started.json", "[" * 100_000),
    ],
)
def test_a_damaged_sweep_is_told_listed_and_can_be_forgotten(tmp_path, name, content):
    workspace = Workspace(tmp_path, bundled=None)
    folder = workspace.new_sweep_folder("some")
    planned = [{"preset": "in_batch", "seed": 0, "config": {}, "positives": 1}]
    described = {"dataset": "d", "name": "mine", "presets": ["in_batch"], "positives": 1, "jobs": 1, "created": 1.0}
    write_json(folder / "sweep.json", {**described, "planned": planned})
    write_status(folder, "finished")
    assert open_sweep(workspace, "some").state().state == "finished"
    (folder / name).write_text(content)
    (sweep,) = list_sweeps(workspace)
    assert sweep.state().state == "damaged"
    assert sweep.state().reason.startswith(f"sweep some is damaged: {name} ")
    delete_sweep(sweep)
    assert not list_sweeps(workspace)


def test_runs_at_work_at_once_must_fit_into_memory_together(workspace, monkeypatch):
    planned, _ = plan(workspace, "tasty", ["in_batch"], 3, SETTINGS)
    needed = planned[0]["bytes"]
    monkeypatch.setenv("DSSM_FREE_BYTES", str(int(2.5 * needed)))
    with pytest.raises(UserError, match=r"^3 runs at work at once need about .* are free: let 2 be at work at once$"):
        start_sweep(workspace, "tasty", ["in_batch"], 3, settings=SETTINGS, jobs=3)
    monkeypatch.setenv("DSSM_FREE_BYTES", str(int(0.5 * needed)))
    with pytest.raises(UserError, match=r"^preset in_batch: .* does not fit into memory"):
        start_sweep(workspace, "tasty", ["in_batch"], 3, settings=SETTINGS)
    assert not list_sweeps(workspace)
