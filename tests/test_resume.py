"""Runs that are killed and go on: whatever is compared, the result is that of a run that was never stopped."""

import shutil

import numpy as np
import pandas as pd
import pytest

from dssm_core.config import with_settings
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run
from dssm_core.workspace import Workspace
from tests.campaigns.size import cases
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.real_runs import measured

LAYERS = ("tower.hidden=[8]", "tower.embedding_dim=4")
PRESETS = {
    "uniform": ("negatives.shared=64", "loss.learn_temperature=true", "loss.temperature=0.3"),
    "in_batch_streaming": (*LAYERS, "tower.dropout=0.2"),
    "cross_batch": ("negatives.memory=3",),
    "mined": ("negatives.rank_from=20", "negatives.rank_to=60", "negatives.blend_share=0.05"),
    "deepmatch": (*LAYERS, "tower.dropout=0.2"),
}
OTHERS = {
    "recommended": ("negatives.subsample=0.01",),
    "exposed": ("negatives.k=3",),
    "senet": LAYERS,
    "youtube": ("tower.history=3",),
}
"""What these carry over a stop, one of those above does too; `make fuzz` tries them."""
PRESETS |= cases({}, OTHERS)


@pytest.fixture(scope="module")
def workspace(tasteful_dataset, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("resumed"), bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


@pytest.fixture(scope="module")
def whole(workspace):
    """A run that was never stopped, with copies of its folder as kills at several moments would have left it."""
    run = make(workspace, "in_batch", "features.id_dropout=0.3")
    moments = {
        "in the first epoch": ("step", 1),
        "in the second epoch": ("step", 2),
        "in the third epoch": ("step", 3),
        "between a checkpoint and the word of it": ("epoch", 2),
        "after training": ("stage", "evaluate"),
    }
    carry_on(workspace, run, *(copied(run, name, moment) for name, moment in moments.items()))
    return run


def make(workspace, preset, *settings):
    config = with_settings(find_preset(preset).config, [*QUICK, "train.epochs=3", *settings])
    folder = workspace.new_run_folder(f"whole {preset}")
    describe_run(folder, "tasty", config, "", preset)
    return Run(folder)


def carry_on(workspace, run, *watchers):
    """Carry a run out as its process does; each of `watchers` sees every event before it is written."""
    log = EventLog(run.folder / "events.jsonl")

    def report(event):
        for watcher in watchers:
            watcher(event)
        log(event)

    carry_out(workspace, run, report)
    return run


def copied(run, name, moment):
    """What copies the run's folder before the first event of that type, in that epoch or of that stage."""

    def watch(event):
        copy = run.folder.with_name(name)
        if (event["type"], event.get("epoch", event.get("stage"))) == moment and not copy.exists():
            shutil.copytree(run.folder, copy)

    return watch


def killed(run, name):
    return Run(run.folder.with_name(name))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_that_was_killed_ends_as_one_that_never_was(workspace, preset):
    run = make(workspace, preset, *PRESETS[preset])
    # of two stages of three epochs each, in the second
    carry_on(workspace, run, copied(run, f"killed {preset}", ("step", 5 if preset == "mined" else 3)))
    assert_same(carry_on(workspace, killed(run, f"killed {preset}")), run)


@pytest.mark.parametrize(
    "moment",
    ["in the first epoch", "in the third epoch", "between a checkpoint and the word of it", "after training"],
)
def test_a_run_may_be_killed_at_any_moment(workspace, whole, moment):
    run = killed(whole, moment)
    before = len(run.events())
    assert_same(carry_on(workspace, run), whole)
    assert len(run.events()) > before


def test_a_damaged_checkpoint_is_told_and_training_starts_over(workspace, whole):
    run = killed(whole, "in the second epoch")
    path = run.folder / "checkpoint" / "1-1.npz"
    path.write_bytes(path.read_bytes()[:-1])
    carry_on(workspace, run)
    assert_same(run, whole)
    notes = [event["note"] for event in run.events() if event["type"] == "note"]
    assert len(notes) == 1 and "damaged" in notes[0] and "starts from the beginning" in notes[0]


def assert_same(run, whole):
    assert measured(run) == measured(whole)
    pd.testing.assert_frame_equal(run.recall(), whole.recall())
    pd.testing.assert_frame_equal(run.held_out(), whole.held_out())
    for name in ("users", "articles", "weights"):
        one, other = (np.load(some.folder / f"{name}.npz") for some in (run, whole))
        assert set(one.files) == set(other.files)
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key], err_msg=f"{name}: {key}")
    events = run.events()
    assert curve(run) == curve(whole)
    steps = [event["step"] for event in events if event["type"] == "step"]
    assert steps == sorted(set(steps))
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))


def curve(run):
    """Each epoch's loss and validation recall."""
    return [
        (event["epoch"], event["loss"], event["validation_recall@50"])
        for event in run.events()
        if event["type"] == "epoch"
    ]
