"""A workspace at a URL: in memory, which this process alone sees, and in a folder that is reached through fsspec."""

import signal
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

from dssm_core import child, remote_home
from dssm_core.cli import main
from dssm_core.config import with_settings
from dssm_core.errors import Damaged, UserError
from dssm_core.manifest import read_sealed, write_sealed
from dssm_core.presets import find_preset
from dssm_core.runs import describe_run, list_runs, open_run
from dssm_core.sweeps import Engine, start_sweep
from dssm_core.workspace import Workspace, load_dataset
from tests.conftest import QUICK
from tests.datasets import save_dataset

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def listed_at_once(monkeypatch):
    monkeypatch.setattr(remote_home, "_LISTED_SECONDS", 0.0)


@pytest.fixture(params=["memory", "local"])
def url(request, tmp_path):
    """Where a workspace is to be."""
    yield f"local://{tmp_path / 'far'}" if request.param == "local" else f"memory://{tmp_path.name}/lab"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def machine(tmp_path, monkeypatch, url):
    """Makes the workspace as a machine of some name sees it, which knows nothing but the URL."""

    def made(name):
        monkeypatch.setenv("DSSM_CACHE", str(tmp_path / name))
        return Workspace(url, bundled=None)

    return made


def files_at(url):
    files, root = fsspec.core.url_to_fs(url)
    return files, sorted(path.removeprefix(root).lstrip("/") for path in files.find(root))


def test_a_dataset_made_on_one_machine_is_listed_and_read_on_another(machine, url, tasteful_dataset):
    here, there = machine("here"), machine("there")
    folder = save_dataset(here, "tasty", tasteful_dataset)
    assert files_at(url)[1] == sorted(f"datasets/tasty/{path.name}" for path in folder.iterdir())
    (listed,) = there.datasets()
    assert (listed["id"], listed["users"], listed["bundled"]) == ("tasty", 300, False)
    assert not there.home.exists()
    loaded = load_dataset(there, "tasty")
    np.testing.assert_array_equal(loaded.exposures.user, tasteful_dataset.exposures.user)
    assert loaded.users.equals(tasteful_dataset.users) and there.home != here.home
    assert [one["id"] for one in there.datasets()] == [one["id"] for one in here.datasets()] == ["tasty"]


def test_the_manifest_is_published_last(machine, url, tasteful_dataset, monkeypatch):
    kind, put = type(fsspec.core.url_to_fs(url)[0]), []
    put_file = kind.put_file

    def noted(self, source, target):
        put.append(source)
        return put_file(self, source, target)

    monkeypatch.setattr(kind, "put_file", noted)
    save_dataset(machine("here"), "tasty", tasteful_dataset)
    names = [Path(source).name for source in put]
    assert len(names) == 5 and names[-1] == "manifest.json" and "manifest.json" not in names[:-1]


def test_what_is_half_published_is_not_there(machine, url, tasteful_dataset):
    save_dataset(machine("here"), "tasty", tasteful_dataset)
    files, root = fsspec.core.url_to_fs(url)
    files.rm_file(f"{root.rstrip('/')}/datasets/tasty/manifest.json")
    there = machine("there")
    assert there.datasets() == []
    with pytest.raises(UserError, match="unknown dataset 'tasty'"):
        there.dataset_folder("tasty")


def test_what_was_changed_at_the_url_is_told_and_not_kept(machine, url, tasteful_dataset):
    save_dataset(machine("here"), "tasty", tasteful_dataset)
    files, root = fsspec.core.url_to_fs(url)
    path = f"{root.rstrip('/')}/datasets/tasty/users.parquet"
    files.pipe_file(path, files.cat_file(path)[:-1] + b"x")
    there = machine("there")
    with pytest.raises(Damaged, match=r"users\.parquet is not as it was written"):
        load_dataset(there, "tasty")
    assert not list((there.home / "datasets").glob("*tasty"))


def test_a_manifest_that_names_a_file_elsewhere_brings_nothing(machine, url, tmp_path, tasteful_dataset):
    manifest = read_sealed(save_dataset(machine("here"), "tasty", tasteful_dataset) / "manifest.json")
    manifest["files"]["../../../stolen"] = manifest["files"]["users.parquet"]
    write_sealed(tmp_path / "manifest.json", manifest)
    files, root = fsspec.core.url_to_fs(url)
    files.put_file(str(tmp_path / "manifest.json"), f"{root.rstrip('/')}/datasets/tasty/manifest.json")
    with pytest.raises(Damaged, match=r"names a file '\.\./\.\./\.\./stolen'"):
        load_dataset(machine("there"), "tasty")
    assert not list(tmp_path.rglob("stolen"))


def test_a_dataset_is_deleted_at_the_url_too(machine, url, tasteful_dataset):
    here = machine("here")
    save_dataset(here, "tasty", tasteful_dataset)
    here.delete_dataset("tasty")
    assert here.datasets() == machine("there").datasets() == [] and files_at(url)[1] == []


