from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace


def _with_source(at, source):
    at.segmented_control(key="source").set_value(source)
    return at.run()


def test_a_demo_log_is_made_and_opened(open_page, tmp_path):
    at = open_page("pages/data.py", tmp_path)
    for name, value in (("users", 40), ("articles", 40), ("days", 3)):
        at.number_input(key=f"demo {name}").set_value(value)
    at.button[0].click().run()
    assert not at.exception
    assert "Accepted" in at.success[0].value
    assert at.selectbox(key="dataset").value == Workspace(tmp_path, bundled=None).datasets()[0]["id"]


def test_a_file_that_is_not_there_is_told_and_what_was_typed_is_kept(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.text_input(key="path exposures").set_value("/nowhere/log.txt")
    at.button[0].click().run()
    assert "no such file" in at.error[0].value
    assert at.text_input(key="path exposures").value == "/nowhere/log.txt"


def test_a_file_s_columns_are_offered_and_the_choice_is_kept_when_another_is_missing(open_page, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("reader;x\nu;a\n")
    at = _with_source(open_page("pages/data.py", tmp_path), "Files on this machine")
    at.text_input(key="path exposures").set_value(str(log)).run()
    assert at.selectbox(key="path map user_id").options == ["reader", "x"]
    at.selectbox(key="path map user_id").set_value("reader").run()
    at.button[0].click().run()
    assert "no column 'article_id'" in at.error[0].value.replace("\\", "")
    assert at.selectbox(key="path map user_id").value == "reader"


def test_an_error_about_an_upload_names_it_as_its_owner_does(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    at.file_uploader(key="upload exposures 0").set_value(("mine.csv", b"x,y\n1,2\n", "text/csv")).run()
    at.button[0].click().run()
    text = at.error[0].value.replace("\\", "")
    assert "in mine.csv" in text
    assert str(tmp_path) not in text


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
    at.button[0].click().run()
    assert "exposures" in at.error[0].value


def test_an_uploaded_log_is_read_with_its_mapping_and_its_copy_removed(open_page, tmp_path):
    at = _with_source(open_page("pages/data.py", tmp_path), "Upload files")
    at.selectbox(key="upload format").set_value("generic").run()
    rows = "".join(f"u{i % 5},a{i % 7},{1_600_000_000 + 3600 * i},{i % 6}\n" for i in range(80))
    at.file_uploader(key="upload exposures 0").set_value(("../<b>x.csv", f"reader,a,t,r\n{rows}".encode(), "text/csv"))
    at.run()
    assert at.selectbox(key="upload map user_id").options == ["reader", "a", "t", "r"]
    for name, column in (("user_id", "reader"), ("article_id", "a"), ("expo_time", "t")):
        at.selectbox(key=f"upload map {name}").set_value(column)
    at.text_input(key="upload rule").set_value("r>=4")
    at.button[0].click().run()
    assert not at.exception
    assert not at.error
    assert Workspace(tmp_path, bundled=None).datasets()[0]["exposures"] == 80
    assert not list((tmp_path / "uploads").rglob("upload*.*"))


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
