import json
import shlex
import shutil

import pandas as pd
import pytest

from dssm_core.cli import main
from dssm_core.stored_files import read_json, write_json
from lab import compare_report, language
from tests.pages.conftest import TRAINED
from tests.sealing import reseal


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


def test_beside_recall_stands_what_it_is_measured_on_explained(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    told = next(caption for caption in at.caption if "warm share" in caption.value)
    assert "in the candidate pool" in told.value and "articles that were shown in train; the others" in told.help


def test_a_run_against_its_twin_differs_by_nothing(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED, "popular-first"], baseline="popular-first")
    column = next(name for name in at.dataframe[0].value if name.startswith("difference"))
    assert "+0.0 (+0.0 to +0.0)" in at.dataframe[0].value[column].tolist()


VIEWS = {
    "Leaderboard": 1,
    "Curves": 1,
    "Missed clicks": 2,
    "Segments": 2,
    "Popularity": 1,
    "Overlap": 1,
    "Negatives": 2,
    "Configs": 0,
}


APART = {"Curves": 1, "Segments": 1, "Popularity": 1, "Negatives": 2}
"""The views that can be drawn a panel a run, with how many groups of panels they have."""


@pytest.mark.parametrize(("view", "charts"), VIEWS.items())
def test_every_view_draws_its_charts_with_titles(open_page, small_workspace, view, charts):
    at = open_page("pages/compare.py", small_workspace, view=view)
    assert not at.exception
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in at.get("plotly_chart")]
    assert len(titles) == charts
    assert all(titles)


@pytest.mark.parametrize(("view", "charts"), APART.items())
def test_many_runs_get_a_panel_each_with_a_title(open_page, small_workspace, view, charts):
    at = open_page("pages/compare.py", small_workspace, view=view, apart="True")
    assert not at.exception
    groups = {TRAINED} if view == "Negatives" else set(at.multiselect(key="compared").value)
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in at.get("plotly_chart")]
    parts = ["head", "torso", "tail"]
    assert len(titles) == (1 + len(parts) if view == "Segments" else charts * len(groups))
    assert all(titles)


def test_few_runs_share_one_axis_until_panels_are_asked_for(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED, "popular-first"], view="Curves")
    assert len(at.get("plotly_chart")) == 1
    at.toggle(key="apart").set_value(True).run()
    assert len(at.get("plotly_chart")) == 2


def test_the_address_of_a_turned_page_shows_the_same_in_a_fresh_session(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    at.multiselect(key="compared").set_value([TRAINED, "popular-first"]).run()
    at.selectbox(key="baseline").set_value(TRAINED).run()
    at.segmented_control(key="k").set_value(5).run()
    at.segmented_control(key="metric").set_value("ndcg").run()
    picker = at.multiselect(key="article.cate")
    picker.set_value(picker.options[:2]).run()
    at.segmented_control(key="view").set_value("Curves").run()
    at.toggle(key="bands").set_value(False).run()
    at.segmented_control(key="view").set_value("Segments").run()
    at.selectbox(key="segment").set_value("user train clicks").run()
    at.toggle(key="apart").set_value(True).run()
    fresh = open_page("pages/compare.py", small_workspace, **at.query_params)
    assert not fresh.exception
    for kind in ("multiselect", "selectbox", "segmented_control", "toggle"):
        turned = {widget.key: widget.value for widget in getattr(at, kind)}
        assert turned == {widget.key: widget.value for widget in getattr(fresh, kind)}
    # what other views have chosen is there too
    fresh.segmented_control(key="view").set_value("Curves").run()
    fresh.toggle(key="apart").set_value(False).run()
    assert fresh.toggle(key="bands").value is False
    fresh.segmented_control(key="view").set_value("Leaderboard").run()
    assert fresh.segmented_control(key="metric").value == "ndcg"


def test_narrowing_is_in_the_address(open_page, small_workspace, tmp_path):
    home = with_another_pool(small_workspace, tmp_path)
    at = open_page("pages/compare.py", home, compared=[TRAINED, "other"], narrow="True")
    assert at.toggle(key="narrow").value
    assert any("Narrowed to" in caption.value for caption in at.caption)


def test_the_metric_stays_when_k_changes(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, k="50", metric="mrr")
    assert "mrr@50" in at.dataframe[0].value
    at.segmented_control(key="k").set_value(5).run()
    assert "mrr@5" in at.dataframe[0].value


def test_a_run_alone_is_told_what_a_second_would_show_and_can_be_joined_by_all_of_its_test(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED])
    assert any("One run alone" in text.value for text in at.markdown)
    next(button for button in at.button if button.label == "Compare with all runs of the same test").click().run()
    assert set(at.multiselect(key="compared").value) > {TRAINED, "popular-first"}


