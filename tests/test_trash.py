import os
import time

import pytest

from dssm_core import trash
from dssm_core.config import Config
from dssm_core.deleting import delete
from dssm_core.errors import UserError
from dssm_core.processes import held_lock
from dssm_core.runs import describe_run, write_status
from dssm_core.stored_files import write_json
from dssm_core.workspace import Workspace, load_dataset
from tests.datasets import save_dataset

DAY = 24 * 3600


@pytest.fixture
def workspace(tmp_path, tasteful_dataset):
    """With a dataset "d1", a run "r1" that failed and a sweep "s1" that was cancelled."""
    workspace = Workspace(tmp_path / "home", bundled=None)
    save_dataset(workspace, "d1", tasteful_dataset)
    describe_run(workspace.new_run_folder("r1"), "d1", Config(), "mine", "")
    write_status(workspace.run_folder("r1"), "failed", "it was only a test")
    sweep = workspace.new_sweep_folder("s1")
    write_status(sweep, "cancelled")
    write_json(sweep / "sweep.json", {"dataset": "d1", "name": "", "presets": [], "positives": 1, "jobs": 1}
        | {"created": 0.0, "planned": [{"preset": "in_batch", "seed": 0, "config": {}, "positives": 1}]})  # fmt: skip
    return workspace


def names(workspace):
    """The ids of all that is there, and of all that can be restored."""
    listed = (workspace.home.glob(f"{kind}/[!.]*") for kind in trash.KINDS)
    return {path.name for paths in listed for path in paths}, {one.id for one in workspace.deleted()}


@pytest.mark.parametrize(("name", "kind"), [("d1", "dataset"), ("r1", "run"), ("s1", "sweep")])
def test_what_is_deleted_is_gone_and_comes_back_as_it_was(workspace, name, kind):
    before = {path: path.read_bytes() for path in workspace.home.rglob("*") if path.is_file()}
    assert delete(workspace, name) == kind
    assert names(workspace) == ({"d1", "r1", "s1"} - {name}, {name})
    restored = workspace.restore(name)
    assert (restored.id, restored.kind) == (name, f"{kind}s")
    assert names(workspace) == ({"d1", "r1", "s1"}, set())
    assert {path: path.read_bytes() for path in workspace.home.rglob("*") if path.is_file()} == before


def test_a_dataset_that_was_restored_can_be_read(workspace, tasteful_dataset):
    delete(workspace, "d1")
    workspace.restore("d1")
    assert len(load_dataset(workspace, "d1").exposures) == len(tasteful_dataset.exposures)


@pytest.mark.parametrize("name", ["d1", "r1", "s1"])
def test_what_is_deleted_for_good_cannot_be_restored(workspace, name):
    delete(workspace, name, for_good=True)
    assert names(workspace) == ({"d1", "r1", "s1"} - {name}, set())
    with pytest.raises(UserError, match=f"unknown deleted dataset, run or sweep '{name}': there is none to name"):
        workspace.restore(name)


def test_what_was_deleted_before_can_be_deleted_for_good(workspace):
    delete(workspace, "r1")
    assert delete(workspace, "r1", for_good=True) == "run"
    assert workspace.deleted() == []
    assert not list(workspace.home.glob("runs/.deleted/*"))


def test_an_id_that_is_nowhere_is_named(workspace):
    for for_good in (False, True):
        with pytest.raises(UserError, match=r"unknown id '\.\.'"):
            delete(workspace, "..", for_good)
    delete(workspace, "r1")
    with pytest.raises(UserError, match="unknown deleted dataset, run or sweep 'r2': one of r1"):
        workspace.restore("r2")


def test_a_restore_never_replaces_what_was_made_under_the_same_id_meanwhile(workspace):
    delete(workspace, "r1")
    describe_run(workspace.new_run_folder("r1"), "d1", Config(), "another", "")
    with pytest.raises(UserError, match="run r1 cannot be restored: there is another of that id"):
        workspace.restore("r1")
    assert '"another"' in (workspace.home / "runs" / "r1" / "config.json").read_text()
    delete(workspace, "r1")
    workspace.restore("r1")
    assert '"another"' in (workspace.home / "runs" / "r1" / "config.json").read_text(), "the later one"


