import errno
import fcntl
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dssm_core import child
from dssm_core.config import Config, with_settings
from dssm_core.errors import UserError
from dssm_core.manifest import write_manifest
from dssm_core.presets import find_preset
from dssm_core.processes import held_lock, is_locked, process_number
from dssm_core.runs import (
    ACTIVE,
    EventLog,
    Run,
    cancel_run,
    delete_run,
    describe_run,
    list_runs,
    open_run,
    resume_run,
    start_run,
    write_status,
)
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.real_runs import wait, wait_for_event

LONG = ("train.epochs=1000", "train.batch_size=2")


@pytest.fixture(scope="module")
def workspace(tasteful_dataset, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("runs"), bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


def start(workspace, *settings):
    return start_run(workspace, "tasty", with_settings(find_preset("in_batch").config, [*QUICK, *settings]))


def test_a_run_is_carried_out_by_a_process_of_its_own(workspace):
    run = start(workspace)
    assert run.state().state in ACTIVE
    assert wait(run, "finished", "failed").state == "finished"
    numbers = [event["seq"] for event in run.events()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert run.metrics()["peak_mb"] > 100


def test_a_second_run_waits_for_its_turn_and_a_cancelled_one_gives_it_up(workspace):
    first = start(workspace, *LONG)
    wait_for_event(first, "step")
    second = start(workspace)
    time.sleep(1)
    assert second.state().state == "queued"
    with pytest.raises(UserError, match="is at work: cancel it first"):
        delete_run(workspace, first)
    cancel_run(first)
    assert first.state().state == "cancelled"
    assert not is_locked(first.folder)
    cancel_run(second)
    assert second.state().state == "cancelled"
    delete_run(workspace, first)
    assert first.id not in [run.id for run in list_runs(workspace)]


def test_a_killed_run_is_interrupted_at_once(workspace):
    run = start(workspace, *LONG)
    wait_for_event(run, "step")
    progress = run.state().progress
    assert 0 < progress < 1
    os.killpg(process_number(run.folder), signal.SIGKILL)
    assert wait(run, "interrupted", seconds=10).reason
    with pytest.raises(UserError, match="is interrupted: it has no metrics until it is finished"):
        run.metrics()


def test_a_run_that_cannot_go_on_says_why(workspace):
    run = start(workspace, "features.user_attributes=town")
    assert wait(run, "failed").reason == "unknown user attribute 'town': one of city"


def test_an_unknown_dataset_starts_nothing(workspace):
    before = len(list_runs(workspace))
    with pytest.raises(UserError, match="unknown dataset 'nope'"):
        start_run(workspace, "nope", Config())
    assert len(list_runs(workspace)) == before


def test_a_torn_last_line_is_ignored(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log({"type": "stage", "stage": "load"})
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"seq": 2, "type": "st')
    assert [event["seq"] for event in Run(tmp_path).events()] == [1]


def test_events_go_on_behind_a_torn_line_with_higher_numbers(tmp_path):
    EventLog(tmp_path / "events.jsonl")({"type": "stage", "stage": "load"})
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"seq": 2, "type": "st')
    EventLog(tmp_path / "events.jsonl")({"type": "stage", "stage": "split"})
    assert [(event["seq"], event["stage"]) for event in Run(tmp_path).events()] == [(1, "load"), (2, "split")]


@pytest.mark.parametrize(
    ("events", "doing"),
    [
        ([], "starting"),
        ([{"type": "stage", "stage": "load"}], "load"),
        ([{"type": "stage", "stage": "negatives"}, {"type": "libraries", "libraries": "TensorFlow"}],
         "negatives: loading TensorFlow"),
        ([{"type": "stage", "stage": "train"}, {"type": "train", "epoch": 0, "step": 0, "steps": 8}],
         "train: compiling the first step"),
        ([{"type": "stage", "stage": "train"}, {"type": "train", "epoch": 0, "step": 0, "steps": 8},
          {"type": "step", "step": 4, "steps": 8}], "train"),
        ([{"type": "stage", "stage": "baselines"}, {"type": "baseline", "baseline": "item_knn"}],
         "baselines: item_knn"),
    ],
)  # fmt: skip
def test_a_run_at_work_says_what_it_is_doing(events, doing, tmp_path):
    describe_run(tmp_path, "d", Config(), "mine", "")
    log = EventLog(tmp_path / "events.jsonl")
    for event in events:
        log(event)
    with held_lock(tmp_path):
        write_status(tmp_path, "running")
        assert Run(tmp_path).state().doing == doing


def at(kind, epoch, step, clock=0.0):
    return {"type": kind, "epoch": epoch, "epochs": 10, "step": step, "steps": 100, "clock": clock}


def resumed(folder):
    """Ten steps an epoch: killed in the third, as its second was kept; told once more what the second was."""
    describe_run(folder, "d", Config(), "mine", "")
    log = EventLog(folder / "events.jsonl")
    before = [at("train", 0, 0), at("step", 1, 10), at("epoch", 1, 10), at("step", 2, 20), at("epoch", 2, 20)]
    for event in (*before, at("step", 3, 28), at("train", 2, 20, 500.0), at("epoch", 2, 20)):
        log(event)
    return log


def test_what_a_resumed_run_did_again_is_told_once(tmp_path):
    log = resumed(tmp_path)
    log(at("step", 3, 30))
    told = [(event["type"], event["epoch"]) for event in Run(tmp_path).events()]
    kept = [("train", 0), ("step", 1), ("epoch", 1), ("step", 2), ("epoch", 2)]
    assert told == [*kept, ("train", 2), ("step", 3)]


def test_a_resumed_run_is_where_its_last_whole_epoch_was_and_what_is_left_goes_by_its_own_pace(tmp_path):
    log = resumed(tmp_path)
    with held_lock(tmp_path):
        state = Run(tmp_path).state()
        assert (state.progress, state.eta_s) == (0.2, None)
        log(at("step", 3, 24, 510.0))
        log(at("step", 3, 28, 512.0))
        assert Run(tmp_path).state().eta_s == pytest.approx(2 / 4 * 72)


def test_a_run_that_was_told_to_stop_and_is_gone_was_cancelled(tmp_path):
    describe_run(tmp_path, "d", Config(), "mine", "")
    with held_lock(tmp_path):
        (tmp_path / "cancel").touch()
        assert Run(tmp_path).state().state == "cancelling"
    assert Run(tmp_path).state().state == "cancelled"


def test_a_finished_run_is_not_resumed(trained):
    with pytest.raises(UserError, match="cannot be resumed: it is finished"):
        resume_run(trained, open_run(trained, "taught"))


def test_a_start_that_fails_leaves_nothing(workspace, monkeypatch):
    def no_process(*arguments):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("dssm_core.runs.start_process", no_process)
    before = {folder.name for folder in (workspace.home / "runs").glob("[!.]*")}
    with pytest.raises(UserError, match=r"could not be started: .*Cannot allocate memory"):
        start(workspace)
    assert {folder.name for folder in (workspace.home / "runs").glob("[!.]*")} == before


def test_a_start_that_was_killed_before_there_was_a_run_is_made_again(workspace, monkeypatch):
    folder = workspace.new_run_folder("half-made")
    write_status(folder, "queued")
    monkeypatch.setattr("dssm_core.runs._start_child", lambda *arguments: None)
    run = start_run(workspace, "tasty", Config(), run_id="half-made")
    assert run.folder == folder and run.dataset == "tasty"
    delete_run(workspace, run)


def test_a_config_comes_back_from_its_file(tmp_path):
    config = with_settings(Config(), ["negatives.k=9"])
    describe_run(tmp_path, "d", config, "mine", "in_batch")
    run = Run(tmp_path)
    assert (run.config, run.name, run.dataset, run.preset) == (config, "mine", "d", "in_batch")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "queued"


def test_an_unknown_run_is_named(workspace):
    with pytest.raises(UserError, match="unknown run 'nope'"):
        open_run(workspace, "nope")


def test_a_run_is_not_finished_before_its_manifest(tmp_path):
    describe_run(tmp_path, "d", Config(), "mine", "")
    write_status(tmp_path, "finished")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert Run(tmp_path).state().state == "running"
    assert Run(tmp_path).state().state == "interrupted"


def test_two_who_look_at_once_do_not_take_each_other_for_the_run(tmp_path):
    (tmp_path / "lock").touch()
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: is_locked(tmp_path), range(4000)))


def test_a_folder_that_was_never_started_is_told(workspace):
    workspace.new_run_folder("half")
    with pytest.raises(UserError, match="run half was never started"):
        open_run(workspace, "half")
    workspace.delete_run("half")


def test_an_event_may_hold_any_text(tmp_path):
    EventLog(tmp_path / "events.jsonl")({"type": "failed", "reason": "行\u2028two"})
    assert Run(tmp_path).events()[0]["reason"] == "行\u2028two"


def test_a_run_of_another_version_is_told_and_the_others_stay_listed(tmp_path):
    workspace = Workspace(tmp_path, bundled=None)
    for name in ("old", "new"):
        describe_run(workspace.new_run_folder(name), "d", Config(), name, "")
    old = workspace.run_folder("old") / "config.json"
    old.write_text(old.read_text().replace("negatives.k", "negatives.number"))
    write_manifest(old.parent)
    states = {run.id: run.state() for run in list_runs(workspace)}
    assert states["old"].state == "failed"
    assert "negatives.number" in states["old"].reason
    assert not open_run(workspace, "old").finished
    assert states["new"].state == "interrupted"


def test_a_run_whose_files_lack_what_is_shown_now_is_told(tmp_path):
    folder = Workspace(tmp_path, bundled=None).new_run_folder("old")
    describe_run(folder, "d", Config(), "old", "")
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "version": 1})
    assert "earlier version" in Run(folder).problem


