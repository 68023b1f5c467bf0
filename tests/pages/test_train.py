import json
import re
import shutil

import pytest

from dssm_core.config import KEYS
from dssm_core.notes import write_notes
from dssm_core.presets import PRESETS
from dssm_core.runs import Run, describe_run, write_status
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace
from lab import knobs
from tests.pages.conftest import TRAINED
from tests.sealing import reseal
from tests.test_bounds import NUMERIC


@pytest.fixture
def started(monkeypatch):
    """The calls of start_run, which here only writes the run's folder."""
    calls = []

    def start(workspace, dataset, config, name, preset, run_id):
        folder = workspace.new_run_folder(run_id)
        describe_run(folder, dataset, config, name, preset)
        write_status(folder, "failed", "it was only a test")
        (folder / "log.txt").write_text("line one\nline two\n")
        calls.append((config, name, preset))
        return Run(folder)

    monkeypatch.setattr("dssm_core.runs.start_run", start)
    return calls


@pytest.fixture
def own_workspace(small_workspace, tmp_path):
    """A copy that a test may write to."""
    return shutil.copytree(small_workspace, tmp_path / "home")


@pytest.mark.parametrize("preset", PRESETS)
def test_starting_a_preset_untouched_starts_exactly_its_config(preset, open_page, own_workspace, started, monkeypatch):
    monkeypatch.setattr("dssm_core.readiness.check", lambda workspace, dataset, config: None)
    at = open_page("pages/train.py", own_workspace)
    at.selectbox(key="preset").set_value(preset).run()
    _start(at)
    assert not at.exception
    assert [(config, label) for config, _, label in started] == [(PRESETS[preset].config, preset)]


def test_what_the_log_cannot_supply_is_said_at_once_and_nothing_starts(open_page, own_workspace, started):
    at = open_page("pages/train.py", own_workspace)
    at.selectbox(key="preset").set_value("mined").run()
    _start(at)
    assert "lower negatives.rank_from" in at.error[0].value.replace("\\", "")
    assert not started
    assert not at.exception


def test_a_batch_above_the_train_clicks_is_refused_with_their_number_and_nothing_starts(
    open_page, own_workspace, started
):
    at = open_page("pages/train.py", own_workspace)
    at.number_input(key="knob train.batch_size").set_value(5000).run()
    assert any("train.batch_size=5000 is more than the" in text.value for text in at.text), "before it is started"
    _start(at)
    told = at.error[0].value.replace("\\", "")
    assert "train.batch_size=5000 is more than the" in told and "or less" in told
    assert not started and not at.exception


def test_an_optional_number_that_is_emptied_is_none_again(open_page, own_workspace, started):
    at = _open_for_few_clicks(open_page, own_workspace)
    at.number_input(key="knob loss.temperature").set_value(0.5).run()
    at.number_input(key="knob loss.temperature").set_value(None).run()
    assert not at.error and not at.exception
    _start(at)
    assert started[0][0].loss.temperature is None


def test_the_memory_that_a_run_needs_stands_beside_the_start(open_page, own_workspace, monkeypatch):
    monkeypatch.setenv("DSSM_FREE_BYTES", str(14 * 10**9))
    at = _open_for_few_clicks(open_page, own_workspace)
    told = [text.value for text in at.text if "of memory" in text.value]
    assert len(told) == 1
    assert re.fullmatch(r"About 1\.\d GB of the 14\.0 GB of memory that are free", told[0])


def test_a_run_that_does_not_fit_into_memory_is_told_so_before_and_refused_at_its_start(
    open_page, own_workspace, started, monkeypatch
):
    monkeypatch.setenv("DSSM_FREE_BYTES", str(2 * 10**9))
    at = _open_for_few_clicks(open_page, own_workspace)
    at.number_input(key="knob features.title_buckets").set_value(5_000_000).run()
    assert not at.error
    assert any("and only 2.0 GB are free" in text.value for text in at.text)
    _start(at)
    told = at.error[0].value.replace("\\", "")
    assert "features.title_buckets=5000000 does not fit into memory" in told and "set features.title_buckets=" in told
    assert not started and not at.exception


def test_what_is_left_out_of_the_baselines_is_told_with_its_reason(open_page, own_workspace):
    run = own_workspace / "runs" / TRAINED
    note = {"type": "note", "note": "The baseline ease is left out: it takes up to 20,000 *articles*"}
    with (run / "events.jsonl").open("a") as events:
        events.write(json.dumps(note) + "\n")
    at = open_page("pages/train.py", reseal(own_workspace), run=TRAINED)
    assert not at.exception
    assert any("The baseline ease is left out" in caption.value for caption in at.caption)


