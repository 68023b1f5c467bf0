import json
import logging
import re

import pytest

from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
from lab.saved_mappings import mapping_path
from tests.pages.test_chinese import english, missing

BROKEN = [
    ("empty.csv", b"", "is empty"),
    ("blank.csv", b"\n\n", "is empty"),
    ("picture.csv", b"\x89PNG\r\n\x1a\n", "is a PNG picture"),
    ("book.xlsx", b"PK\x03\x04 xl/workbook.xml", "is an Excel workbook: export the sheet as CSV"),
    ("log.parquet", b"user_id,article_id\nu,a\n", "is not a Parquet file"),
    ("program.csv", bytes(range(256)) * 40, "is no table"),
]


@pytest.fixture
def logs(tmp_path_factory, monkeypatch):
    """The folder whose files the page may read."""
    folder = tmp_path_factory.mktemp("logs").resolve()
    monkeypatch.setenv("DSSM_LOGS", str(folder))
    return folder


def _with_source(at, source):
    at.segmented_control(key="source").set_value(source)
    return at.run()


def _press(at, label):
    next(button for button in at.button if button.label == label).click().run()


def _column(at, name):
    return next(box for box in at.selectbox if (box.key or "").startswith(f"map {name} "))


def _rule(at):
    return next(box for box in at.text_input if box.label == "Click rule")


def _said(element):
    """The text of an element as people read it, without the escapes of Markdown."""
    return re.sub(r"\\(.)", r"\1", element.value)


def _said_any(elements):
    return " ".join(map(_said, elements))


def test_a_demo_log_is_made_and_opened(open_page, tmp_path):
    at = open_page("pages/data.py", tmp_path)
    for name, value in (("users", 40), ("articles", 40), ("days", 3)):
        at.number_input(key=f"demo {name}").set_value(value)
    at.button[0].click().run()
    assert not at.exception
    assert "Accepted" in at.success[0].value
    assert at.selectbox(key="dataset").value == Workspace(tmp_path, bundled=None).datasets()[0]["id"]


def test_a_file_that_is_not_there_is_told_and_what_was_typed_is_kept(open_page, tmp_path, logs):
    at = open_page("pages/data.py", tmp_path)
    at.session_state["path exposures"] = "nowhere.txt"
    _with_source(at, "Files on this machine")
    assert "no such file" in _said(at.error[0])
    assert at.selectbox(key="path exposures").value == "nowhere.txt"


def test_without_a_folder_of_logs_the_page_says_how_to_name_one(open_page, tmp_path, monkeypatch):
    monkeypatch.delenv("DSSM_LOGS", raising=False)
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    assert "DSSM_LOGS" in at.info[0].value
    assert not at.button


def test_the_files_of_the_folder_are_offered_and_no_other_is_read(open_page, tmp_path, logs):
    (logs / "log.csv").write_text("user_id,article_id\nu,a\n")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    assert at.selectbox(key="path exposures").options == ["log.csv"]
    for typed in ("/etc/passwd", "../x.csv"):
        at = open_page("pages/data.py", tmp_path)
        at.session_state["path exposures"] = typed
        _with_source(at, "Files on this machine")
        assert "inside" in _said(at.error[0])


def test_columns_are_guessed_and_the_choice_is_kept_when_reading_fails(open_page, tmp_path, logs):
    (logs / "log.csv").write_text("reader;x;clicked\nu;a;0\nv;a;0\n")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv").run()
    assert _column(at, "exposures user_id").value == "reader"
    assert _column(at, "exposures article_id").value is None
    assert _column(at, "exposures expo_time").value == ""
    _press(at, "Read the files")
    assert "article_id has no column yet" in _said(at.error[0])
    _column(at, "exposures article_id").set_value("x").run()
    _press(at, "Read the files")
    assert "no row is a click" in _said(at.error[0])
    assert _column(at, "exposures article_id").value == "x"


