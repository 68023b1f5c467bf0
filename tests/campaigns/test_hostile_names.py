"""Hostile names and paths in the file system: names are labels, and nothing outside the workspace is touched."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from dssm_core.config import Config
from dssm_core.errors import UserError
from dssm_core.export import export_run
from dssm_core.ingest import ingest
from dssm_core.runs import describe_run, open_run
from dssm_core.sweeps import open_sweep
from dssm_core.workspace import Workspace, load_dataset
from lab import loading, log_folder, uploads
from tests.campaigns import hostile
from tests.campaigns.size import cases

UPWARD = ("..", ".", "", "/", "\\", "..\\", "../", "~", "$HOME", "%2e%2e", "\u2215", "\uff0e\uff0e", "\u202e", "C:")
KNOWN = ("etc", "passwd", "manifest.json", "config.json", "runs", "datasets", "secret.txt", "con", "NUL", "етц")
STRANGE = ("*", "?", ";", " ", "`id`", "\0", "\n", "a" * 300)
PARTS = UPWARD + KNOWN + STRANGE
EXPORTED = {
    *("recall.parquet", "users.parquet", "articles.parquet", "articles.faiss", "articles.annoy", "article_ids.json"),
    *("user_embedding.jsonl", "article_embedding.jsonl", "recall_list.jsonl", "config.json", "README.md"),
}


def names(rng: np.random.Generator, n: int) -> list[str]:
    """`n` names made of what paths are made of."""
    made = []
    for _ in range(n):
        parts = [PARTS[place] for place in rng.integers(0, len(PARTS), rng.integers(1, 6))]
        made.append(["/", "", "\\"][rng.integers(3)].join(parts))
    return made


def snapshot(folder: Path) -> dict[str, str]:
    """Every path below a folder with a digest of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        held = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = hashlib.sha256(held).hexdigest()
    return found


@pytest.fixture(scope="module")
def around(tmp_path_factory) -> Path:
    """A folder with a workspace "home" in it, full of hostile texts, and files beside it that are to stay."""
    folder = tmp_path_factory.mktemp("around")
    hostile.workspace(folder / "home", hostile.texts(np.random.default_rng(5), 25))
    (folder / "logs").mkdir()
    for name in ("manifest.json", "config.json", "logs/log.csv", "secret.txt"):
        (folder / name).write_text("{}", encoding="utf-8")
    (folder / "logs" / "link.csv").symlink_to(folder / "secret.txt")
    return folder


def test_no_name_reaches_what_it_does_not_name(around):
    space, before = Workspace(around / "home", bundled=None), snapshot(around)
    for number, name in enumerate(names(np.random.default_rng(1), cases(100, 1000))):
        for asked in (
            space.dataset_folder,
            space.run_folder,
            space.sweep_folder,
            space.delete_dataset,
            space.delete_run,
            space.delete_sweep,
            lambda name: open_run(space, name),
            lambda name: open_sweep(space, name),
            lambda name: load_dataset(space, name),
        ):
            with pytest.raises(UserError):
                asked(name)
                pytest.fail(f"name {number}, {name!r}, was taken")
        assert loading.left_out(space, [], [], [name])[0][0].startswith("Run ")
    assert snapshot(around) == before


def test_no_typed_path_leads_out_of_the_folder_of_logs(around):
    folder = (around / "logs").resolve()
    for number, name in enumerate([*names(np.random.default_rng(2), cases(100, 1000)), "link.csv", str(around)]):
        try:
            path = log_folder.path_within(folder, name)
        except UserError:
            continue
        assert path.is_relative_to(folder) and path != (around / "secret.txt"), f"name {number}, {name!r}"


def test_no_name_of_an_upload_is_a_path(around):
    space = Workspace(around / "home", bundled=None)
    before = snapshot(around)
    for number, name in enumerate(names(np.random.default_rng(3), cases(100, 1000))):
        copies = [uploads.copied(space, upload(name, f"id{number}")), uploads.copied(space, upload("a.csv", name))]
        for path in copies:
            assert path.resolve().parent.parent == (around / "home" / "uploads").resolve(), f"name {number}, {name!r}"
            assert path.name in {f"upload{ending}" for ending in uploads.SUFFIXES}
        uploads.remove(copies)
    (around / "home" / "uploads").rmdir()
    assert snapshot(around) == before


def upload(name: str, file_id: str) -> io.BytesIO:
    file = io.BytesIO(b"user_id,article_id\nu,a\n")
    file.name, file.file_id = name, file_id
    return file


def test_names_are_kept_as_labels_alone(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("user_id,article_id\nu,a\n", encoding="utf-8")
    space = Workspace(tmp_path / "home", bundled=None)
    for name in names(np.random.default_rng(4), cases(5, 50)):
        made = ingest(space, "generic", log, name=name)["dataset"]
        folder = space.new_run_folder(made)
        describe_run(folder, made, Config(), name, "in_batch")
        assert open_run(space, made).name == name
        assert {dataset["name"] for dataset in space.datasets() if dataset["id"] == made} == {name or "log.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {"home", "log.csv"}
    assert {path.name for path in (tmp_path / "home").iterdir()} <= {"datasets", "runs"}
    assert all(folder.name.replace("-", "").isalnum() for folder in (tmp_path / "home").glob("*/*"))


def test_an_export_names_its_files_itself(around, tmp_path):
    space = Workspace(around / "home", bundled=None)
    run = open_run(space, hostile.TRAINED)
    files = export_run(run, load_dataset(space, run.dataset), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in files} <= EXPORTED
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "evil" not in readme and run.name not in readme
