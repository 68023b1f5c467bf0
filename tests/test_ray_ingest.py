"""Ingest on a real Ray cluster of two nodes: the dataset of one machine, whatever becomes of a node."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import psutil
import pytest

from dssm_core import ingest_stages, ray_cluster
from dssm_core.cli import main
from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace
from tests.dirty_parts import write_parts
from tests.ray_nodes import NODE, lose, two_nodes
from tests.same_dataset import assert_same_dataset

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch):
    monkeypatch.setattr(ingest_stages, "_LEAST_ROWS", 1 << 10)


def left_in(workspace):
    return sorted(path.name for path in (workspace.home / "datasets").iterdir())


def at_work(node):
    """A process of a node that is cleaning a part, stopped while it does; None where there is none."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in raylet.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.suspend()
            if any("/scratch/.rows-" in file.path for file in process.open_files()):
                return process
            process.resume()
    return None


def lose_at_work(cluster, node):
    """Kill a node while it cleans a part; what the head cleans meanwhile is held up, or it might clean them all."""
    held = None
    while not at_work(node):
        held = held or at_work(cluster.head_node)
    lose(cluster, node)
    if held:
        held.resume()


def test_a_log_in_parts_becomes_the_dataset_of_one_machine(tmp_path, workspace, cluster, monkeypatch):
    told = write_parts(tmp_path, "yidian")
    here, seen = ingest(workspace, **told), []
    monkeypatch.chdir(tmp_path)
    told["exposures"] = Path("logs") / "part-*"
    there = ingest(
        workspace, **told, engine="ray", address=cluster.address, name="logs", progress=lambda *done: seen.append(done)
    )
    assert len(list(workspace.dataset_folder(there["dataset"]).glob("exposures-*.parquet"))) > 3
    assert_same_dataset(workspace, here, there)
    assert seen == sorted(seen) and len(set(seen)) > 12 and seen[-1][0] == seen[-1][1]


def test_a_node_lost_in_the_middle_loses_nothing_and_doubles_nothing(tmp_path, workspace, cluster):
    told = write_parts(tmp_path, "parquet", parts=6, rows=20_000)
    accident = Thread(target=lose_at_work, args=(cluster, cluster.worker_nodes.copy().pop()), daemon=True)
    accident.start()
    there = ingest(workspace, **told, engine="ray", address=cluster.address)
    accident.join(30)
    assert not accident.is_alive(), "no part was ever cleaned on the node that was to be lost"
    cluster.add_node(num_cpus=1, object_store_memory=NODE["object_store_memory"])
    assert_same_dataset(workspace, ingest(workspace, **told), there)


def test_what_is_wrong_with_a_part_is_told_as_on_one_machine_and_nothing_is_left(tmp_path, workspace, cluster):
    told = write_parts(tmp_path, "parquet", parts=3)
    damaged = tmp_path / "logs" / "part-1.parquet"
    content = bytearray(damaged.read_bytes())
    content[60:2000] = bytes(1940)
    damaged.write_bytes(content)
    with pytest.raises(UserError) as here:
        ingest(workspace, **told)
    with pytest.raises(UserError) as there:
        ingest(workspace, **told, engine="ray", address=cluster.address)
    assert str(here.value) == str(there.value) and str(damaged) in str(there.value)
    assert left_in(workspace) == []


def test_the_command_line_ends_cleanly_in_the_middle(tmp_path, workspace, cluster):
    told = write_parts(tmp_path, "csv", parts=3, rows=20_000)
    command = ["ingest", "--format", "generic", "--exposures", told["exposures"], "--home", workspace.home]
    child = subprocess.Popen(
        [sys.executable, "-m", "dssm_core", *command, "--engine", "ray", "--address", cluster.address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 60
    while not list(workspace.home.glob("datasets/.new-*/scratch/.rows-*")):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < end
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM
    assert left_in(workspace) == []
    assert not out and b"Traceback" not in err, err.decode()


def test_what_of_ray_asks_something_after_a_job_connects_to_nothing(cluster):
    with ray_cluster.connected(cluster.address) as ray:
        assert ray.nodes()
    with pytest.raises(ray.exceptions.RaySystemError, match="has not been started"):
        ray.nodes()
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "spark"], "unknown engine 'spark': one of local, ray"),
        (["--address", "auto"], "for the engine ray alone"),
        (["--engine", "ray"], "needs Ray, which is not installed: pip install -r requirements-ray.txt"),
    ],
)
def test_an_engine_that_cannot_be_had_is_refused_before_anything_is_read(
    tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    told = ["ingest", "--format", "generic", "--exposures", "gone.csv", "--home", str(tmp_path / "home")]
    assert main([*told, *options]) == 2
    out, err = capsys.readouterr()
    assert message in err and not out and err.count("\n") == 1
    assert not (tmp_path / "home").exists()
