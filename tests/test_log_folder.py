import pytest

from dssm_core.errors import UserError
from lab import log_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of logs beside a secret."""
    made = tmp_path / "logs"
    (made / "may").mkdir(parents=True)
    (made / "may" / "log.csv").write_text("user_id,article_id\n")
    (made / "news.tsv.gz").touch()
    (made / "notes.pdf").touch()
    (made / ".hidden.csv").touch()
    (made / ".git").mkdir()
    (made / ".git" / "x.csv").touch()
    (tmp_path / "secret.csv").write_text("secret")
    monkeypatch.setenv("DSSM_LOGS", str(made))
    return log_folder.log_folder()


def test_its_files_that_look_like_tables_are_offered(folder):
    assert log_folder.offered_files(folder) == ["news.tsv.gz", "may/log.csv"]


@pytest.mark.parametrize("typed", ["may/log.csv", "./may//log.csv"])
def test_a_file_in_it_is_found_by_a_relative_path(folder, typed):
    assert log_folder.path_within(folder, typed) == folder / "may" / "log.csv"


def test_a_file_in_it_is_found_by_its_whole_path_and_by_a_link_that_stays_inside(folder):
    (folder / "link.csv").symlink_to(folder / "may" / "log.csv")
    for typed in (str(folder / "may" / "log.csv"), "link.csv"):
        assert log_folder.path_within(folder, typed) == folder / "may" / "log.csv"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("../secret.csv", "goes up by"),
        ("may/../../secret.csv", "goes up by"),
        ("may/\0.csv", "NUL"),
        ("gone.csv", "no such file"),
        ("/etc/passwd", "is not inside"),
        ("link.csv", "is not inside"),
        ("linked/secret.csv", "is not inside"),
        ("loop.csv", "no such file"),
        ("x" * 5000, "no such file"),
        ("\ud800.csv", "no such file"),
    ],
)
def test_what_is_not_inside_it_is_refused_in_a_sentence(folder, typed, message):
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "linked").symlink_to(folder.parent)
    (folder / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(UserError, match=message):
        log_folder.path_within(folder, typed)


def test_a_folder_beside_it_whose_name_begins_alike_is_outside(folder):
    (folder.parent / "logs-private").mkdir()
    (folder.parent / "logs-private" / "log.csv").touch()
    with pytest.raises(UserError, match="is not inside"):
        log_folder.path_within(folder, str(folder.parent / "logs-private" / "log.csv"))


def test_without_the_variable_there_is_none_and_a_wrong_one_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("DSSM_LOGS", raising=False)
    assert log_folder.log_folder() is None
    monkeypatch.setenv("DSSM_LOGS", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="not a folder"):
        log_folder.log_folder()
