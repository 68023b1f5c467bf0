import json
import os

import pytest

from dssm_core.errors import UserError
from dssm_core.manifest import check_whole, write_manifest
from dssm_core.notes import MOST_CHARACTERS, MOST_OF_A_TAG, MOST_TAGS, Notes, read_notes, write_notes
from dssm_core.runs import Run

# the run itself is whole: nothing of it need be made anew
UNREADABLE = Notes(damage="the notes of run noted cannot be read, and are kept as notes.damaged.json beside new ones")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "noted"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return Run(folder)


def test_a_run_that_nobody_wrote_about_has_no_notes(run):
    assert read_notes(run) == Notes()


def test_notes_come_back_as_they_were_written_and_replace_those_before(run):
    write_notes(run, "first", ["a"])
    written = write_notes(run, "  *kept*, with\ntwo lines 好 ", ["paper", " to  keep ", "paper", " "])
    assert written == read_notes(run) == Notes(text="*kept*, with\ntwo lines 好", tags=["paper", "to keep"])


def test_notes_are_no_part_of_what_a_manifest_seals(run):
    write_notes(run, "before", [])
    write_manifest(run.folder)
    write_notes(run, "and after", ["late"])
    check_whole(run.folder)
    assert "notes.json" not in json.loads((run.folder / "manifest.json").read_text())["files"]


def test_notes_that_are_too_long_or_too_many_are_refused_and_the_old_ones_stay(run):
    write_notes(run, "a" * MOST_CHARACTERS, [str(number) for number in range(MOST_TAGS)])
    for text, tags, told in (
        ("a" * (MOST_CHARACTERS + 1), [], "2,001 characters is too long: write up to 2,000"),
        ("", [str(number) for number in range(MOST_TAGS + 1)], "21 tags are too many"),
        ("", ["a" * (MOST_OF_A_TAG + 1)], "is too long: write up to 40 characters"),
    ):
        with pytest.raises(UserError, match=told):
            write_notes(run, text, tags)
    assert len(read_notes(run).tags) == MOST_TAGS


@pytest.mark.parametrize("content", ["", "{", "[]", '{"text": 1}', '{"tags": "a"}', '{"tags": ["' + "a" * 99 + '"]}'])
def test_damaged_notes_are_told_and_kept_beside_those_that_take_their_place(run, content):
    (run.folder / "notes.json").write_text(content)
    assert read_notes(run) == UNREADABLE
    write_notes(run, "new", [])
    write_notes(run, "newer", [])
    assert read_notes(run) == Notes(text="newer")
    assert (run.folder / "notes.damaged.json").read_text() == content
    write_manifest(run.folder)
    (run.folder / "notes.damaged.json").unlink()
    check_whole(run.folder)


def test_damaged_notes_stay_where_new_ones_are_refused(run):
    (run.folder / "notes.json").write_text("{")
    with pytest.raises(UserError, match="is too long"):
        write_notes(run, "a" * (MOST_CHARACTERS + 1), [])
    assert (run.folder / "notes.json").read_text() == "{"


def test_notes_that_are_a_link_or_a_pipe_are_told_and_never_followed(run, tmp_path):
    (tmp_path / "secret.json").write_text('{"text": "secret"}')
    (run.folder / "notes.json").symlink_to(tmp_path / "secret.json")
    assert read_notes(run) == UNREADABLE
    (run.folder / "notes.json").unlink()
    os.mkfifo(run.folder / "notes.json")
    assert read_notes(run) == UNREADABLE


def test_bundled_runs_take_no_notes(run):
    with pytest.raises(UserError, match="ships with the project and takes no notes"):
        write_notes(Run(run.folder, bundled=True), "mine", [])
    assert read_notes(run) == Notes()
