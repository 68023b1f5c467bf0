import json
import shutil

from dssm_core.stored_files import read_json, write_json
from tests.pages.conftest import APP, TRAINED
from tests.sealing import reseal


def test_the_headline_metric_is_drawn_for_every_run(open_page, small_workspace):
    at = open_page("app.py", small_workspace)
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert {"popular", "random", "item_knn"} <= {trace["y"][0] for trace in figure["data"]}
    assert "recall@50" in figure["layout"]["title"]["text"]


def test_the_finding_and_one_user_s_story_are_told(open_page, small_workspace):
    at = open_page("app.py", small_workspace)
    assert "the best baseline" in at.subheader[0].value.replace("\\", "")
    clicked, recalled = (at.dataframe[i].value for i in (0, 1))
    assert "✓" in clicked["hit"].tolist()
    assert "✓" in recalled["hit"].tolist()
    assert recalled["rank"].tolist() == sorted(recalled["rank"])


def test_with_two_datasets_one_is_chosen_by_its_name(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    (dataset,) = (home / "datasets").iterdir()
    shutil.copytree(dataset, dataset.with_name("20250101-000000-aaaaaa"))
    run = shutil.copytree(home / "runs" / "popular-first", home / "runs" / "popular-second")
    described = read_json(run / "config.json")
    write_json(run / "config.json", {**described, "dataset": "20250101-000000-aaaaaa"})
    at = open_page("app.py", reseal(home), shown="20250101-000000-aaaaaa")
    assert at.selectbox(key="shown").value == "20250101-000000-aaaaaa"
    assert all("tiny demo" in option for option in at.selectbox(key="shown").options)
    assert len(json.loads(at.get("plotly_chart")[0].proto.spec)["data"]) == 1


def test_it_says_for_whom_the_best_run_beats_the_best_baseline(open_page, small_workspace):
    at = open_page("app.py", small_workspace)
    figure = json.loads(at.get("plotly_chart")[1].proto.spec)
    assert set(figure["data"][0]["y"]) >= {"head articles", "tail articles", "warm articles"}
    assert figure["layout"]["title"]["text"].startswith("my *run* gains most on users of 5–19 clicks")


def test_buttons_lead_to_data_to_train_and_to_learn(open_page, tmp_path):
    labels = [button.label for button in open_page(str(APP), tmp_path).button]
    assert labels == ["Use your own logs", "Train one now", "Learn how recall works"]


def test_damaged_runs_are_told_on_pages_that_leave_them_out(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    (home / "runs" / TRAINED / "metrics.json").write_text("{}")
    for page in ("app.py", "pages/users.py", "pages/compare.py"):
        at = open_page(page, home)
        assert not at.exception
        assert any(TRAINED[-6:] in box.value and "damaged" in box.value for box in (*at.warning, *at.info))