def test_what_was_found_out_of_a_file_is_told_and_can_be_changed(open_page, tmp_path, logs):
    (logs / "log.csv").write_bytes("用户ID;文章ID\nu;a\n".encode("gb18030"))
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv").run()
    assert "GB18030 text, separated by semicolon, with a header" in _said_any(at.caption)
    assert _column(at, "exposures user_id").value == "用户ID"
    assert at.dataframe[0].value.columns.tolist() == ["用户ID", "文章ID"]
    path = logs / "log.csv"
    at.selectbox(key=f"header exposures {path}").set_value(False).run()
    assert at.dataframe[0].value.columns.tolist() == ["column_1", "column_2"]
    at.selectbox(key=f"separator exposures {path}").set_value(",").run()
    assert at.dataframe[0].value.columns.tolist() == ["column_1"]


def test_a_mapping_that_worked_is_offered_for_the_same_columns_and_can_be_put_off(open_page, tmp_path, logs):
    rows = "".join(f"u{i % 5},a{i % 7},{i % 6}\n" for i in range(80))
    (logs / "may.csv").write_text(f"a,b,rating\n{rows}")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("may.csv").run()
    _column(at, "exposures user_id").set_value("a")
    _column(at, "exposures article_id").set_value("b")
    assert _rule(at).value == "rating>=4"
    _rule(at).set_value("rating>=3").run()
    _press(at, "Read the files")
    assert not at.exception
    assert _said_any(at.error) == ""
    (logs / "june.csv").write_text(f"a,b,rating\n{rows}")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("june.csv").run()
    assert (_column(at, "exposures user_id").value, _rule(at).value) == ("a", "rating>=3")
    at.toggle[0].set_value(False).run()
    assert (_column(at, "exposures user_id").value, _rule(at).value) == (None, "rating>=4")


def test_a_damaged_mapping_is_told_and_ignored(open_page, tmp_path, logs):
    (logs / "log.csv").write_text("uid,item\nu,a\n")
    path = mapping_path(Workspace(tmp_path, bundled=None), "exposures", ("uid", "item"))
    path.parent.mkdir()
    path.write_text("{torn")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv").run()
    assert "is ignored" in _said(at.warning[0])
    assert _column(at, "exposures user_id").value == "uid"


def test_each_table_has_its_own_names_for_the_same_column(open_page, tmp_path, logs):
    rows = "".join(f"u{i % 5},a{i % 7}\n" for i in range(80))
    (logs / "log.csv").write_text(f"uid,item,headline\n{rows.replace(chr(10), ',x' + chr(10))}")
    (logs / "people.csv").write_text("Member ID,Sex,shoe\nu1,f,40\n")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv")
    at.selectbox(key="path users").set_value("people.csv").run()
    assert "Attributes too: shoe." in _said_any(at.caption)
    assert "Not kept: headline." in _said_any(at.caption)
    _press(at, "Read the files")
    assert not at.exception
    assert _said_any(at.error) == ""
    workspace = Workspace(tmp_path, bundled=None)
    (made,) = workspace.datasets()
    users = load_dataset(workspace, made["id"]).users
    assert users[users["user_id"] == "u1"].iloc[0].to_dict() == {"user_id": "u1", "gender": "f", "shoe": "40"}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_a_file_that_is_no_table_is_told_in_a_sentence(open_page, tmp_path, name, content, message):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    at.file_uploader(key="upload exposures 0").set_value((name, content, "text/csv")).run()
    assert not at.exception
    for _ in range(2):
        text = _said(at.error[0])
        assert message in text and name in text
        assert str(tmp_path) not in text
        _press(at, "Read the files")
    assert not Workspace(tmp_path, bundled=None).datasets()