def test_a_run_that_its_process_finishes_is_found_on_another_machine(machine, url, tasteful_dataset):
    here = machine("here")
    save_dataset(here, "tasty", tasteful_dataset)
    folder = here.new_run_folder("taught")
    describe_run(folder, "tasty", with_settings(find_preset("in_batch").config, QUICK), "taught", "in_batch")
    before = signal.getsignal(signal.SIGTERM)
    assert child.main(url, "taught") == 0
    signal.signal(signal.SIGTERM, before)
    there = machine("there")
    assert {run.id for run in list_runs(there)} == {run.id for run in list_runs(here)} > {"taught"}
    assert open_run(there, "taught").metrics() == open_run(here, "taught").metrics()


def test_what_could_not_be_published_is_kept_and_can_be_published_again(
    machine, url, tasteful_dataset, monkeypatch, capsys
):
    here, files = machine("here"), fsspec.core.url_to_fs(url)[0]
    with monkeypatch.context() as broken:
        broken.setattr(type(files), "put_file", lambda *arguments: 1 / 0)
        with pytest.raises(
            UserError, match=r"cannot be used: division by zero; dataset tasty is whole in .*`publish tasty`"
        ):
            save_dataset(here, "tasty", tasteful_dataset)
    assert files_at(url)[1] == []
    assert main(["publish", "tasty", "--home", url]) == 0
    assert f"published: tasty\nat: {url}" in capsys.readouterr().out
    assert [one["id"] for one in machine("there").datasets()] == ["tasty"]


def test_a_sweep_on_a_cluster_needs_a_folder_that_is_shared(machine, tasteful_dataset):
    here = machine("here")
    save_dataset(here, "tasty", tasteful_dataset)
    with pytest.raises(UserError, match="a sweep on Ray needs a workspace in a folder that all machines share"):
        start_sweep(here, "tasty", ["in_batch"], 1, engine=Engine(kind="ray"))


@pytest.mark.parametrize(
    ("home", "message"),
    [
        (
            "s3://user:secret@bucket/lab",
            "the workspace s3://bucket/lab needs a package that is not installed: Install s3fs",
        ),
        ("nothing://lab", "the workspace nothing://lab cannot be used: Protocol not known: nothing"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_in_a_sentence(home, message, capsys):
    assert main(["datasets", "--home", home]) == 2
    out, err = capsys.readouterr()
    assert message in err and "secret" not in err and err.count("\n") == 1 and not out


def test_a_url_of_a_folder_is_the_folder(tmp_path):
    workspace = Workspace(f"file://{tmp_path}", bundled=None)
    assert (workspace.home, workspace.place, workspace.remote) == (tmp_path, str(tmp_path), None)


def test_a_workspace_in_a_folder_needs_no_fsspec():
    script = "import sys; from dssm_core.workspace import Workspace; Workspace('x'); print('fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_one_that_is_damaged_at_the_url_leaves_the_others_to_be_listed(machine, url, tasteful_dataset, capsys):
    here, there = machine("here"), machine("there")
    save_dataset(here, "tasty", tasteful_dataset)
    files, _ = files_at(url)
    for kind in ("datasets", "runs"):
        files.makedirs(f"{here.remote._place(kind, 'bad')}", exist_ok=True)
        files.pipe_file(here.remote._place(kind, "bad", "manifest.json"), b"{")
    assert [one["id"] for one in there.datasets()] == ["tasty"]
    assert "dataset bad is damaged: manifest.json" in there.damaged_datasets()["bad"]
    assert there.run_folders() == []
    with pytest.raises(Damaged, match="run bad is damaged"):
        there.run_folder("bad")


def test_a_file_that_is_gone_at_the_url_is_named(machine, url, tasteful_dataset):
    here, there = machine("here"), machine("there")
    save_dataset(here, "tasty", tasteful_dataset)
    files, _ = files_at(url)
    files.rm_file(here.remote._place("datasets", "tasty", "users.parquet"))
    with pytest.raises(Damaged, match=r"dataset tasty is damaged: users\.parquet is not at "):
        load_dataset(there, "tasty")


@pytest.mark.parametrize("home", ["file://", "file://etc/x", "://x"])
def test_a_home_that_is_neither_folder_nor_url_is_refused(home):
    with pytest.raises(UserError, match="bad home"):
        Workspace(home)


def test_what_is_deleted_is_gone_at_the_url_too_and_restored_there(machine, url, tasteful_dataset):
    here = machine("here")
    save_dataset(here, "tasty", tasteful_dataset)
    published = files_at(url)[1]
    here.delete_dataset("tasty")
    assert files_at(url)[1] == []
    here.restore("tasty")
    assert files_at(url)[1] == published
    assert [one["id"] for one in machine("there").datasets()] == ["tasty"]


def test_notes_say_that_they_stay_on_this_machine(machine, url, capsys):
    here = machine("here")
    describe_run(here.new_run_folder("noted"), "tasty", find_preset("popular").config, "", "popular")
    assert main(["note", "noted", "--text", "mine", "--home", url]) == 0
    assert "kept: on this machine alone, not at the URL" in capsys.readouterr().out