def test_the_command_line_compares_the_same_with_the_baseline_first(open_page, small_workspace, capsys):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED, "popular-first"], baseline="popular-first")
    assert main([*shlex.split(at.code[0].value)[3:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["runs"]) == ["popular-first", TRAINED]


def test_many_runs_overlap_with_one_that_is_chosen(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    for k in (7, 9):
        run = shutil.copytree(home / "runs" / TRAINED, home / "runs" / f"k-{k}")
        described = read_json(run / "config.json")
        write_json(run / "config.json", {**described, "config": described["config"] | {"negatives.k": k}})
    at = open_page("pages/compare.py", reseal(home), view="Overlap", overlap_run="popular-first")
    assert at.selectbox(key="overlap_run").value == "popular-first"
    bars = json.loads(at.get("plotly_chart")[0].proto.spec)["data"][0]
    assert len(bars["y"]) == len(at.multiselect(key="compared").value) - 1


def test_the_file_of_a_comparison_is_in_the_language_that_it_was_asked_for_in():
    with language.speaking("zh"):
        page = compare_report.page("题", [])
    assert '<html lang="zh">' in page and "由召回实验室生成" in page
    assert '<html lang="en">' in compare_report.page("title", [])


@pytest.mark.parametrize("view", VIEWS)
def test_one_run_alone_is_shown_in_every_view(open_page, small_workspace, view):
    at = open_page("pages/compare.py", small_workspace, compared=["popular-first"], view=view)
    assert not at.exception and not at.error


def test_runs_that_differ_by_seed_are_one_row_whose_interval_covers_seeds(open_page, small_workspace, tmp_path):
    home = with_seeds(small_workspace, tmp_path)
    ids = [TRAINED, "seed-1", "seed-2", "popular-first"]
    at = open_page("pages/compare.py", home, compared=ids, baseline="popular-first")
    board = at.dataframe[0].value.set_index("run")
    assert board["seeds"].to_dict() == {"in_batch · 3 seeds": 3, "popular": 1}
    assert board.at["in_batch · 3 seeds", "interval covers"] == "users and seeds"


def test_single_runs_say_on_their_face_that_intervals_cover_users_only(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace, compared=[TRAINED, "popular-first"], baseline="popular-first")
    assert set(at.dataframe[0].value["interval covers"]) == {"users only", ""}
    assert any("covers users only" in caption.value for caption in at.caption)
    assert any("on 5,202 users" in caption.value.replace("\\", "") for caption in at.caption), "where it was measured"


def test_a_filter_leaves_the_clicks_it_names_and_says_so(open_page, small_workspace):
    whole = open_page("pages/compare.py", small_workspace)
    picker = next(box for box in whole.multiselect if box.key == "article.cate")
    filtered = open_page("pages/compare.py", small_workspace, **{"article.cate": picker.options[0]})
    assert not filtered.exception
    assert any(f"article cate {picker.options[0]}" in caption.value for caption in filtered.caption)
    assert not filtered.dataframe[0].value.equals(whole.dataframe[0].value)


def test_filters_that_leave_nobody_are_told(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    cities = next(box for box in at.multiselect if box.key == "user.city").options
    held_out = pd.read_parquet(small_workspace / "runs" / TRAINED / "held_out.parquet")
    users = pd.read_parquet(next((small_workspace / "datasets").iterdir()) / "users.parquet")
    tested = set(users["city"].to_numpy()[held_out["user"].to_numpy()])
    nobody = next(city for city in cities if city not in tested)
    at = open_page("pages/compare.py", small_workspace, **{"user.city": nobody})
    assert not at.exception
    assert any("leave no held-out click" in info.value for info in at.info)
    next(button for button in at.button if button.label == "Take out all filters").click().run()
    assert at.multiselect(key="user.city").value == [] and at.dataframe


def test_runs_of_different_splits_are_refused_with_the_reason_until_they_are_narrowed(
    open_page, small_workspace, tmp_path
):
    home = with_another_pool(small_workspace, tmp_path)
    at = open_page("pages/compare.py", home, compared=[TRAINED, "other"])
    assert "pool\\.max\\_age\\_days" in at.warning[0].value
    assert not at.dataframe
    at.toggle(key="narrow").set_value(True).run()
    assert not at.exception
    assert len(at.dataframe[0].value) == 2
    assert any("Narrowed to" in caption.value for caption in at.caption)


def with_another_pool(small_workspace, tmp_path):
    """A copy of the workspace with a run, "other", whose candidate pool is smaller."""
    home = shutil.copytree(small_workspace, tmp_path / "home")
    other = shutil.copytree(home / "runs" / "popular-first", home / "runs" / "other")
    described = read_json(other / "config.json")
    write_json(other / "config.json", {**described, "config": described["config"] | {"pool.max_age_days": 2}})
    return reseal(home)


def test_runs_that_are_not_finished_or_gone_are_told_by_name(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    failed = shutil.copytree(home / "runs" / "popular-first", home / "runs" / "failed-one")
    (failed / "manifest.json").unlink()
    write_json(failed / "status.json", {"state": "failed", "reason": "no", "pid": 1, "updated": 0})
    at = open_page("pages/compare.py", home, compared=[TRAINED, "failed-one", "gone-one"])
    told = " ".join(info.value for info in at.info)
    assert "failed\\-one is failed" in told and "gone\\-one is not in this workspace" in told
    assert "The reason\\: no" in told
    links = [link.proto.query_string for link in at.get("page_link") if link.proto.label.startswith("Its reason")]
    assert links == ["run=failed-one"], "only of the run that is there"
    assert at.multiselect(key="compared").value == [TRAINED]


def test_a_list_longer_than_the_pool_is_told(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    for path in (home / "runs").glob("*/config.json"):
        described = read_json(path)
        write_json(path, {**described, "config": described["config"] | {"eval.k": [5, 5000]}})
    at = open_page("pages/compare.py", reseal(home), k="5000")
    assert not at.exception
    assert any("holds all that qualify" in caption.value for caption in at.caption)


def test_the_report_holds_every_view_and_no_live_text_of_the_log(open_page, small_workspace, tmp_path):
    table = pd.DataFrame({"run": ["<script>alert(1)</script>"], "value": [1]})
    page = compare_report.page("a <b>", [("Head <i>", ["one & two"], [table])])
    assert (
        "<script>alert" not in page and "a &lt;b&gt;" in page and "Head &lt;i&gt;" in page and "one &amp; two" in page
    )
    assert 'src="http' not in page


def with_seeds(small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    for seed in (1, 2):
        run = shutil.copytree(home / "runs" / TRAINED, home / "runs" / f"seed-{seed}")
        described = read_json(run / "config.json")
        write_json(run / "config.json", {**described, "config": described["config"] | {"seed": seed}})
    return reseal(home)


def test_choosing_another_dataset_chooses_its_runs(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    run = shutil.copytree(home / "runs" / "popular-first", home / "runs" / "popular-second")
    write_json(run / "config.json", {**read_json(run / "config.json"), "dataset": "gone"})
    at = open_page("pages/compare.py", reseal(home), compared=[TRAINED, "popular-first"])
    assert at.selectbox(key="compared_on").value != "gone"
    at.selectbox(key="compared_on").set_value("gone").run()
    assert not at.exception
    assert at.multiselect(key="compared").value == ["popular-second"]


def test_no_run_chosen_is_asked_for(open_page, small_workspace):
    at = open_page("pages/compare.py", small_workspace)
    at.multiselect(key="compared").set_value([]).run()
    assert not at.exception
    assert at.info


def test_varying_knobs_of_three_runs_are_drawn_in_parallel(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    for k in (7, 9):
        run = shutil.copytree(home / "runs" / TRAINED, home / "runs" / f"k-{k}")
        described = read_json(run / "config.json")
        write_json(run / "config.json", {**described, "config": described["config"] | {"negatives.k": k}})
    at = open_page("pages/compare.py", reseal(home), compared=[TRAINED, "k-7", "k-9"], view="Configs")
    assert not at.exception
    chart = json.loads(at.get("plotly_chart")[0].proto.spec)["data"][0]
    assert [dimension["label"] for dimension in chart["dimensions"]] == ["negatives.k", "recall@50"]
    assert chart["dimensions"][0]["ticktext"] == ["5", "7", "9"]


def test_narrowed_runs_keep_their_own_lists(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    random = next(path.parent for path in (home / "runs").glob("random-*/config.json"))
    described = read_json(random / "config.json")
    write_json(random / "config.json", {**described, "config": described["config"] | {"pool.max_age_days": 2}})
    at = open_page("pages/compare.py", reseal(home), compared=["popular-first", random.name])
    at.toggle(key="narrow").set_value(True).run()
    assert not at.exception
    assert at.dataframe[0].value.iloc[:, 1].nunique() == 2
