import ast
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dssm_core.errors import Damaged
from dssm_core.export import read_vectors
from dssm_core.manifest import check_whole, checked, holds, read_manifest, read_sealed, write_manifest, write_sealed
from dssm_core.runs import Run
from dssm_core.workspace import BUNDLED, Workspace, load_dataset
from tests.sealing import reseal

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "table").write_text("rows")
    (folder / "log.txt").write_text("not part of it")
    write_manifest(folder, name="mine")
    return folder


def test_a_whole_folder_is_read_with_its_facts(folder):
    check_whole(folder)
    manifest = read_manifest(folder)
    assert manifest["name"] == "mine" and set(manifest["files"]) == {"table"}
    assert holds(folder, "table") and not holds(folder, "log.txt")
    with checked(folder, "table") as path:
        assert path.read_text() == "rows"


def changed(path):
    path.write_text("rowS")


def lengthened(path):
    path.write_text("rows and more")


def linked(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def piped(path):
    path.unlink()
    os.mkfifo(path)


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (changed, "table is not as it was written"),
        (lengthened, "table has 13 bytes instead of 4"),
        (Path.unlink, "table is missing"),
        (linked, "table is a link"),
        (piped, "table is no file"),
        (replaced_by_a_folder, "table is no file"),
    ],
)
def test_a_damaged_file_is_told_with_what_to_do_and_not_opened(folder, damage, told):
    damage(folder / "table")
    with pytest.raises(Damaged, match=f"run one is damaged: {told}; delete it and train it again"):
        check_whole(folder)
    with pytest.raises(Damaged, match=told), checked(folder, "table"):
        pytest.fail("the file was opened")


def test_a_file_that_was_checked_is_checked_again_once_it_changed(folder):
    for name in ("table", "manifest.json"):
        os.utime(folder / name, (1, 1))
    check_whole(folder)
    times = (folder / "table").stat()
    changed(folder / "table")
    os.utime(folder / "table", ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(Damaged, match="table is not as it was written"):
        check_whole(folder)


def test_a_file_that_did_not_change_is_read_once(folder, monkeypatch):
    monkeypatch.setattr("dssm_core.manifest._SETTLED_NS", -1)
    check_whole(folder)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("read again"))
    check_whole(folder)


@pytest.mark.parametrize("place", range(0, 300, 7))
def test_any_changed_byte_of_a_manifest_is_noticed(folder, place):
    path = folder / "manifest.json"
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"manifest\.json"):
        check_whole(folder)


def test_a_folder_that_took_the_place_of_another_is_noticed(folder):
    moved = folder.rename(folder.with_name("two"))
    with pytest.raises(Damaged, match=r"run two is damaged: manifest\.json is that of runs/one"):
        check_whole(moved)


def test_a_folder_behind_a_link_is_not_read(folder, tmp_path):
    folder.rename(tmp_path / "one")
    folder.symlink_to(tmp_path / "one")
    with pytest.raises(Damaged, match="is a link, and only folders of the workspace itself are read"):
        read_manifest(folder)


def test_a_file_that_the_manifest_does_not_name_is_never_opened(folder):
    (folder / "users.npz").write_bytes(b"from elsewhere")
    assert read_vectors(Run(folder), "users") is None
    with pytest.raises(Damaged, match=r"users\.npz is not in the manifest"), checked(folder, "users.npz"):
        pass


def test_events_that_a_whole_run_lost_or_that_were_cut_are_told(folder):
    events = folder / "events.jsonl"
    assert Run(folder).events() == []
    events.write_text('{"type": "stage", "stage": "load"}\n{"type": "stage", "stage": "split"}\n')
    write_manifest(folder)
    assert len(Run(folder).events()) == 2
    events.write_text(events.read_text().splitlines()[0])
    with pytest.raises(Damaged, match=r"events\.jsonl has 34 bytes"):
        Run(folder).events()
    events.unlink()
    with pytest.raises(Damaged, match=r"events\.jsonl is missing"):
        Run(folder).events()


def test_a_sealed_dict_comes_back_and_a_missing_or_older_one_is_told(tmp_path):
    write_sealed(tmp_path / "a.json", {"rows": [1.5, "行"]})
    assert read_sealed(tmp_path / "a.json") == {"rows": [1.5, "行"]}
    (tmp_path / "old.json").write_text(json.dumps({"rows": []}))
    with pytest.raises(Damaged, match="was changed, or was written by an earlier version"):
        read_sealed(tmp_path / "old.json")


def test_the_bundled_demo_is_whole():
    for folder in BUNDLED.glob("*/*"):
        check_whole(folder)


VECTORS = {"rows": np.arange(3, dtype=np.int32), "vectors": np.ones((3, 2), np.float32)}


@pytest.mark.parametrize(
    "arrays",
    [
        {"rows": VECTORS["rows"]},
        {**VECTORS, "vectors": np.ones((3, 2))},
        {**VECTORS, "vectors": np.ones((4, 2), np.float32)},
        {**VECTORS, "vectors": np.full((3, 2), np.nan, np.float32)},
        {**VECTORS, "rows": np.array([None] * 3, object)},
    ],
)
def test_vectors_of_another_form_are_damage(folder, arrays):
    np.savez(folder / "users.npz", **arrays)
    write_manifest(folder)
    with pytest.raises(Damaged, match=r"users\.npz cannot be read"):
        read_vectors(Run(folder), "users")


def test_tables_that_do_not_fit_each_other_are_damage(trained, tmp_path):
    home = shutil.copytree(trained.home / "datasets", tmp_path / "home" / "datasets").parent
    (home / "datasets" / "tasty" / "users.parquet").write_bytes(
        (home / "datasets" / "tasty" / "articles.parquet").read_bytes()
    )
    with pytest.raises(Damaged, match="dataset tasty is damaged"):
        load_dataset(Workspace(reseal(home), bundled=None), "tasty")


def test_no_code_loads_an_index_from_a_file():
    """A wrong index file can kill the process that loads it: indexes are built from vectors that were checked."""
    for path in [
        ROOT / "app.py",
        *(path for part in ("dssm_core", "lab", "pages") for path in (ROOT / part).glob("*.py")),
    ]:
        calls = (
            node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        )
        called = {ast.unparse(name) for name in calls if isinstance(name, ast.Attribute) and name.attr in INDEX_LOADERS}
        assert called <= {"np.load", "json.load"}, f"{path.name} calls {called}"


INDEX_LOADERS = {"load", "read_index", "read_index_binary", "deserialize_index"}
"""Of Annoy and of FAISS."""