def test_a_turned_knob_differs_from_the_preset_and_is_started(open_page, own_workspace, started):
    at = _open_for_few_clicks(open_page, own_workspace)
    at.number_input(key="knob train.epochs").set_value(2).run()
    was = PRESETS[at.selectbox(key="preset").value].config.train.epochs
    assert any(f"train.epochs = 2 (was {was})" in text.value for text in at.text)
    _start(at)
    assert started[0][0].train.epochs == 2


def test_a_bad_value_is_told_and_nothing_can_be_started(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace)
    at.text_input(key="knob eval.k").set_value("ten").run()
    assert not at.exception
    assert "eval" in at.error[0].value
    assert next(button for button in at.button if button.label == "Start").disabled


def test_knobs_survive_a_look_at_another_page(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace)
    at.number_input(key="knob tower.dim").set_value(48).run()
    at.switch_page("pages/data.py").run()
    at.switch_page("pages/train.py").run()
    assert at.number_input(key="knob tower.dim").value == 48


def test_a_failed_run_shows_its_reason_and_its_log(open_page, own_workspace, started):
    at = _open_for_few_clicks(open_page, own_workspace)
    _start(at)
    assert "it was only a test" in at.error[0].value
    assert any("line two" in code.value for code in at.code)


@pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted"])
def test_a_run_that_ended_early_can_be_resumed(state, open_page, own_workspace, monkeypatch):
    resumed = []
    monkeypatch.setattr("dssm_core.runs.resume_run", lambda workspace, run: resumed.append(run.id))
    workspace = Workspace(own_workspace, bundled=None)
    folder = workspace.new_run_folder("early")
    describe_run(folder, workspace.datasets()[0]["id"], PRESETS["in_batch"].config, "early", "in_batch")
    write_status(folder, "running" if state == "interrupted" else state, "some reason")
    (folder / "log.txt").write_text("its last line\n")
    at = open_page("pages/train.py", own_workspace, run="early")
    assert any("its last line" in code.value for code in at.code)
    at.button(key="resume early").click().run()
    assert not at.exception
    assert resumed == ["early"]


