import shlex

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dssm_core.cli import main
from dssm_core.dataset_export import FORMS, export_dataset, read_again
from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.input_files import TextOptions
from dssm_core.workspace import Workspace, load_dataset
from tests.conftest import HOUR, MONDAY, make_dataset
from tests.datasets import save_dataset


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


def assert_same(one, other):
    """The two hold the same exposures, users and articles, to the order and the dtype."""
    for name in ("user", "article", "time", "click"):
        left, right = getattr(one.exposures, name), getattr(other.exposures, name)
        np.testing.assert_array_equal(left, right, err_msg=name, strict=left is not None and right is not None)
    assert one.exposures.extra.keys() == other.exposures.extra.keys()
    for name, values in one.exposures.extra.items():
        assert values.dtype == other.exposures.extra[name].dtype, name
        np.testing.assert_array_equal(values, other.exposures.extra[name], err_msg=name)
    pd.testing.assert_frame_equal(one.users, other.users, check_like=True)
    pd.testing.assert_frame_equal(one.articles, other.articles, check_like=True)


def ingested(workspace, files, timezone, form):
    text = TextOptions("utf-8", ",", True) if form == "csv" else TextOptions()
    report = ingest(workspace, "generic", **files, timezone=timezone, text=text)
    for table in (report, *report["tables"].values()):
        assert not table["set_aside"] and table["rows_in"] == table["accepted"]
    return load_dataset(workspace, report["dataset"])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5)
IDS = st.one_of(st.sampled_from(["007", "7", "NA", "a,b", 'q"q', " s ", "l\nl", "null"]), TEXT)
TIMES = st.one_of(st.integers(1, 2 * HOUR), st.integers(MONDAY, MONDAY + 4 * HOUR), st.integers(1, 253_402_214_399_999))


@st.composite
def logs(draw):
    """Rows of a dirty log and its profiles: three frames of texts."""
    users, articles = (draw(st.lists(IDS, min_size=1, max_size=4, unique=True)) for _ in range(2))
    timed = draw(st.booleans())

    def column(values, n):
        return draw(st.lists(values, min_size=n, max_size=n))

    n = draw(st.integers(1, 12))
    exposures = {
        "user_id": column(st.sampled_from([*users, ""]), n),
        "article_id": column(st.sampled_from(articles), n),
        "click": column(st.sampled_from(["0", "1", "1", "?"]), n),
        "duration": column(st.sampled_from(["5", "-1", "", "x"]), n),
        "split": column(st.sampled_from(["train", "test"]), n),
        "history": column(st.sampled_from(["0", "1"]), n),
    }
    instants = st.one_of(TIMES.map(written), st.just(""))
    if timed:
        exposures["expo_time"] = column(instants, n)
    known = draw(st.lists(st.sampled_from(articles), min_size=1))
    profiles = {"article_id": known, "title": column(st.one_of(TEXT, st.just("")), len(known))}
    profiles |= {"ctime": column(instants, len(known)), "odd,name": column(TEXT, len(known))}
    cities = {"user_id": users, "city": column(st.one_of(TEXT, st.just("")), len(users))}
    return {"exposures": exposures, "users": cities, "articles": profiles}


def written(milliseconds):
    return str(np.datetime64(milliseconds, "ms")) + "Z"


@pytest.mark.parametrize("form", FORMS)
@given(tables=logs())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_cleaned_and_exported_is_ingested_as_it_is(tmp_path, workspace, form, tables):
    """So cleaning twice is cleaning once, and export then ingest gives the same dataset."""
    files = {}
    for name, columns in tables.items():
        files[name] = tmp_path / f"{name}.parquet"
        pd.DataFrame(columns, dtype=object).to_parquet(files[name])
    try:
        report = ingest(workspace, "generic", **files, timezone="Europe/Zurich")
    except UserError:
        return
    once = load_dataset(workspace, report["dataset"])
    exported = export_dataset(once, tmp_path / "out", form)
    assert_same(once, ingested(workspace, exported, "Europe/Zurich", form))


@pytest.mark.parametrize("form", FORMS)
def test_a_dataset_comes_back_from_its_export(tmp_path, workspace, tasteful_dataset, form):
    files = export_dataset(tasteful_dataset, tmp_path / "out", form)
    again = ingested(workspace, files, "Asia/Shanghai", form)
    assert_same(tasteful_dataset, again)


@pytest.mark.parametrize("form", FORMS)
def test_the_command_line_exports_a_dataset_and_says_how_to_read_it_again(tmp_path, workspace, capsys, form):
    articles = {"a": {"ctime": MONDAY - HOUR, "cate": "体育"}}
    dataset = make_dataset([("u", "a", MONDAY, 1), ("v", "b", MONDAY + 1, 0)], articles)
    save_dataset(workspace, "mine", dataset)
    home = ["--home", str(workspace.home), "--json"]
    assert main(["export", "mine", "--to", str(tmp_path / "out"), "--format", form, *home]) == 0
    files = {table: tmp_path / "out" / f"{table}.{form}" for table in ("exposures", "users", "articles")}
    command = read_again(dataset, files)
    assert command in capsys.readouterr().out.replace("\\\\", "\\")
    assert main([*shlex.split(command)[3:], *home]) == 0
    made = next(manifest["id"] for manifest in workspace.datasets() if manifest["id"] != "mine")
    assert_same(dataset, load_dataset(workspace, made))
    assert load_dataset(workspace, made).timezone == dataset.timezone


def test_a_form_that_a_dataset_has_not_is_refused(tmp_path, tasteful_dataset):
    with pytest.raises(UserError, match="unknown export format of a dataset 'funrec': one of csv, parquet"):
        export_dataset(tasteful_dataset, tmp_path, "funrec")
