import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dssm_core.errors import UserError
from dssm_core.stored_files import delete_folder, make_folder, whole_folder, write_json, written


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "status.json"
    write_json(path, {"state": "queued"})
    with pytest.raises(RuntimeError), written(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"state": "queued"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "status.json"
    with (
        pytest.raises(UserError, match=r"cannot write .*status\.json: No space left on device; free space"),
        written(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_from_elsewhere_that_breaks_a_write_is_not_blamed_on_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), written(tmp_path / "table"):
        Path("/nowhere/log.txt").read_text()


def test_a_file_and_then_its_folder_are_forced_to_the_disk(tmp_path, monkeypatch):
    folders = []
    monkeypatch.setattr(os, "fsync", lambda number: folders.append(stat.S_ISDIR(os.fstat(number).st_mode)))
    write_json(tmp_path / "a.json", 1)
    assert folders == [False, True]


def test_a_folder_is_seen_when_it_is_whole_and_not_before(tmp_path):
    with whole_folder(tmp_path / "kept") as hidden:
        (hidden / "table").write_text("rows")
        assert not (tmp_path / "kept").exists()
    assert (tmp_path / "kept" / "table").read_text() == "rows"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_could_not_be_filled_is_gone(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "lost") as hidden:
        (hidden / "table").write_text("rows")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_another_fills_stays(tmp_path):
    script = (
        "import os, pathlib, sys; from dssm_core.stored_files import whole_folder\n"
        "with whole_folder(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], cwd=Path(__file__).parents[1])
    assert [path.name for path in tmp_path.iterdir()] == [".new-killed"]
    with whole_folder(tmp_path / "one"), whole_folder(tmp_path / "two"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".new-one", ".new-two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_deleting_a_link_leaves_what_it_points_at(tmp_path):
    elsewhere = make_folder(tmp_path / "elsewhere")
    (elsewhere / "mine").touch()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(elsewhere)
    delete_folder(tmp_path / "runs" / "link")
    assert (elsewhere / "mine").exists()
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("make", [make_folder, lambda folder: whole_folder(folder).__enter__()])
def test_a_folder_below_a_file_is_told(tmp_path, make):
    (tmp_path / "runs").touch()
    with pytest.raises(UserError, match=r"cannot make .*choose another --home"):
        make(tmp_path / "runs" / "one")
