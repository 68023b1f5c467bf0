"""Train's knobs in the address, runs that are cloned, noted and bundled, and what is at work in every sidebar."""

import json
import shutil
import time

import pytest

from dssm_core import commands
from dssm_core.config import with_settings
from dssm_core.notes import read_notes, write_notes
from dssm_core.presets import PRESETS
from dssm_core.processes import held_lock
from dssm_core.runs import EventLog, Run, describe_run, open_run, write_status
from dssm_core.workspace import Workspace
from lab import at_work
from lab.knob_link import read
from tests.pages.conftest import TRAINED
from tests.pages.test_sweep import SWEEP, made


@pytest.fixture
def own_workspace(small_workspace, tmp_path):
    return shutil.copytree(small_workspace, tmp_path / "home")


def working(home, name="busy", state="running", events=()) -> Run:
    """A run that says that it is at work; hold its lock to make that true."""
    workspace = Workspace(home, bundled=None)
    folder = workspace.new_run_folder(name)
    describe_run(folder, workspace.datasets()[0]["id"], PRESETS["in_batch"].config, f"my {name}", "in_batch")
    write_status(folder, state)
    report = EventLog(folder / "events.jsonl")
    for event in events:
        report(event)
    return Run(folder)


def texts(at):
    return [text.value for text in at.text]


def sidebar_texts(at):
    return [text.value for text in at.sidebar.text]


def codes(at):
    return [code.value for code in at.code]


def test_turned_knobs_are_in_the_address_and_a_fresh_browser_has_them_again(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace)
    at.selectbox(key="preset").set_value("uniform").run()
    at.number_input(key="knob negatives.k").set_value(7).run()
    at.text_input(key="knob eval.k").set_value("5, 20").run()
    query = {key: at.query_params[key] for key in ("preset", "set")}
    assert query == {"preset": "uniform", "set": ["negatives.k=7", "eval.k=[5, 20]"]}
    fresh = open_page("pages/train.py", own_workspace, **query)
    assert not fresh.exception and not fresh.warning
    assert fresh.selectbox(key="preset").value == "uniform"
    assert fresh.number_input(key="knob negatives.k").value == 7
    assert fresh.text_input(key="knob eval.k").value == "5, 20"
    fresh.number_input(key="knob negatives.k").set_value(8).run()
    assert fresh.number_input(key="knob negatives.k").value == 8, "the address is a step behind, and does not win"
    assert "negatives.k=8" in fresh.query_params["set"]


def test_an_untouched_preset_needs_no_settings_in_the_address(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace)
    assert at.query_params["preset"] == "recommended"
    assert "set" not in at.query_params


def test_what_of_a_link_cannot_be_had_is_told_and_the_rest_is_taken(open_page, own_workspace):
    bad = ["negatives.kk=3", "train.epochs=0", "train.batch_size=64", "nonsense", "model=popular"]
    at = open_page("pages/train.py", own_workspace, preset="in_batch", set=bad)
    told = " ".join(warning.value.replace("\\", "") for warning in at.warning)
    for part in ("'negatives.kk=3', since there is no such knob", "bad value 0 for train.epochs", "'nonsense', since"):
        assert part in told
    assert "'model=popular', since the preset says what is trained" in told
    assert at.number_input(key="knob train.batch_size").value == 64
    assert at.query_params["set"] == "train.batch_size=64"


def test_a_preset_that_there_is_not_is_told(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, preset="of *yore*")
    assert "the preset of *yore*, which there is not: shown is recommended" in at.warning[0].value.replace("\\", "")


def test_settings_that_need_each_other_are_taken_together():
    config, bad = read(
        PRESETS["in_batch"].config, ["negatives.strategy=uniform", "loss.kind=sampled_softmax", "negatives.shared=64"]
    )
    assert not bad
    assert (config.negatives.strategy, config.negatives.shared) == ("uniform", 64)


def test_the_command_line_beside_start_is_that_of_the_knobs(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, preset="in_batch", set=["train.batch_size=16"])
    workspace = Workspace(own_workspace, bundled=None)
    config = with_settings(PRESETS["in_batch"].config, ["train.batch_size=16"])
    assert commands.train(workspace, workspace.datasets()[0]["id"], "in_batch", config) in codes(at)


