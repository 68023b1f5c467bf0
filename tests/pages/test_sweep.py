import shutil
import time

import pytest

from dssm_core.runs import held_lock, write_status
from dssm_core.stored_files import write_json
from dssm_core.sweeps import LOCAL, Engine, Sweep, list_sweeps
from dssm_core.workspace import Workspace
from tests.pages.conftest import TRAINED

SWEEP = "Sweep: presets × seeds"


@pytest.fixture
def own_workspace(small_workspace, tmp_path):
    return shutil.copytree(small_workspace, tmp_path / "home")


@pytest.fixture
def started(monkeypatch):
    """The calls of start_sweep, which here starts nothing."""
    calls = []

    def start(*arguments, **options):
        calls.append((arguments, options))

    monkeypatch.setattr("lab.sweeping.start_sweep", start)
    return calls


def made(home, state="finished", runs=(TRAINED,)) -> Sweep:
    """A sweep of two runs as its files show it, of which `runs` were started."""
    workspace = Workspace(home, bundled=None)
    folder = workspace.new_sweep_folder("20270101-000000-aaaaaa")
    planned = [{"preset": "in_batch", "seed": seed, "config": {}, "positives": 100} for seed in range(2)]
    dataset = workspace.datasets()[0]["id"]
    described = {"dataset": dataset, "name": "my *sweep*", "presets": ["in_batch"], "positives": 100, "jobs": 1}
    write_status(folder, state)
    write_json(folder / "sweep.json", {**described, "created": time.time() - 60, "planned": planned})
    write_json(folder / "started.json", {str(place): run for place, run in enumerate(runs)})
    sweep = list_sweeps(workspace)[0]
    sweep.note_begin()
    return sweep


def test_a_sweep_is_planned_and_started_from_the_page(open_page, own_workspace, started):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["in_batch", "popular"])
    assert not at.exception
    assert "in_batch: train.batch_size=1024 is more than the" in at.error[0].value.replace("\\", "")
    at.text_input(key="sweep settings").set_value("train.batch_size=64 split.train_days=2").run()
    assert not at.exception and not at.error
    told = next(text.value for text in at.text if "4 runs, each seeing about" in text.value)
    assert "of memory that are free, for the largest of them" in told
    next(button for button in at.button if button.label == "Start the sweep").click().run()
    assert not at.exception
    (arguments, options) = started[0]
    assert arguments[2:] == (["in_batch", "popular"], 3)
    assert options["settings"] == ["train.batch_size=64", "split.train_days=2"]
    assert (options["jobs"], options["engine"]) == (1, LOCAL)


def test_a_sweep_can_be_handed_to_a_ray_cluster(open_page, own_workspace, started):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"])
    at.button_group(key="engine").set_value("ray").run()
    assert not at.exception
    assert "Runs at work at once" not in [number.label for number in at.number_input]
    at.text_input(key="sweep cluster").set_value("10.0.0.1:6379")
    at.number_input(key="sweep cpus").set_value(4).run()
    assert any("of its machine's memory" in text.value for text in at.text)
    next(button for button in at.button if button.label == "Start the sweep").click().run()
    assert not at.exception
    assert started[0][1]["engine"] == Engine(kind="ray", address="10.0.0.1:6379", cpus=4, gpus=0)


def test_where_a_sweep_is_carried_out_is_in_the_address_and_comes_back(open_page, own_workspace, started):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"], jobs="2")
    assert at.number_input(key="sweep jobs").value == 2
    at.number_input(key="sweep jobs").set_value(3).run()
    assert at.query_params["jobs"] == "3"
    at.button_group(key="engine").set_value("ray").run()
    at.text_input(key="sweep cluster").set_value("auto")
    at.number_input(key="sweep cpus").set_value(4)
    at.number_input(key="sweep gpus").set_value(1).run()
    query = {key: at.query_params[key] for key in ("engine", "cluster", "cpus", "gpus")}
    assert query == {"engine": "ray", "cluster": "auto", "cpus": "4", "gpus": "1"}
    fresh = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"], **query)
    assert not fresh.exception and not fresh.warning
    next(button for button in fresh.button if button.label == "Start the sweep").click().run()
    assert started[0][1]["engine"] == Engine(kind="ray", address="auto", cpus=4, gpus=1)


def test_a_link_to_a_cluster_is_told_where_ray_is_missing(open_page, own_workspace, monkeypatch):
    monkeypatch.setattr("lab.sweeping.is_installed", lambda: False)
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"], engine="ray")
    assert "Left out of the link: engine=ray." in at.warning[0].value.replace("\\", "")


def test_a_number_of_jobs_that_was_emptied_is_refused(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"])
    at.number_input(key="sweep jobs").set_value(None).run()
    assert "bad value 0 for jobs: it must be 1 to 1,000" in at.error[0].value.replace("\\", "")


def test_without_ray_there_is_no_choice_of_an_engine(open_page, own_workspace, monkeypatch):
    monkeypatch.setattr("lab.sweeping.is_installed", lambda: False)
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"])
    assert not at.exception
    assert "engine" not in [group.key for group in at.button_group]
    assert "Runs at work at once" in [number.label for number in at.number_input]


def test_a_setting_that_is_unknown_is_said_before_anything_starts(open_page, own_workspace, started):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["in_batch"])
    at.text_input(key="sweep settings").set_value("train.batches=3").run()
    assert not at.exception
    assert "train" in at.error[0].value and not started


def test_a_sweep_at_work_shows_how_far_it_is(open_page, own_workspace):
    sweep = made(own_workspace, "running")
    with held_lock(sweep.folder):
        at = open_page("pages/train.py", own_workspace)
    assert not at.exception
    assert any(text.value == "my *sweep*" for text in at.text)
    assert any(button.label == "Cancel the sweep" for button in at.button)


def test_an_ended_sweep_is_listed_and_can_be_deleted_without_its_runs(open_page, own_workspace):
    sweep = made(own_workspace)
    at = open_page("pages/train.py", own_workspace)
    assert any("my *sweep*: 1 of 2 runs" in text.value for text in at.text)
    at.button(key=f"delete {sweep.id}").click().run()
    assert not at.exception
    assert not list_sweeps(Workspace(own_workspace, bundled=None))
    assert (own_workspace / "runs" / TRAINED).exists()


def test_a_sweep_with_a_run_that_did_not_finish_can_be_resumed(open_page, own_workspace, monkeypatch):
    resumed = []
    monkeypatch.setattr("lab.sweeping.resume_sweep", resumed.append)
    sweep = made(own_workspace, "cancelled")
    at = open_page("pages/train.py", own_workspace)
    at.button(key=f"resume {sweep.id}").click().run()
    assert not at.exception
    assert resumed == [sweep]


def test_a_sweep_whose_run_was_deleted_is_still_listed(open_page, own_workspace):
    made(own_workspace, runs=("gone",))
    at = open_page("pages/train.py", own_workspace)
    assert not at.exception
    assert any("0 of 2 runs" in text.value for text in at.text)