def test_whatever_breaks_because_a_run_was_stopped_is_a_cancel(tmp_path, monkeypatch):
    def broken(workspace, run, report):
        (run.folder / "cancel").touch()
        raise SystemError("an import was interrupted")

    monkeypatch.setattr("dssm_core.pipeline.carry_out", broken)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    workspace = Workspace(tmp_path, bundled=None)
    folder = workspace.new_run_folder("stopped")
    describe_run(folder, "d", Config(), "stopped", "")
    child.main(str(tmp_path), "stopped")
    assert Run(folder).state().state == "cancelled"


def spoiled(name, content):
    def spoil(folder):
        (folder / name).write_bytes(content)

    spoil.__name__ = f"{name} with {content[:12]}"
    return spoil


def linked_elsewhere(folder):
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


def piped(folder):
    (folder / "status.json").unlink()
    os.mkfifo(folder / "status.json")


def huge(folder):
    with (folder / "status.json").open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    "spoil",
    [
        spoiled("config.json", b""),
        spoiled("config.json", b"[1, 2]"),
        spoiled("config.json", b"[" * 1_000_000),
        spoiled("config.json", b'{"name": 5, "config": {}}'),
        spoiled("config.json", b'{"name": "a", "config": {}, "created": 1e300}'),
        spoiled("config.json", b'{"name": "\\ud800", "config": {}}'),
        spoiled("config.json", b"\xff\xfe"),
        spoiled("status.json", b"{}"),
        spoiled("status.json", b'{"state": "splendid", "reason": ""}'),
        spoiled("status.json", b'{"state": "failed", "reason": ["no"]}'),
        spoiled("status.json", b"9" * 10_000),
        spoiled("manifest.json", b"{}"),
        linked_elsewhere,
        piped,
        huge,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_a_damaged_run_is_told_the_others_stay_listed_and_it_can_be_deleted(tmp_path, spoil):
    workspace = Workspace(tmp_path, bundled=None)
    for name in ("sound", "spoiled"):
        describe_run(workspace.new_run_folder(name), "d", Config(), name, "")
    spoil(workspace.run_folder("spoiled"))
    runs = {run.id: run for run in list_runs(workspace)}
    assert runs["sound"].state().state == "interrupted"
    state = runs["spoiled"].state()
    assert state.state == "damaged" and state.reason.startswith("run spoiled is damaged: ")
    assert state.reason.endswith("; delete it and train it again")
    assert not runs["spoiled"].finished and isinstance(runs["spoiled"].name, str)
    with pytest.raises(UserError):
        runs["spoiled"].metrics()
    delete_run(workspace, runs["spoiled"])
    assert [run.id for run in list_runs(workspace)] == ["sound"]


def test_what_is_no_event_is_left_out_of_the_events(tmp_path):
    describe_run(tmp_path, "d", Config(), "mine", "")
    lines = [
        "[1]",
        "{}",
        '{"type": 5}',
        '{"type": "step"}',
        '{"type": "failed", "seq": "9"}',
        '{"type": "stage", "stage": "load"}',
        "[" * 100_000,
        '"\\ud800"',
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    assert Run(tmp_path).events() == [{"type": "stage", "stage": "load"}]
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert Run(tmp_path).state().stage == "load"


def test_the_tail_of_a_huge_log_without_an_end_of_line_is_short(tmp_path):
    (tmp_path / "log.txt").write_bytes(b"\xff" * 10_000_000)
    assert len(Run(tmp_path).log_tail()) <= 1 << 16


def test_files_and_odd_names_among_the_runs_are_passed_over(tmp_path):
    workspace = Workspace(tmp_path, bundled=None)
    describe_run(workspace.new_run_folder("sound"), "d", Config(), "sound", "")
    (tmp_path / "runs" / "notes.txt").touch()
    for name in ("a b", "new\nline", "-rf", "行", os.fsdecode(b"\xff"), "x" * 200):
        shutil.copytree(tmp_path / "runs" / "sound", tmp_path / "runs" / name)
    assert [run.id for run in list_runs(workspace)] == ["sound"]
