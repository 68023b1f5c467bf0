import json

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


def test_no_run_chosen_is_asked_for(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    at.multiselect(key="compared").set_value([]).run()
    assert not at.exception
    assert at.info
