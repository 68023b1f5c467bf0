"""Stored files that were changed, cut short, lost or mixed up: each is told, none is loaded, none kills its reader."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dssm_core.comparable import baseline_run_id
from dssm_core.config import flatten
from dssm_core.demo import write_demo
from dssm_core.index_loss import IndexLoss
from dssm_core.ingest import ingest
from dssm_core.runs import open_run, write_status
from dssm_core.stored_files import write_json
from dssm_core.workspace import Workspace
from tests.campaigns.size import cases
from tests.sealing import reseal

ROOT = Path(__file__).parents[2]
MUTATIONS = cases(12, 1000)
BATCH = 50


@pytest.fixture(scope="module")
def home(trained, tmp_path_factory):
    """Two datasets; a trained run, a baseline and one that was interrupted; a sweep; measurements of an index."""
    home = tmp_path_factory.mktemp("store") / "home"
    popular = home / "runs" / baseline_run_id("popular", "tasty", open_run(trained, "taught").config)
    # no more: other tests leave runs of their own in the shared workspace
    for folder in (home / "datasets" / "tasty", home / "runs" / "taught", popular):
        shutil.copytree(trained.home / folder.relative_to(home), folder)
    workspace, log = Workspace(home, bundled=None), tmp_path_factory.mktemp("log")
    write_demo(log, users=60, articles=50, days=3, seed=1)
    made = ingest(workspace, "yidian", log / "train_data.txt", log / "user_info.txt", log / "doc_info.txt")
    (home / "datasets" / made["dataset"]).rename(home / "datasets" / "demo")
    taught = open_run(workspace, "taught")
    popular.rename(popular.with_name("popular"))
    stopped = shutil.copytree(taught.folder, home / "runs" / "stopped")
    (stopped / "manifest.json").unlink()
    (stopped / "log.txt").write_text("the last words\n")
    _plan_sweep(workspace, taught)
    reseal(home)
    next(IndexLoss(workspace, taught, 20).measure())
    return home


def _plan_sweep(workspace, run):
    folder = workspace.new_sweep_folder("some")
    plan = {"preset": "in_batch", "seed": 0, "config": flatten(run.config), "positives": 9}
    described = {"dataset": "tasty", "name": "", "presets": ["in_batch"], "seeds": 1, "settings": []}
    write_json(folder / "sweep.json", {**described, "positives": 9, "jobs": 1, "created": 1.0, "planned": [plan]})
    write_json(folder / "started.json", {"0": run.id})
    write_status(folder, "finished")


@pytest.mark.parametrize("first", range(0, MUTATIONS, BATCH))
def test_damage_is_told_and_never_loaded_and_the_rest_stays_as_it_was(home, first):
    last = min(first + BATCH, MUTATIONS)
    command = [sys.executable, "-m", "tests.campaigns.damage", str(home), str(first), str(last)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"seed {first + len(outcomes)} ended the process: {done.stderr[-3000:]}"
    assert len(outcomes) == last - first
    for outcome in outcomes:
        assert not outcome["wrong"] and not outcome["undetected"], outcome
