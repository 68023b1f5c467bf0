"""What is turned on a page is in its address, which shows the same in a fresh browser."""

import pandas as pd
import pytest

from dssm_core.workspace import Workspace
from tests.pages.test_map import ARTICLES, TRAINED, with_vectors


@pytest.fixture
def home(small_workspace, tmp_path):
    """The small workspace, whose trained run has vectors at random."""
    return with_vectors(small_workspace, tmp_path / "home", articles=ARTICLES)


def test_the_sampling_lab_s_strategies_knobs_user_and_draw_are_in_the_address(open_page, small_workspace):
    page = "pages/sampling.py"
    at = open_page(page, small_workspace)
    at.multiselect(key="strategies").set_value(["popularity", "mixed"]).run()
    at.number_input(key="lab popularity negatives.alpha").set_value(1.25)
    at.selectbox(key="lab popularity negatives.blend").set_value("ralm")
    at.number_input(key="lab mixed negatives.blend_share").set_value(0.25).run()
    at.selectbox(key="user").set_value(at.selectbox(key="user").options[-1]).run()
    next(button for button in at.button if button.label == "Draw again").click().run()
    fresh = open_page(page, small_workspace, **at.query_params)
    assert not fresh.exception
    assert fresh.multiselect(key="strategies").value == ["popularity", "mixed"]
    assert fresh.number_input(key="lab popularity negatives.alpha").value == 1.25
    assert fresh.selectbox(key="lab popularity negatives.blend").value == "ralm"
    assert fresh.number_input(key="lab mixed negatives.blend_share").value == 0.25
    assert fresh.selectbox(key="user").value == at.selectbox(key="user").value
    assert [table.value.to_csv() for table in fresh.dataframe] == [table.value.to_csv() for table in at.dataframe]


def test_a_knob_that_is_turned_back_leaves_the_address(open_page, small_workspace):
    at = open_page("pages/sampling.py", small_workspace, strategies="popularity", **{"popularity.alpha": "1.5"})
    alpha = at.number_input(key="lab popularity negatives.alpha")
    assert alpha.value == 1.5
    alpha.set_value(0.75).run()
    assert "popularity.alpha" not in at.query_params
    assert at.number_input(key="lab popularity negatives.alpha").value == 0.75


@pytest.mark.parametrize("bad", ["many", "-1", "1e9", ""])
def test_a_knob_that_cannot_be_what_the_address_says_stays_as_it_is(bad, open_page, small_workspace):
    query = {"popularity.k": bad, "popularity.blend": bad, "draw": bad, "strategies": "popularity"}
    at = open_page("pages/sampling.py", small_workspace, **query)
    assert not at.exception
    assert at.number_input(key="lab popularity negatives.k").value == 5
    assert at.selectbox(key="lab popularity negatives.blend").value == "none"


def test_data_s_source_form_dataset_and_split_come_from_the_address(open_page, small_workspace, tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text("uid,item\nu,a\n")
    monkeypatch.setenv("DSSM_LOGS", str(tmp_path))
    (dataset,) = Workspace(small_workspace, bundled=None).datasets()
    form = {"source": "Files on this machine", "path exposures": "log.csv", "path name": "mine", "path zone": "UTC"}
    view = {"dataset": dataset["id"], "split": "time", "split train_days": "1", "set_aside": "true"}
    at = open_page("pages/data.py", small_workspace, **form, **view)
    assert not at.exception
    assert at.selectbox(key="path exposures").value == "log.csv"
    assert [at.text_input(key=f"path {name}").value for name in ("name", "zone")] == ["mine", "UTC"]
    assert at.number_input(key="split train_days").value == 1
    assert next(found for found in at.expander if "set aside" in found.label).proto.expanded
    at.selectbox(key="split").set_value("random").run()
    assert open_page("pages/data.py", small_workspace, **at.query_params).selectbox(key="split").value == "random"


def test_the_map_s_run_method_user_colour_and_search_come_from_the_address(open_page, home):
    at = open_page("pages/map.py", home)
    at.segmented_control(key="projection").set_value("tsne")
    at.segmented_control(key="colour").set_value("popularity")
    at.segmented_control(key="k").set_value(5).run()
    fresh = open_page("pages/map.py", home, **at.query_params, user="1", title="a")
    assert not fresh.exception
    assert fresh.selectbox(key="run").value == TRAINED
    chosen = {key: fresh.segmented_control(key=key).value for key in ("projection", "colour", "k")}
    assert chosen == {"projection": "tsne", "colour": "popularity", "k": 5}
    assert [fresh.text_input(key=key).value for key in ("user", "title")] == ["1", "a"]


def test_the_index_s_settings_come_from_the_address(open_page, home):
    at = open_page("pages/index.py", home)
    at.segmented_control(key="k").set_value(5).run()
    fresh = open_page("pages/index.py", home, **at.query_params, **{"index more": "index.probes=4"})
    assert not fresh.exception
    assert (fresh.segmented_control(key="k").value, fresh.selectbox(key="setting").value) == (5, "exact")
    assert fresh.text_input(key="index more").value == "index.probes=4"


def test_a_choice_outranks_an_address_that_is_a_step_behind(open_page, home):
    at = open_page("pages/users.py", home)
    before, k = at.query_params["user"], at.query_params["k"]
    next(button for button in at.button if button.label == "Next").click().run()
    chosen = at.query_params["user"]
    assert chosen != before
    # what the browser sends when somebody goes on before the new address has reached it
    at.query_params["user"], at.query_params["k"] = before, k
    at.segmented_control(key="k").set_value(5).run()
    assert at.selectbox(key="user").value == at.query_params["user"] == chosen
    assert at.segmented_control(key="k").value == 5


def test_a_window_that_was_closed_stays_closed_under_an_address_that_is_a_step_behind(open_page, home):
    def opened(at):
        return any(heading.value == "Nearest articles" for heading in at.subheader)

    (dataset,) = Workspace(home, bundled=None).datasets()
    article = pd.read_parquet(home / "datasets" / dataset["id"] / "articles.parquet")["article_id"].iat[1]
    at = open_page("pages/users.py", home, run=TRAINED, article=article)
    assert opened(at)
    at.session_state["article"] = ""  # closed
    at.query_params["article"] = article
    at.segmented_control(key="k").set_value(5).run()
    assert not opened(at)


def test_the_language_outranks_an_address_that_is_a_step_behind(open_page, home):
    at = open_page("pages/map.py", home, language="zh")
    at.segmented_control(key="language switch").set_value("en").run()
    at.query_params["language"] = "zh"
    at.segmented_control(key="k").set_value(5).run()
    assert at.title[0].value == "Map"
    assert at.query_params["language"] == "en"


def test_what_the_address_says_is_taken_anew_whenever_the_page_is_come_to(open_page, home):
    at = open_page("pages/users.py", home, k="5")
    at.segmented_control(key="k").set_value(50).run()
    at.switch_page("pages/map.py").run()
    at.switch_page("pages/users.py")
    at.query_params["k"] = "5"
    assert at.run().segmented_control(key="k").value == 5