def test_the_knobs_of_a_run_are_taken_over_and_what_is_changed_is_told_and_names_the_clone(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    at.button(key=f"clone {TRAINED}").click().run()
    assert not at.exception
    run = open_run(Workspace(own_workspace, bundled=None), TRAINED)
    assert at.selectbox(key="preset").value == "in_batch"
    assert at.number_input(key="knob split.train_days").value == run.config.split.train_days == 2
    assert any(text.startswith("As run my *run*") for text in texts(at))
    at.number_input(key="knob tower.dim").set_value(48).run()
    assert any(text.startswith("Differs from run my *run*") and "tower.dim = 48 (was 32)" in text for text in texts(at))
    assert at.text_input(key="run name").placeholder == "my *run*, tower.dim=48"
    assert any("--name 'my *run*, tower.dim=48'" in code for code in codes(at))
    assert at.query_params["like"] == TRAINED
    fresh = open_page("pages/train.py", own_workspace, **dict(at.query_params))
    assert any(text.startswith("Differs from run my *run*") for text in texts(fresh))
    fresh.selectbox(key="preset").set_value("uniform").run()
    assert not any("run my *run*" in text for text in texts(fresh)), "a preset is a new start"


def test_a_link_to_a_run_that_is_gone_says_so(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run="gone")
    told = [info.value.replace("\\", "") for info in at.info]
    assert told == ["Run gone is not in this workspace: it was deleted, or belongs to another."]
    assert at.selectbox(key="run").value == TRAINED
    assert not at.run().info, "once is enough"


def test_tags_are_shown_and_filter_the_runs(open_page, own_workspace):
    workspace = Workspace(own_workspace, bundled=None)
    at = open_page("pages/train.py", own_workspace)
    assert not at.get("button_group") or "tag" not in [group.key for group in at.button_group]
    write_notes(open_run(workspace, TRAINED), "worth *keeping*", ["paper", "best"])
    write_notes(open_run(workspace, "popular-first"), "", ["paper"])
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    assert "worth *keeping*" in texts(at)
    table = next(frame.value for frame in at.dataframe if "tags" in frame.value)
    assert list(table.set_index("id")["tags"][TRAINED]) == ["paper", "best"]
    at = open_page("pages/train.py", own_workspace, tag="best")
    assert at.selectbox(key="run").options and at.selectbox(key="run").value == TRAINED
    assert len(next(frame.value for frame in at.dataframe if "tags" in frame.value)) == 1


def test_a_note_is_written_in_a_form_and_stays(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    at.text_area(key=f"text {TRAINED}").set_value("found on a Monday")
    next(button for button in at.button if button.label == "Save").click().run()
    assert not at.exception
    assert read_notes(open_run(Workspace(own_workspace, bundled=None), TRAINED)).text == "found on a Monday"
    assert "found on a Monday" in texts(at)


def test_damaged_notes_are_told_and_the_run_is_still_shown(open_page, own_workspace):
    (own_workspace / "runs" / TRAINED / "notes.json").write_text("{")
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    assert not at.exception
    assert any(
        "cannot be read, and are kept as notes.damaged.json" in warning.value.replace("\\", "")
        for warning in at.warning
    )
    assert len(at.get("plotly_chart")) == 4


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_a_run_that_ended_can_be_bundled_with_one_click(open_page, own_workspace, state):
    run = TRAINED if state == "finished" else working(own_workspace, "broken", "failed").id
    at = open_page("pages/train.py", own_workspace, run=run)
    assert not at.exception
    assert [button.label for button in at.get("download_button")] == ["Bundle"]
    assert any(f"bundle {run} --to {run}.zip" in code for code in codes(at))


def test_a_run_at_work_is_in_the_sidebar_of_every_page_with_what_is_left(open_page, own_workspace):
    now = time.monotonic()
    step = {"type": "step", "steps": 100, "epochs": 2, "loss": 1.0}
    events = [{"type": "stage", "stage": "train"}, {"type": "train", "epoch": 0, "step": 0, "steps": 100}]
    run = working(own_workspace, events=[*events, step | {"step": 10}])
    with (run.folder / "events.jsonl").open("a") as file:
        file.write(json.dumps(step | {"step": 60, "seq": 9, "time": 0.0, "clock": now + 50}) + "\n")
    waiting = working(own_workspace, "next", "queued")
    with held_lock(run.folder), held_lock(waiting.folder):
        for page in ("pages/data.py", "pages/train.py"):
            at = open_page(page, own_workspace)
            assert not at.exception
            assert "my busy" in sidebar_texts(at) and "my next" not in sidebar_texts(at)
            assert at.sidebar.button(key="sidebar cancel busy").label == "Cancel"
            assert "Waiting: 1 run" in [caption.value for caption in at.sidebar.caption]
        assert "It starts after 1 run." in [caption.value for caption in at.caption]
        left = at_work.says(run.state())
    assert left.startswith("training: 4") and left.endswith("left, then measuring and the baselines that are missing")


def test_a_run_that_ends_while_it_is_watched_says_what_came_out_until_that_is_dismissed(open_page, own_workspace):
    run = own_workspace / "runs" / TRAINED
    manifest = (run / "manifest.json").rename(own_workspace / "aside")
    status = (run / "status.json").read_bytes()
    write_status(run, "running")
    with held_lock(run):
        at = open_page("pages/data.py", own_workspace)
        assert "my *run*" in sidebar_texts(at)
    (run / "status.json").write_bytes(status)
    manifest.rename(run / "manifest.json")
    at.run()
    assert any(text.startswith("my *run* finished: recall@50 ") for text in sidebar_texts(at))
    at.switch_page("pages/train.py").run()
    assert any(text.startswith("my *run* finished: recall@50 ") for text in sidebar_texts(at))
    at.session_state["run"] = "popular-first"
    assert at.run().query_params["run"] == "popular-first"
    at.button(key="open end").click().run()
    assert at.query_params["run"] == TRAINED
    at.button(key="dismiss end").click().run()
    assert not at.exception and not any("finished" in text for text in sidebar_texts(at))


def test_a_run_that_fails_while_it_is_watched_says_so(open_page, own_workspace):
    run = working(own_workspace)
    with held_lock(run.folder):
        at = open_page("pages/data.py", own_workspace)
    write_status(run.folder, "failed", "memory ran out")
    at.run()
    assert "my busy: failed" in sidebar_texts(at)


def test_where_nothing_is_at_work_the_sidebar_says_nothing(open_page, own_workspace):
    at = open_page("pages/data.py", own_workspace)
    assert not sidebar_texts(at) and not [button for button in at.sidebar.button if button.label == "Cancel"]


def test_places_of_curves_that_are_still_to_come_are_kept_free(open_page, own_workspace):
    run = working(own_workspace, events=[{"type": "stage", "stage": "load"}])
    with held_lock(run.folder):
        at = open_page("pages/train.py", own_workspace, run=TRAINED)
    assert not at.exception
    assert len(at.get("skeleton")) == 4


def test_the_form_of_a_sweep_is_in_the_address_and_comes_back(open_page, own_workspace):
    asked = {"presets": ["popular"], "seeds": "2", "positives": "500", "settings": "split.train_days=2"}
    at = open_page("pages/train.py", own_workspace, what=SWEEP, **asked)
    assert not at.exception and not at.error and not at.warning
    assert (at.number_input(key="sweep seeds").value, at.number_input(key="sweep positives").value) == (2, 500)
    assert at.text_input(key="sweep settings").value == "split.train_days=2"
    at.number_input(key="sweep seeds").set_value(3).run()
    assert at.query_params["seeds"] == "3"
    assert any("--presets popular --seeds 3 --set split.train_days=2 --positives 500" in code for code in codes(at))


def test_a_number_of_a_sweeps_link_that_is_none_is_told(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"], seeds="many")
    assert "Left out of the link: seeds=many." in at.warning[0].value.replace("\\", "")
    assert at.number_input(key="sweep seeds").value == 3


def test_seeds_out_of_bounds_are_refused_and_the_sweep_cannot_be_started(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, what=SWEEP, presets=["popular"])
    at.number_input(key="sweep seeds").set_value(2000).run()
    assert "bad value 2000 for seeds: it must be 1 to 1,000" in at.error[0].value.replace("\\", "")
    assert next(button for button in at.button if button.label == "Start the sweep").disabled


def test_a_run_that_is_resumed_is_no_longer_told_as_ended(open_page, own_workspace):
    run = working(own_workspace)
    with held_lock(run.folder):
        at = open_page("pages/data.py", own_workspace)
    at.run()
    assert "dismiss end" in [button.key for button in at.sidebar.button]
    with held_lock(run.folder):
        at.run()
    assert not at.exception and "my busy" in sidebar_texts(at)
    assert "dismiss end" not in [button.key for button in at.sidebar.button]


def test_of_a_sweep_that_is_not_at_work_no_file_is_read(own_workspace, monkeypatch):
    made(own_workspace)
    run = working(own_workspace)
    monkeypatch.setattr("dssm_core.sweeps.read_as", lambda *asked: pytest.fail(f"{asked} was read"))
    with held_lock(run.folder):
        sweeps, runs = at_work.find(Workspace(own_workspace, bundled=None))
    assert not sweeps and [(one.id, state.state) for one, state in runs] == [("busy", "running")]