def test_an_error_about_an_upload_names_it_as_its_owner_does(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    at.file_uploader(key="upload exposures 0").set_value(("mine.csv", b"user_id,article_id\n", "text/csv")).run()
    _press(at, "Read the files")
    text = _said(at.error[0])
    assert "mine.csv holds no rows" in text
    assert str(tmp_path) not in text


def test_the_limit_of_uploads_is_told_with_what_to_do_above_it(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    assert "MB a file" in _said_any(at.caption) and "dssm_core ingest" in _said_any(at.caption)


def test_a_file_that_is_taken_back_leaves_no_copy(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    at.file_uploader(key="upload exposures 0").set_value(("mine.csv", b"uid,item\nu,a\n", "text/csv")).run()
    assert len(list((tmp_path / "uploads").iterdir())) == 1
    at.file_uploader(key="upload exposures 0").set_value(None).run()
    assert not list((tmp_path / "uploads").iterdir())


def test_the_report_is_a_funnel_and_the_rows_set_aside_are_there(open_page, tmp_path):
    (tmp_path / "log.csv").write_text("user_id,article_id\nu,a\nu,a\nu\n,b\n")
    ingest(Workspace(tmp_path, bundled=None), "generic", tmp_path / "log.csv")
    at = open_page("pages/data.py", tmp_path)
    bars = json.loads(at.get("plotly_chart")[0].proto.spec)["data"][0]
    assert bars["y"] == ["rows in", "ragged row", "missing id", "duplicate", "accepted"]
    assert "The 3 rows set aside" in at.expander[0].label
    assert at.expander[0].dataframe[0].value["reason"].tolist() == ["ragged row", "missing id", "duplicate"]
    assert at.get("download_button")
    assert "Read as UTF-8 text, separated by comma, with a header." in _said_any(at.caption)


def test_a_reading_that_was_cut_off_is_told(open_page, tmp_path):
    at = open_page("pages/data.py", tmp_path)
    at.session_state["reading"] = True
    at.run()
    assert "Cancelled" in at.info[0].value
    at.run()
    assert not at.info


def test_a_split_that_leaves_most_of_the_log_out_is_warned_of(open_page, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("user_id,article_id,expo_time\n" + "".join(f"u{i % 3},a{i},{86_400 * i}\n" for i in range(1, 60)))
    ingest(Workspace(tmp_path, bundled=None), "generic", log)
    at = open_page("pages/data.py", tmp_path)
    assert "leaves out" in at.warning[0].value
    at.number_input(key="split train_days").set_value(100).run()
    assert not at.warning


def test_without_exposures_the_missing_table_is_named(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    _press(at, "Read the files")
    assert "exposures" in at.error[0].value


def test_an_uploaded_log_is_read_with_its_mapping_and_its_copy_removed(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    rows = "".join(f"u{i % 5},a{i % 7},{1_600_000_000 + 3600 * i},{i % 6}\n" for i in range(80))
    at.file_uploader(key="upload exposures 0").set_value(("../<b>x.csv", f"reader,a,t,r\n{rows}".encode(), "text/csv"))
    at.run()
    assert _column(at, "exposures user_id").options == ["reader", "a", "t", "r"]
    assert _column(at, "exposures expo_time").value == "t"
    _column(at, "exposures article_id").set_value("a")
    _rule(at).set_value("r>=4")
    _press(at, "Read the files")
    assert not at.exception
    assert not at.error
    assert Workspace(tmp_path, bundled=None).datasets()[0]["exposures"] == 80
    assert not list((tmp_path / "uploads").iterdir())


def test_a_split_that_cannot_be_made_is_told_in_a_sentence(open_page, small_workspace):
    at = open_page("pages/data.py", small_workspace)
    at.number_input(key="split test_days").set_value(300).run()
    assert not at.exception
    assert at.error


def test_deleting_a_dataset_asks_first(open_page, tmp_path):
    at = open_page("pages/data.py", tmp_path)
    for name in ("users", "articles"):
        at.number_input(key=f"demo {name}").set_value(60)
    at.button[0].click().run()
    workspace = Workspace(tmp_path, bundled=None)
    (made,) = workspace.datasets()
    at.button(key=f"delete {made['id']}").click().run()
    assert not at.exception
    assert workspace.datasets() == []


def test_the_button_that_deleted_one_dataset_does_not_stay_for_the_next(open_page, tmp_path):
    at = open_page("pages/data.py", tmp_path)
    for name in ("users", "articles"):
        at.number_input(key=f"demo {name}").set_value(60)
    at.button[0].click().run()
    at.button[0].click().run()
    workspace = Workspace(tmp_path, bundled=None)
    (shown,) = (button for button in at.button if (button.key or "").startswith("delete "))
    shown.click().run()
    (other,) = (manifest["id"] for manifest in workspace.datasets())
    assert [button.key for button in at.button if (button.key or "").startswith("delete ")] == [f"delete {other}"]
    assert shown.key != f"delete {other}"


def test_the_folder_of_a_public_data_set_is_read_where_all_its_files_are_inside(open_page, tmp_path, logs):
    (logs / "ml" / "inner").mkdir(parents=True)
    (logs / "ml" / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,5,964982703\n1,3,2,965982704\n")
    outside = tmp_path / "movies.csv"
    outside.write_text("movieId,title,genres\n2,A (1995),Comedy\n")
    (logs / "ml" / "movies.csv").symlink_to(outside)
    at = open_page("pages/data.py", tmp_path)
    at.session_state["path format"] = "movielens"
    at.session_state["path exposures"] = "ml"
    _with_source(at, "Files on this machine")
    assert "is not inside" in _said(at.error[0])
    (logs / "ml" / "movies.csv").unlink()
    (logs / "ml" / "movies.csv").write_text(outside.read_text())
    at.run()
    next(box for box in at.text_input if box.label == "Click rule").set_value("rating>=2").run()
    _press(at, "Read the files")
    assert not at.exception
    assert _said_any(at.error) == ""
    (made,) = Workspace(tmp_path, bundled=None).datasets()
    assert (made["clicks"], made["articles"]) == (2, 2)


def test_only_the_tables_that_a_format_has_are_asked_for(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    at.selectbox(key="upload format").set_value("ebnerd").run()
    labels = [uploader.label for uploader in at.file_uploader]
    assert "Clicks from before the log (optional)" in labels and "Users (optional)" not in labels


def test_after_an_error_neither_the_bar_nor_its_button_stays(open_page, tmp_path, logs):
    (logs / "log.csv").write_text("uid,item\n")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv").run()
    _press(at, "Read the files")
    assert "holds no rows" in _said(at.error[0])
    assert "Cancel" not in [button.label for button in at.button]


def test_a_column_that_the_click_rule_looks_at_is_not_said_to_be_left_out(open_page, tmp_path, logs):
    rows = "".join(f"{i % 5},{i % 7},{1 + i % 5},x\n" for i in range(80))
    (logs / "log.csv").write_text(f"userId,movieId,rating,mood\n{rows}")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.selectbox(key="path exposures").set_value("log.csv").run()
    assert "Not kept: mood." in _said_any(at.caption)


def test_a_form_and_its_mistakes_in_chinese_have_no_english_phrase(open_page, tmp_path, logs, caplog):
    caplog.set_level(logging.WARNING, "lab.language")
    (logs / "log.csv").write_text("reader;x;clicked;shoe\nu;a;0;1\nv;a;0;2\n")
    (logs / "people.csv").write_text("Member ID,Sex,shoe\nu1,f,40\n")
    query = {"source": "Files on this machine", "path exposures": "log.csv", "path users": "people.csv"}
    at = open_page("pages/data.py", tmp_path, language="zh", **query)
    _press(at, "读取文件")
    assert "article_id" in _said(at.error[0])
    _column(at, "exposures article_id").set_value("x").run()
    _press(at, "读取文件")
    assert at.error and not at.exception and not missing(caplog) and not english(at)
