import json
import shutil

import pytest

from dssm_core.index_loss import SETTINGS
from dssm_core.runs import list_runs
from dssm_core.workspace import Workspace


@pytest.fixture
def with_vectors(trained, tmp_path):
    """A copy of the trained workspace with its baselines and, of the runs with vectors, `taught` alone."""
    home = shutil.copytree(trained.home, tmp_path / "home", ignore=shutil.ignore_patterns("index_loss"))
    for run in list_runs(Workspace(home, bundled=None)):
        if run.model == "two_tower" and run.id != "taught":
            shutil.rmtree(run.folder)
    return home


def press(at, label):
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def test_a_workspace_without_vectors_is_told_where_to_get_some(open_page, small_workspace):
    at = open_page("pages/index.py", small_workspace)
    assert not at.exception
    assert any("a baseline has none to index" in text.value for text in at.markdown)


def test_a_baseline_in_the_address_is_told_and_a_trained_run_shown(open_page, with_vectors):
    popular = next(run for run in list_runs(Workspace(with_vectors, bundled=None)) if run.model == "popular")
    at = open_page("pages/index.py", with_vectors, run=popular.id)
    assert any("no vectors to index" in info.value for info in at.info)
    assert at.selectbox(key="run").value == "taught"


def test_a_run_that_is_gone_is_told_by_name(open_page, with_vectors):
    at = open_page("pages/index.py", with_vectors, run="gone")
    assert any("Run gone is not in this workspace" in info.value for info in at.info)


def test_settings_are_measured_once_and_then_shown_at_once(open_page, with_vectors):
    at = open_page("pages/index.py", with_vectors, run="taught", k="20")
    assert any(f"0 of {len(SETTINGS)} settings are measured" in text.value for text in at.text)
    press(at, "Measure")
    assert at.dataframe[0].value["setting"].iloc[0] == "exact" and len(at.dataframe[0].value) == len(SETTINGS)
    assert not any("settings are measured" in text.value for text in at.text), "what was said before is gone"
    again = open_page("pages/index.py", with_vectors, run="taught", k="20")
    assert len(again.dataframe[0].value) == len(SETTINGS)
    title = json.loads(again.get("plotly_chart")[0].proto.spec)["layout"]["title"]["text"]
    assert "times the speed of" in title.replace("<br>", " ")
    assert not any(button.label == "Measure" for button in again.button)


def test_a_run_is_measured_through_another_index_and_kept_beside_the_first(open_page, with_vectors):
    at = open_page("pages/index.py", with_vectors, run="taught", k="20")
    at.text_input(key="index more").set_value("index.kind=ivf index.probes=1").run()
    press(at, "Measure the run with it")
    assert any("lost by the index in lists of 20." in text.value for text in at.text)
    assert "recall@20" in at.dataframe[0].value["metric"].tolist()
    press(at, "Keep as a run of its own")
    runs = [run for run in list_runs(Workspace(with_vectors, bundled=None)) if run.model == "two_tower"]
    assert {run.config.index.kind for run in runs} == {"exact", "ivf"} and all(run.finished for run in runs)


def test_an_unknown_setting_is_said_in_a_sentence(open_page, with_vectors):
    at = open_page("pages/index.py", with_vectors, run="taught")
    at.text_input(key="index more").set_value("index.tree=3").run()
    assert not at.exception
    assert "index" in at.error[0].value


def test_an_export_says_where_it_went(open_page, with_vectors):
    at = press(open_page("pages/index.py", with_vectors, run="taught"), "Export the run")
    assert "README" in at.success[0].value
    assert (with_vectors / "exports" / "taught" / "articles.faiss").exists()
