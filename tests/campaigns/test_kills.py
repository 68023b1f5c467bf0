"""SIGKILLs at random moments of training children: no whole epoch is lost, and the result is the same."""

import os
import random
import signal
import time

import pytest

from dssm_core.config import with_settings
from dssm_core.presets import find_preset
from dssm_core.processes import process_number
from dssm_core.runs import ACTIVE, resume_run, start_run
from dssm_core.workspace import Workspace
from tests.campaigns.size import cases
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.real_runs import log, lost_epochs, measured, wait, wait_for_event, wait_until_gone

KILLS_A_RUN = 5
EPOCHS = cases(16, 40)
SETTINGS = {
    "in_batch_streaming": ("tower.hidden=[8]", "tower.embedding_dim=4", "tower.dropout=0.2"),
    "mined": ("negatives.rank_from=20", "negatives.rank_to=60", "negatives.blend_share=0.05", "train.epochs=20"),
    "cross_batch": ("negatives.memory=3",),
    "uniform": ("negatives.shared=64", "loss.learn_temperature=true", "loss.temperature=0.3"),
    "deepmatch": ("tower.hidden=[8]", "tower.embedding_dim=4"),
}


@pytest.fixture(scope="module")
def workspace(tasteful_dataset, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("kills"), bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


def start(workspace, preset):
    settings = [*QUICK, f"train.epochs={EPOCHS}", *SETTINGS[preset]]
    return start_run(workspace, "tasty", with_settings(find_preset(preset).config, settings))


def test_killed_runs_lose_no_whole_epoch_and_end_as_those_that_were_left_alone(workspace):
    kills, number, undisturbed = cases(2, 100), 0, {}
    for seed in range(kills):
        if number >= kills:
            break
        preset = list(SETTINGS)[seed % len(SETTINGS)]
        if preset not in undisturbed:
            alone = start(workspace, preset)
            assert wait(alone, "finished", "failed").state == "finished", log(alone)
            undisturbed[preset] = measured(alone)
        run = start(workspace, preset)
        number += kill_again_and_again(workspace, run, min(KILLS_A_RUN, kills - number), random.Random(seed))
        told = f"seed {seed}, {preset}, {run.folder}: {log(run)}"
        assert wait(run, "finished", "failed").state == "finished", told
        assert lost_epochs(run) == 0, told
        assert measured(run) == undisturbed[preset], told
        epochs = [event["epoch"] for event in run.events() if event["type"] == "epoch"]
        assert epochs == list(range(1, epochs[-1] + 1)), told
    assert number == kills


def kill_again_and_again(workspace, run, times, rng):
    """Kill the run at random moments and resume it; returns how often. It is at work, or finished, in the end."""
    for time_before in range(times):
        wait_for_a_random_moment(run, rng)
        if run.finished:
            return time_before
        os.killpg(process_number(run.folder), signal.SIGKILL)
        wait_until_gone(run.folder, seconds=10)
        if run.finished:  # killed as it was ending
            return time_before + 1
        assert run.state().state == "interrupted", f"{run.folder}: {run.state()}"
        resume_run(workspace, run)
        assert run.state().state in ACTIVE, f"{run.folder}: {run.state()}"
    return times


def wait_for_a_random_moment(run, rng):
    """In three of four cases within training, some epochs further; else whenever, perhaps while libraries are read."""
    if rng.random() < 0.25:
        time.sleep(rng.uniform(0, 4))
        return
    done = max((event["epoch"] for event in run.events() if event["type"] == "epoch"), default=0)
    wait_for_event(run, rng.choice(["step", "epoch"]), done + rng.randint(1, 4))
    time.sleep(rng.uniform(0, 0.1))
