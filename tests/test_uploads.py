import io
import os
import time
from types import SimpleNamespace

import pytest

from dssm_core.workspace import Workspace
from lab import uploads


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, bundled=None)


def upload(name, content=b"a,b\n", file_id="f1"):
    """An upload as the server hands it on: a file with its name and the server's id."""
    file = io.BytesIO(content)
    file.name, file.file_id = name, file_id
    return file


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("log.csv", "upload.csv"),
        ("LOG.TSV.GZ", "upload.tsv.gz"),
        ("../../<b>x</b>.parquet", "upload.parquet"),
        ("..\\..\\log", "upload.txt"),
        ("picture.png", "upload.txt"),
    ],
)
def test_an_upload_s_own_name_gives_its_suffix_alone(workspace, name, kept):
    path = uploads.copied(workspace, upload(name))
    assert path.name == kept and path.parent.parent == workspace.home / "uploads"
    assert path.read_bytes() == b"a,b\n"


def test_an_upload_that_was_read_before_is_copied_from_its_beginning(workspace):
    file = upload("log.csv")
    uploads.remove([uploads.copied(workspace, file)])
    assert uploads.copied(workspace, file).read_bytes() == b"a,b\n"


def test_an_upload_is_copied_once(workspace):
    uploads.copied(workspace, upload("a.csv", b"first"))
    assert uploads.copied(workspace, upload("a.csv", b"second")).read_bytes() == b"first"


def test_a_copy_that_breaks_leaves_no_half_file(workspace):
    broken = SimpleNamespace(name="a.csv", file_id="f1", seek=int, read=lambda size: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        uploads.copied(workspace, broken)
    assert not [path for path in (workspace.home / "uploads").rglob("*") if path.is_file()]


def test_copies_that_no_session_showed_for_a_day_go_and_others_stay(workspace):
    old, shown_again, new = (uploads.copied(workspace, upload("a.csv", file_id=id)) for id in ("old", "again", "new"))
    two_days_ago = time.time() - 2 * 86_400
    for path in (old, shown_again):
        os.utime(path.parent, (two_days_ago, two_days_ago))
    uploads.copied(workspace, upload("a.csv", file_id="again"))
    uploads.remove_abandoned(workspace)
    assert [path.exists() for path in (old, shown_again, new)] == [False, True, True]


def test_removing_takes_the_copies_that_are_named(workspace):
    first, second = (uploads.copied(workspace, upload("a.csv", file_id=id)) for id in ("f1", "f2"))
    uploads.remove([first])
    assert (first.parent.exists(), second.exists()) == (False, True)


def test_an_id_that_a_browser_made_up_is_no_path(workspace):
    kept = workspace.home / "datasets" / "one"
    kept.mkdir(parents=True)
    copy = uploads.copied(workspace, upload("a.csv", file_id=".."))
    assert copy.parent.parent == workspace.home / "uploads"
    uploads.remove([copy])
    assert kept.exists()