def test_a_finished_run_is_not_offered_to_be_resumed(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    assert not [button for button in at.button if button.label == "Resume"]


def test_each_press_of_start_is_of_another_button_under_an_id_of_its_own(open_page, own_workspace, started):
    at = _open_for_few_clicks(open_page, own_workspace)
    keys = [_start_button(at).key]
    for _ in range(2):
        _start(at)
        keys.append(_start_button(at).key)
    assert len(set(keys)) == 3
    runs = {folder.name for folder in Workspace(own_workspace, bundled=None).run_folders()}
    assert all(key.removeprefix("Start ") in runs for key in keys[:2])


def test_a_finished_run_shows_its_curves_and_can_be_deleted(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    assert len(at.get("plotly_chart")) == 4
    at.button(key=f"delete {TRAINED}").click().run()
    assert not at.exception
    assert TRAINED not in {folder.name for folder in Workspace(own_workspace, bundled=None).run_folders()}


def test_a_filter_by_tags_does_not_hide_the_run_that_the_address_asks_for(open_page, own_workspace):
    write_notes(Run(own_workspace / "runs" / "popular-first"), "", ["simple"])
    at = open_page("pages/train.py", own_workspace, run=TRAINED, tag="simple")
    assert not at.exception
    assert at.selectbox(key="run").value == TRAINED
    assert [option.split(" · ")[0] for option in at.selectbox(key="run").options] == ["my *run*", "popular"]


def test_a_run_that_is_started_is_opened_whatever_tags_are_filtered_by(open_page, own_workspace, started, monkeypatch):
    monkeypatch.setattr("dssm_core.readiness.check", lambda workspace, dataset, config: None)
    write_notes(Run(own_workspace / "runs" / "popular-first"), "", ["simple"])
    at = open_page("pages/train.py", own_workspace, tag="simple")
    _start(at)
    (run,) = (folder.name for folder in (own_workspace / "runs").iterdir() if (folder / "log.txt").exists())
    assert started and at.selectbox(key="run").value == run


def test_a_run_with_a_gate_shows_its_field_weights_and_a_learned_temperature(open_page, own_workspace):
    run = own_workspace / "runs" / TRAINED
    measured, described = read_json(run / "metrics.json"), read_json(run / "config.json")
    learned = {"field_weights": {"users": {"device": 0.4}, "articles": {"cate": 0.7}}, "temperature": 0.0734}
    write_json(run / "metrics.json", {**measured, "facts": {**measured["facts"], **learned}})
    write_json(
        run / "config.json",
        {**described, "config": {**described["config"], "loss.temperature": 0.1, "loss.learn_temperature": True}},
    )
    at = open_page("pages/train.py", reseal(own_workspace), run=TRAINED)
    assert not at.exception
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in at.get("plotly_chart")]
    assert any("device counts most" in title.replace("<br>", " ") for title in titles)
    assert any("0.0734, learned, started at 0.1" in text.value for text in at.text)


def test_knobs_of_every_type_are_drawn_and_read(open_page, own_workspace, started):
    at = _open_for_few_clicks(open_page, own_workspace)
    at.selectbox(key="knob negatives.blend").set_value("uniform")
    at.text_input(key="knob tower.hidden").set_value("32")
    at.text_input(key="knob tower.field_dims").set_value("device: 4")
    at.selectbox(key="knob features.title").set_value("off")
    at.multiselect(key="knob features.dense").set_value(["img_num"])
    at.text_input(key="knob negatives.attribute").set_value("city").run()
    assert not at.error
    _start(at)
    config = started[0][0]
    assert (config.negatives.blend, config.negatives.attribute) == ("uniform", "city")
    assert (config.tower.field_dims, config.features.dense) == ({"device": 4}, ["img_num"])
    assert (config.features.title, config.features.key_words) == (False, None)


def test_the_form_keeps_no_number_out_of_bounds_to_itself(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace)
    drawn = {box.key.removeprefix("knob "): box for box in at.number_input if box.key.startswith("knob ")}
    typed = ("tower.hidden", "tower.field_dims", "eval.k")
    assert {*drawn} == {key for key in NUMERIC if key not in typed}
    for key, box in drawn.items():
        assert not box.proto.has_min and not box.proto.has_max, key
        assert re.search(r"(From|Above) [-\d.,e]+, (up to|below)|From [-\d.,e]+ to [-\d.,e]+\\?\.", box.help), (
            key,
            box.help,
        )


@pytest.mark.parametrize(("key", "number"), [("tower.dim", 1), ("train.epochs", 1001), ("train.batch_size", -3)])
def test_a_number_out_of_bounds_is_refused_by_name_and_nothing_can_be_started(open_page, own_workspace, key, number):
    at = open_page("pages/train.py", own_workspace)
    at.number_input(key=f"knob {key}").set_value(number).run()
    assert f"bad value {number} for {key}" in at.error[0].value.replace("\\", "")
    assert _start_button(at).disabled and not at.exception


@pytest.mark.parametrize("key", ["loss.temperature", "split.test_share", "train.learning_rate", "loss.margin"])
def test_a_zero_where_there_must_be_more_is_refused_by_name(open_page, own_workspace, key):
    at = open_page("pages/train.py", own_workspace)
    at.number_input(key=f"knob {key}").set_value(0.0).run()
    assert f"for {key}" in at.error[0].value.replace("\\", "")
    assert _start_button(at).disabled and not at.exception


@pytest.mark.parametrize(
    ("key", "text"), [("tower.hidden", "64, 0"), ("eval.k", "0"), ("tower.field_dims", "device: 0")]
)
def test_a_zero_among_typed_numbers_is_refused_by_name(open_page, own_workspace, key, text):
    at = open_page("pages/train.py", own_workspace)
    at.text_input(key=f"knob {key}").set_value(text).run()
    assert f"for {key}" in at.error[0].value.replace("\\", "")
    assert _start_button(at).disabled and not at.exception


def test_knobs_cover_every_key_but_the_model():
    drawn = [*knobs.FRONT, *(key for keys in knobs.sections().values() for key in keys)]
    assert sorted([*drawn, "model"]) == sorted(KEYS)


def _open_for_few_clicks(open_page, home):
    """Train with a batch that the small log has clicks enough for."""
    at = open_page("pages/train.py", home)
    at.number_input(key="knob train.batch_size").set_value(16).run()
    return at


def _start_button(at):
    return next(button for button in at.button if button.label == "Start")


def _start(at):
    return _start_button(at).click().run()