def test_what_was_deleted_over_a_week_ago_goes_for_good_at_the_next_delete_and_not_before(workspace):
    delete(workspace, "r1")
    delete(workspace, "s1")
    for name, days in (("runs/.deleted/r1", 7.1), ("sweeps/.deleted/s1", 6.9)):
        os.utime(workspace.home / name, times=(time.time() - days * DAY,) * 2)
    assert {one.id for one in workspace.deleted()} == {"r1", "s1"}
    delete(workspace, "d1")
    assert {one.id for one in workspace.deleted()} == {"s1", "d1"}


def test_a_run_at_work_is_not_deleted(workspace):
    write_status(workspace.run_folder("r1"), "running")
    with held_lock(workspace.run_folder("r1")), pytest.raises(UserError, match="r1 is at work: cancel it first"):
        delete(workspace, "r1")
    assert names(workspace) == ({"d1", "r1", "s1"}, set())


def test_a_folder_whose_start_was_killed_can_be_deleted(workspace):
    workspace.new_run_folder("half")
    assert delete(workspace, "half") == "run"
    assert names(workspace) == ({"d1", "r1", "s1"}, {"half"})


def test_a_link_is_deleted_and_not_what_it_leads_to(workspace, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (workspace.home / "datasets" / "link").symlink_to(tmp_path / "elsewhere")
    for for_good in (False, True):
        delete(workspace, "link", for_good)
    assert (tmp_path / "elsewhere" / "kept").exists()
    assert names(workspace) == ({"d1", "r1", "s1"}, set())


def test_a_kind_on_another_disk_keeps_there_what_is_deleted(workspace, tmp_path):
    disk = (workspace.home / "runs").rename(tmp_path / "disk")
    (workspace.home / "runs").symlink_to(disk)
    delete(workspace, "r1")
    assert [path.parent.resolve().is_relative_to(disk) for path in tmp_path.rglob("r1")] == [True]
    workspace.restore("r1")
    assert (disk / "r1" / "config.json").exists()


@pytest.mark.parametrize("leads_to", ["{folder}/r1", "../../r1", "nowhere"])
def test_a_link_comes_back_as_it_was_wherever_it_leads_to(workspace, tmp_path, leads_to):
    link = workspace.home / "runs" / "r1"
    link.rename(tmp_path / "r1")
    link.symlink_to(leads_to.format(folder=tmp_path))
    delete(workspace, "r1")
    assert names(workspace) == ({"d1", "s1"}, {"r1"})
    workspace.restore("r1")
    assert str(link.readlink()) == leads_to.format(folder=tmp_path)
    assert (tmp_path / "r1" / "config.json").exists()


def test_a_disk_that_has_no_room_for_a_move_is_told_with_the_way_out(workspace):
    (workspace.home / "runs" / ".deleted").touch()
    with pytest.raises(UserError, match=r"cannot move .*r1 to .*delete it for good .*--for-good r1"):
        delete(workspace, "r1")
    delete(workspace, "r1", for_good=True)
    assert names(workspace) == ({"d1", "s1"}, set())


def test_an_old_run_is_never_among_what_is_too_old_once_it_is_deleted(workspace, monkeypatch):
    os.utime(workspace.run_folder("r1"), (time.time() - 30 * DAY,) * 2)
    renamed, rename = [], os.rename

    def noted(path, to):
        renamed.append(path.stat().st_mtime)
        return rename(path, to)

    monkeypatch.setattr(type(workspace.home), "rename", noted)
    delete(workspace, "r1")
    assert time.time() - renamed[-1] < DAY
    assert [one.id for one in workspace.deleted()] == ["r1"]
