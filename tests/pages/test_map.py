import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest

from lab.map_figures import Drawn
from tests.pages.conftest import TRAINED
from tests.pages.test_chinese import english, missing
from tests.sealing import reseal

ARTICLES = 60


@pytest.fixture
def home(small_workspace, tmp_path):
    """The small workspace, whose trained run has vectors at random."""
    return with_vectors(small_workspace, tmp_path / "home")


def with_vectors(small_workspace, home, dim=4, articles=ARTICLES):
    shutil.copytree(small_workspace, home)
    rng = np.random.default_rng(0)
    for side, first, count in (("users", 0, 81), ("articles", 1, articles)):
        vectors = rng.normal(size=(count, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = np.arange(first, first + count, dtype=np.int32)
        np.savez(home / "runs" / TRAINED / f"{side}.npz", rows=rows, vectors=vectors)
    return reseal(home)


def drawn(at):
    return json.loads(at.get("plotly_chart")[0].proto.spec)


def names(at):
    return [trace["name"] for trace in drawn(at)["data"]]


def test_a_workspace_without_vectors_is_told_where_to_get_some(open_page, small_workspace):
    at = open_page("pages/map.py", small_workspace)
    assert not at.exception
    assert any("none to draw" in text.value for text in at.markdown)


def test_the_map_tells_how_much_of_the_pool_and_of_the_variance_it_shows(open_page, home):
    title = drawn(open_page("pages/map.py", home, run=TRAINED))["layout"]["title"]["text"].replace("<br>", " ")
    assert title.startswith(f"All {ARTICLES} articles; two directions keep") and title.endswith("of the variance")


@pytest.mark.parametrize("colour", ["category", "age", "popularity"])
@pytest.mark.parametrize("projection", ["pca", "tsne"])
def test_every_colour_and_projection_draws_by_webgl(open_page, home, colour, projection):
    at = open_page("pages/map.py", home, run=TRAINED, colour=colour, projection=projection)
    assert not at.exception
    assert {trace["type"] for trace in drawn(at)["data"]} == {"scattergl"}


def test_a_user_is_drawn_with_history_list_and_misses(open_page, home):
    per_user = pd.read_parquet(home / "runs" / TRAINED / "per_user.parquet")
    some = per_user[per_user["recall@5"].between(0.01, 0.99)]["user_id"].iloc[0]
    at = open_page("pages/map.py", home, run=TRAINED, user=some, k="5")
    assert not at.exception
    assert {"recalled", "recalled and clicked", "missed", "the user"} <= set(names(at))


def test_an_unknown_user_is_told(open_page, home):
    at = open_page("pages/map.py", home, run=TRAINED, user="nobody")
    assert not at.exception
    assert any("User nobody is not in this dataset" in info.value for info in at.info)


def test_a_title_is_found_or_said_to_be_missing(open_page, home):
    articles = pd.read_parquet(next((home / "datasets").iterdir()) / "articles.parquet")
    title = articles["title"].iloc[5]
    at = open_page("pages/map.py", home, run=TRAINED, title=title)
    assert title in at.dataframe[-1].value["title"].tolist() and "found" in names(at)
    none = open_page("pages/map.py", home, run=TRAINED, title="no such title")
    assert any("No article of the pool" in info.value for info in none.info)


@pytest.mark.parametrize(("dim", "articles"), [(2, ARTICLES), (4, 1), (4, 3)])
def test_flat_vectors_and_tiny_pools_are_drawn_too(open_page, small_workspace, tmp_path, dim, articles):
    home = with_vectors(small_workspace, tmp_path / "home", dim, articles)
    for projection in ("pca", "tsne"):
        assert not open_page("pages/map.py", home, run=TRAINED, projection=projection).exception


def test_a_log_without_articles_attributes_is_drawn_by_popularity_alone(open_page, home):
    path = next((home / "datasets").iterdir()) / "articles.parquet"
    pd.read_parquet(path)[["article_id", "ctime"]].assign(ctime=0).to_parquet(path)
    at = open_page("pages/map.py", reseal(home), run=TRAINED)
    assert not at.exception
    assert at.segmented_control(key="colour").options == ["popularity"]


def test_what_a_lasso_catches_are_the_articles_of_its_points_once_each():
    some = Drawn(None, [np.array([4, 5]), np.array([9, -1, 4])])
    points = [{"curve_number": curve, "point_index": place} for curve, place in ((0, 1), (1, 0), (1, 1), (1, 2))]
    assert some.selected(points).tolist() == [4, 5, 9]


@pytest.mark.parametrize("projection", ["pca", "tsne"])
def test_the_map_in_chinese_has_no_english_phrase(open_page, home, projection, caplog):
    caplog.set_level(logging.WARNING, "lab.language")
    for colour in ("category", "age", "popularity"):
        query = {"projection": projection, "colour": colour, "user": "1", "title": "的", "language": "zh"}
        at = open_page("pages/map.py", home, run=TRAINED, **query)
        assert not at.exception and not missing(caplog) and not english(at)
