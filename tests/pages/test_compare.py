import json
import shutil

from dssm_core.workspace import read_json, write_json
from tests.pages.conftest import TRAINED


def test_all_comparable_runs_are_compared_with_the_popular_baseline(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    assert {TRAINED, "popular-first"} <= set(at.multiselect(key="compared").value)
    assert "popular" in at.selectbox(key="baseline").value
    assert not at.warning


def test_the_address_chooses_the_runs(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED, "popular-first"], baseline="popular-first")
    board = at.dataframe[0].value
    assert board["run"].tolist() == ["my *run*", "popular"] or board["run"].tolist() == ["popular", "my *run*"]
    assert set(board["verdict"]) == {"the baseline", "not told apart"}


def test_a_run_against_its_twin_differs_by_nothing(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED, "popular-first"], baseline="popular-first")
    column = next(name for name in at.dataframe[0].value if name.startswith("difference"))
    assert "+0.0 (+0.0 to +0.0)" in at.dataframe[0].value[column].tolist()


def test_curves_segments_and_overlap_are_drawn(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in at.get("plotly_chart")]
    assert len(titles) == 4
    assert all(titles)


def test_choosing_another_dataset_chooses_its_runs(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    run = shutil.copytree(home / "runs" / "popular-first", home / "runs" / "popular-second")
    write_json(run / "config.json", {**read_json(run / "config.json"), "dataset": "gone"})
    at = open_page("pages/compare.py", home, compared=[TRAINED, "popular-first"])
    assert at.selectbox(key="compared_on").value != "gone"
    at.selectbox(key="compared_on").set_value("gone").run()
    assert not at.exception
    assert at.multiselect(key="compared").value == ["popular-second"]


def test_no_run_chosen_is_asked_for(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    at.multiselect(key="compared").set_value([]).run()
    assert not at.exception
    assert at.info
