"""The same jobs on a real Ray cluster of two nodes: as on one machine, whatever becomes of a node."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dssm_core import ray_cluster
from dssm_core.answers import evaluate_run, recall_everybody
from dssm_core.config import IndexConfig, with_settings
from dssm_core.errors import UserError
from dssm_core.indexes import INDEXES
from dssm_core.processes import process_number
from dssm_core.ray_recall import shared_out
from dssm_core.retrieval import VectorRecommender
from dssm_core.runs import open_run
from dssm_core.sweeps import Engine, cancel_sweep, start_sweep
from dssm_core.workspace import Workspace
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.ray_nodes import lose, two_nodes
from tests.real_runs import log, lost_epochs, measured, session, wait, wait_for_event, wait_until_gone

ROOT = Path(__file__).parents[1]
SETTINGS = [setting for setting in QUICK if not setting.startswith("train.epochs")]


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def workspace(tasteful_dataset, tmp_path):
    workspace = Workspace(tmp_path, bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


def swept(workspace, presets, seeds, positives, engine):
    return start_sweep(workspace, "tasty", presets, seeds, settings=SETTINGS, positives=positives, engine=engine)


def unit_rows(rng, n, dim=8):
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def stored(run):
    """All that a finished run holds but its ids, its times and what it was told on the way."""
    arrays = {name: dict(np.load(run.folder / f"{name}.npz")) for name in ("users", "articles", "weights")}
    return measured(run), arrays, [run.recall(), run.held_out(), run.per_user()]


def assert_same(one, other):
    (metrics, arrays, frames), (other_metrics, other_arrays, other_frames) = one, other
    assert metrics == other_metrics
    for name, held in arrays.items():
        assert held.keys() == other_arrays[name].keys()
        assert all(np.array_equal(held[key], other_arrays[name][key]) for key in held), name
    for frame, other_frame in zip(frames, other_frames, strict=True):
        pd.testing.assert_frame_equal(frame, other_frame)


def test_a_sweep_on_ray_is_that_of_one_machine_even_where_a_node_is_lost(workspace, cluster):
    seeds, positives = 2, 150_000
    here = swept(workspace, ["in_batch"], seeds, positives, Engine())
    wait(here, "finished")
    there = swept(workspace, ["in_batch"], seeds, positives, Engine(kind="ray", address=cluster.address))
    wait(there, "running")
    begun = [plan["run"] for plan in _started(there, 2)]
    for run_id in begun:
        wait_for_event(open_run(workspace, run_id), "epoch", 2)
    lose(cluster, cluster.worker_nodes.copy().pop())
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    assert wait(there, "finished").stage == "2 of 2 runs"
    assert len(there.runs()) == len({run.config.seed for run in there.runs()}) == seeds
    lost = [lost_epochs(run) for run in there.runs()]
    assert max(lost) <= 1, lost
    assert sum(_resumed(run) for run in there.runs()) == 1
    for one, other in zip(here.runs(), there.runs(), strict=True):
        assert_same(stored(one), stored(other))


def _started(sweep, count):
    """The plans of a sweep whose runs are there, once there are some."""
    end = time.monotonic() + 120
    while len(sweep.runs()) < count:
        assert time.monotonic() < end, log(sweep)
        time.sleep(0.05)
    known = {run.id for run in sweep.runs()}
    return [plan for plan in sweep.planned if plan["run"] in known]


def _resumed(run):
    """Whether a run was begun more than once."""
    return sum(event["type"] == "stage" and event["stage"] == "load" for event in run.events()) > 1


def test_a_cancelled_sweep_leaves_nothing_at_work_on_a_cluster_of_its_own(workspace):
    sweep = swept(workspace, ["in_batch"], 3, 3_000_000, Engine(kind="ray"))
    run_ids = [plan["run"] for plan in _started(sweep, 2)]
    for run_id in run_ids:
        wait_for_event(open_run(workspace, run_id), "train")
    number = process_number(sweep.folder)
    cancel_sweep(sweep)
    assert sweep.state().state == json.loads((sweep.folder / "status.json").read_text())["state"] == "cancelled"
    assert session(number) == []
    for run in sweep.runs():
        wait_until_gone(run.folder)
        assert run.state().state == "cancelled"
    assert len(sweep.runs()) == 2


def test_a_sweep_that_no_node_has_room_for_says_so(workspace, cluster):
    sweep = swept(workspace, ["in_batch"], 1, 1000, Engine(kind="ray", address=cluster.address, cpus=64))
    assert "no node of the cluster has 64 CPUs and 0 GPUs" in wait(sweep, "failed").reason


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_a_run_evaluated_by_workers_has_the_very_metrics_of_one_machine(trained, cluster, kind):
    run = open_run(trained, "taught")
    config = with_settings(run.config, [f"index.kind={kind}"])
    here = evaluate_run(trained, run, config)
    there = evaluate_run(trained, run, config, lambda one: shared_out(one, cluster.address))
    assert there.metrics == here.metrics and there.segments == here.segments
    pd.testing.assert_frame_equal(there.recall(), here.recall())
    pd.testing.assert_frame_equal(there.held_out, here.held_out)


def test_ranks_among_articles_of_equal_vectors_are_those_of_one_machine(cluster, rng):
    vectors = np.tile(unit_rows(rng, 1_000), (20, 1))[rng.permutation(20_000)]
    index = INDEXES["exact"](vectors, IndexConfig())
    pool = np.arange(1, 20_001, dtype=np.int32)
    here = VectorRecommender(unit_rows(rng, 801), pool, vectors, index, None, 20_001)
    users, articles = np.repeat(np.arange(1, 801, dtype=np.int32), 3), rng.choice(pool, 2_400)
    with shared_out(here, cluster.address) as there:
        for one, other in zip(here.exact(users, articles), there.exact(users, articles), strict=True):
            assert np.array_equal(one, other)


def test_what_breaks_in_a_worker_is_told_in_a_sentence(cluster, rng):
    users, pool, vectors = unit_rows(rng, 3), np.arange(1, 51, dtype=np.int32), unit_rows(rng, 50)
    here = VectorRecommender(users, pool, vectors, INDEXES["exact"](vectors, IndexConfig()), None, 51)
    with (
        shared_out(here, cluster.address) as there,
        pytest.raises(UserError, match="Ray cluster broke off: index 7 is"),
    ):
        there.recall(np.array([7], np.int32), 5)


def test_the_lists_of_everybody_are_the_same_by_workers(trained, cluster, tmp_path):
    run, files = open_run(trained, "taught"), [tmp_path / "here.parquet", tmp_path / "there.parquet"]
    told = recall_everybody(trained, run, 20, files[0])
    recall_everybody(trained, run, 20, files[1], lambda one: shared_out(one, cluster.address))
    here, there = map(pd.read_parquet, files)
    pd.testing.assert_frame_equal(here, there)
    assert told["users"] == here["user_id"].nunique() == 300 and told["rows"] == len(here) == 300 * 20
    first = run.recall().query("rank <= 20").groupby("user").size()
    assert (first == 20).all()


@pytest.mark.parametrize(
    ("kind", "message"),
    [("annoy", "this index cannot be sent to workers"), ("popular", "a baseline has no vectors to share out")],
)
def test_what_cannot_be_shared_out_is_refused(trained, cluster, kind, message):
    runs = [open_run(trained, folder.name) for folder in trained.run_folders()]
    run = next(run for run in runs if run.model == ("two_tower" if kind == "annoy" else kind))
    config = with_settings(run.config, ["index.kind=annoy"]) if kind == "annoy" else run.config
    with pytest.raises(UserError, match=message):
        evaluate_run(trained, run, config, lambda one: shared_out(one, cluster.address))


def test_a_cluster_that_does_not_start_in_time_is_told(monkeypatch):
    def late(**settings):
        raise Exception("The current node timed out during startup. The GCS may be overloaded.")

    monkeypatch.setattr(ray_cluster.imported(), "init", late)
    with (
        pytest.raises(UserError, match="no Ray cluster can be used at this machine: The current node timed out"),
        ray_cluster.connected(),
    ):
        pass


def test_a_cluster_of_ones_own_tells_nobody_and_leaves_nothing(trained, tmp_path):
    environment = {
        **os.environ,
        "DSSM_ATTEMPTS": str(tmp_path / "attempts"),
        "PYTHONPATH": f"{ROOT / 'tests' / 'no_network'}",
        "DSSM_HOME": str(trained.home),
    }
    command = [sys.executable, "-m", "dssm_core", "evaluate", "taught", "--engine", "ray", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert json.loads(done.stdout)["metrics"] == open_run(trained, "taught").metrics()["metrics"]
    assert not (tmp_path / "attempts").exists()


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"kind": "spark"}, "unknown engine 'spark': one of local, ray"),
        ({"kind": "local", "address": "auto"}, "for the engine ray alone"),
        ({"kind": "ray", "address": "here"}, "bad address 'here' of a Ray cluster"),
        ({"kind": "ray", "address": "127.0.0.1:1"}, "no Ray cluster answers at 127.0.0.1:1"),
        ({"kind": "ray", "cpus": 0}, "bad value 0 for cpus"),
        ({"kind": "ray", "gpus": -1}, "bad value -1 for gpus"),
    ],
)
def test_an_engine_that_cannot_be_had_is_refused_before_anything_starts(workspace, engine, message):
    with pytest.raises(UserError, match=message):
        swept(workspace, ["in_batch"], 1, 1000, Engine(**engine))
    assert not workspace.sweep_folders()


def test_without_ray_one_sentence_says_how_to_get_it(workspace, monkeypatch):
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs Ray, which is not installed: pip install -r requirements-ray\.txt"):
        swept(workspace, ["in_batch"], 1, 1000, Engine(kind="ray"))
