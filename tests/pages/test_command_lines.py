"""The command lines that pages show do what the pages do."""

import shlex

import pandas as pd
import pytest

from dssm_core.cli import main
from dssm_core.workspace import Workspace, load_dataset
from tests.pages.test_data import _column, _press, _rule, _said_any, _with_source

LOG = "".join(f"u{i % 5};a{i % 7};{1_600_000_000 + 3600 * i};{i % 6}\n" for i in range(80))
USERS = "Member ID;Sex;shoe\nu1;f;40\n"


def run(line: str) -> None:
    python, flag, package, *arguments = shlex.split(line)
    assert (python, flag, package) == ("python", "-m", "dssm_core")
    assert main(arguments) == 0


def lines(at, command: str) -> list[str]:
    return [code.value for code in at.code if code.value.split()[3] == command]


def same_datasets(home) -> tuple[dict, dict]:
    """The manifests of the two datasets of a workspace, whose tables must be equal."""
    workspace = Workspace(home, bundled=None)
    one, other = workspace.datasets()
    first, second = (load_dataset(workspace, manifest["id"]) for manifest in (one, other))
    for table in ("users", "articles"):
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table))
    for column in ("user", "article", "time", "click"):
        assert (getattr(first.exposures, column) == getattr(second.exposures, column)).all()
    assert one["timezone"] == other["timezone"]
    return one, other


@pytest.fixture
def logs(tmp_path, monkeypatch):
    folder = (tmp_path / "my logs").resolve()
    folder.mkdir()
    (folder / "log.csv").write_text("reader;story;when;rating\n" + LOG)
    (folder / "people.csv").write_text(USERS)
    monkeypatch.setenv("DSSM_LOGS", str(folder))
    return folder


def test_the_line_of_a_form_reads_the_files_as_its_button_does(open_page, tmp_path, logs):
    home = tmp_path / "home"
    at = _with_source(open_page("pages/data.py", home), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv")
    at.selectbox(key="path users").set_value("people.csv")
    at.text_input(key="path name").set_value("mine & yours")
    at.text_input(key="path zone").set_value("Asia/Shanghai").run()
    _column(at, "users gender").set_value("")
    _rule(at).set_value("rating>=3")
    at.selectbox(key=f"separator exposures {logs / 'log.csv'}").set_value(";").run()
    (line,) = lines(at, "ingest")
    assert "--separator ';'" in line and "--timezone Asia/Shanghai" in line
    _press(at, "Read the files")
    assert _said_any(at.error) == ""
    run(line)
    one, other = same_datasets(home)
    assert one["name"] == other["name"] == "mine & yours"


def test_the_line_of_an_upload_names_the_file_as_its_owner_does(open_page, tmp_path, logs, monkeypatch):
    home = tmp_path / "home"
    at = _with_source(open_page("pages/data.py", home), "Upload files")
    content = (logs / "log.csv").read_bytes()
    at.file_uploader(key="upload exposures 0").set_value(("log.csv", content, "text/csv")).run()
    (line,) = lines(at, "ingest")
    assert "--exposures log.csv" in line and str(tmp_path / "home" / "uploads") not in line
    _press(at, "Read the files")
    monkeypatch.chdir(logs)
    run(line)
    one, other = same_datasets(home)
    assert one["name"] == other["name"] == "log.csv"


def test_files_that_no_one_line_can_read_are_told(open_page, tmp_path, logs):
    (logs / "people.csv").write_text(USERS.replace(";", ","))
    at = _with_source(open_page("pages/data.py", tmp_path / "home"), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv")
    at.selectbox(key="path users").set_value("people.csv").run()
    assert lines(at, "ingest")
    at.selectbox(key=f"separator exposures {logs / 'log.csv'}").set_value(";").run()
    assert not lines(at, "ingest")
    assert "No one command line reads these files" in _said_any(at.caption)


def test_without_a_log_there_is_no_line_to_read_it(open_page, tmp_path, logs):
    at = _with_source(open_page("pages/data.py", tmp_path / "home"), "Files on this machine")
    assert not lines(at, "ingest")


def test_the_lines_of_a_demo_and_of_an_export_do_it(open_page, tmp_path):
    home = tmp_path / "home"
    at = open_page("pages/data.py", home)
    for name, value in (("users", 40), ("articles", 40), ("days", 3), ("seed", 5)):
        at.number_input(key=f"demo {name}").set_value(value)
    at.run()
    (line,) = lines(at, "demo")
    _press(at, "Make the demo log")
    run(line)
    same_datasets(home)
    (line,) = lines(at.run(), "export")
    run(line)
    assert list((home / "exports").glob("*/exposures.parquet"))


def test_the_sampling_lab_s_line_trains_what_its_button_hands_over(open_page, small_workspace):
    at = open_page("pages/sampling.py", small_workspace, strategies="popularity", **{"popularity.alpha": "1.25"})
    (line,) = lines(at, "train")
    assert "--preset popularity" in line and "negatives.alpha=1.25" in line
