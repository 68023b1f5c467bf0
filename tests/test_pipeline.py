import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dssm_core.baselines import BASELINES
from dssm_core.config import PoolConfig, with_settings
from dssm_core.errors import UserError
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run, list_runs, open_run
from dssm_core.split import make_split
from dssm_core.workspace import Workspace, new_id
from tests.conftest import QUICK
from tests.datasets import save_dataset


def carried_out(workspace, run_id, preset, *settings):
    folder = workspace.new_run_folder(run_id)
    describe_run(folder, "tasty", with_settings(find_preset(preset).config, [*QUICK, *settings]), run_id, preset)
    carry_out(workspace, Run(folder), EventLog(folder / "events.jsonl"))
    return Run(folder)


@pytest.fixture
def workspace(tasteful_dataset, tmp_path):
    """One without any run."""
    workspace = Workspace(tmp_path, bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


def test_a_run_leaves_every_file_of_the_contract(trained):
    folder = open_run(trained, "taught").folder
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "status.json", "events.jsonl", "weights.npz", "users.npz", "articles.npz", "recall.parquet",
            "held_out.parquet", "per_user.parquet", "metrics.json", "manifest.json"} <= names  # fmt: skip
    files = json.loads((folder / "manifest.json").read_text())["files"]
    for name in names - {"manifest.json"}:
        assert files[name]["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_the_stages_are_those_of_the_table_of_contents(trained):
    stages = [event["stage"] for event in open_run(trained, "taught").events() if event["type"] == "stage"]
    assert stages == [
        "load",
        "split",
        "features",
        "negatives",
        "train",
        "embed",
        "index",
        "baselines",
        "evaluate",
        "save",
    ]


def test_held_out_clicks_tell_how_often_they_were_negatives_and_epochs_how_many_were(trained):
    run = open_run(trained, "taught")
    held_out = run.held_out()
    assert held_out["drawn"].sum() > 0
    assert (held_out.loc[held_out["reason"] == "not in pool", "drawn"] == 0).all()
    shares = [event["false_negatives"] for event in run.events() if event["type"] == "epoch"]
    assert all(0 < share < 0.5 for share in shares)
    popular = next(run for run in list_runs(trained) if run.model == "popular")
    assert "drawn" not in popular.held_out()


def test_recall_lists_hold_no_article_that_the_user_clicked_before_the_test(trained, tasteful_dataset):
    recall = open_run(trained, "taught").recall()
    exposures = tasteful_dataset.exposures
    split = make_split(tasteful_dataset, open_run(trained, "taught").config.split, PoolConfig())
    rows = np.concatenate([split.train, split.validation])
    clicked = rows[exposures.click[rows]]
    train = pd.MultiIndex.from_arrays([exposures.user[clicked], exposures.article[clicked]])
    assert not pd.MultiIndex.from_frame(recall[["user", "article"]]).isin(train).any()


def test_metrics_agree_with_the_lists(trained):
    run = open_run(trained, "taught")
    hits = run.recall().query("rank <= 20 and hit").groupby("user").size()
    held_out = run.held_out().groupby("user").size()
    expected = (hits.reindex(held_out.index, fill_value=0) / held_out).mean()
    assert run.metrics()["metrics"]["recall@20"]["value"] == pytest.approx(expected)


def test_a_model_beats_chance_and_popularity_on_planted_tastes(trained):
    recall = {run.name: run.metrics()["metrics"]["recall@20"] for run in list_runs(trained)}
    assert recall["taught"]["low"] > recall["popular"]["high"]
    assert recall["taught"]["low"] > recall["random"]["high"]


def test_every_baseline_is_a_run_like_any_other(trained):
    by_model = {run.config.model: run for run in list_runs(trained)}
    for baseline in BASELINES:
        run = by_model[baseline]
        assert run.finished
        assert run.preset == baseline
        assert run.metrics()["metrics"]["recall@20"]["value"] is not None
        assert len(run.recall()) and len(run.per_user())


def test_baselines_are_computed_once(trained):
    before = {run.id for run in list_runs(trained)}
    carried_out(trained, "again", "uniform")
    assert {run.id for run in list_runs(trained)} - before == {"again"}


def test_a_baseline_that_is_left_out_is_told_with_its_reason_and_the_run_goes_on(workspace, monkeypatch):
    monkeypatch.setattr("dssm_core.baselines.EASE_ARTICLES", 50)
    run = carried_out(workspace, "without_ease", "popular")
    assert run.finished
    notes = [event["note"] for event in run.events() if event["type"] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith("The baseline ease is left out: ease takes up to 50 articles with train clicks")
    assert sorted(run.model for run in list_runs(workspace)) == sorted([*set(BASELINES) - {"ease"}, "popular"])


def test_baselines_that_do_not_fit_into_memory_are_left_out_and_the_run_goes_on(workspace, monkeypatch):
    # what this process holds is given back to the run, not to what is computed beside it
    monkeypatch.setattr("dssm_core.pipeline.free_bytes", lambda given_back=0: 10**12 if given_back else 1000)
    run = carried_out(workspace, "alone", "popular")
    assert run.finished
    notes = [event["note"] for event in run.events() if event["type"] == "note"]
    assert len(notes) == len(BASELINES)
    assert all("does not fit into memory: the baseline" in note and "0 MB are free" in note for note in notes)


@pytest.mark.parametrize("preset", ["in_batch", "popular"])
def test_a_run_whose_memory_others_took_while_it_waited_fails_before_anything_slow(workspace, preset, monkeypatch):
    monkeypatch.setenv("DSSM_FREE_BYTES", "1000000")
    with pytest.raises(UserError, match=r"does not fit into memory: the run needs about .* and 1 MB are free"):
        carried_out(workspace, "late", preset)
    stages = [event.get("stage") for event in open_run(workspace, "late").events()]
    assert "baselines" not in stages and "train" not in stages


@pytest.mark.parametrize("index", ["annoy", "ivf"])
def test_an_approximate_index_is_reported_beside_exact(trained, index):
    facts = carried_out(trained, f"with_{index}", "in_batch", f"index.kind={index}").metrics()["facts"]["index"]
    assert facts["kind"] == index
    assert 0.5 < facts["share_of_exact"] <= 1
    assert facts["queries_per_second"] > 0


def test_two_stages_mine_the_first_and_count_as_one_training(trained):
    window = ("negatives.rank_from=11", "negatives.rank_to=60", "negatives.blend_share=0.02")
    run = carried_out(trained, "two_stages", "mined", *window)
    epochs = [event["epoch"] for event in run.events() if event["type"] == "epoch"]
    steps = [event for event in run.events() if event["type"] == "step"]
    assert epochs == [1, 2, 3, 4], "two stages of two epochs"
    assert steps[-1]["step"] == steps[-1]["steps"]
    assert [step["step"] for step in steps] == sorted(step["step"] for step in steps)
    assert run.metrics()["facts"]["negatives"]["topped_up"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("negatives.blend_share=0.9",), "would take 2,295 negatives of its own"),
        (("negatives.rank_from=300", "negatives.rank_to=400"), r"none is at rank 300: lower negatives\.rank_from"),
        (
            ("negatives.strategy=mined", "negatives.blend=none", "negatives.k=500", "loss.kind=sampled_softmax"),
            r"negatives\.k=500 draws from a pool of only 120",
        ),
        (
            ("negatives.strategy=mined", "negatives.blend=same_attribute", "negatives.attribute=colour"),
            "unknown attribute",
        ),
    ],
)
def test_what_the_second_stage_cannot_do_is_refused_before_the_first(trained, settings, message):
    folder = trained.new_run_folder(new_id())
    config = with_settings(find_preset("mined").config, [*QUICK, "train.batch_size=256", *settings])
    describe_run(folder, "tasty", config, "hopeless", "mined")
    events = []
    with pytest.raises(UserError, match=message):
        carry_out(trained, Run(folder), events.append)
    assert events[-1] == {"type": "stage", "stage": "negatives"}


def test_an_earlier_run_can_be_mined(trained):
    run = carried_out(
        trained, "mining", "mined", "negatives.run=taught", "negatives.rank_from=11", "negatives.blend_share=0.02"
    )
    assert run.finished


def test_what_the_log_cannot_supply_is_refused_before_any_training(trained):
    folder = trained.new_run_folder("hopeless")
    config = with_settings(find_preset("same_attribute").config, [*QUICK, "negatives.attribute=colour"])
    describe_run(folder, "tasty", config, "hopeless", "same_attribute")
    events = []
    with pytest.raises(UserError, match="unknown attribute"):
        carry_out(trained, Run(folder), events.append)
    assert events[-1] == {"type": "stage", "stage": "negatives"}
    shutil.rmtree(folder)


def test_the_weights_that_a_gate_learned_are_kept(trained):
    weights = carried_out(trained, "gated", "senet").metrics()["facts"]["field_weights"]
    assert set(weights["users"]) == {"user_id", "city"}
    assert set(weights["articles"]) == {"article_id", "cate", "title"}


def test_the_youtube_tower_sees_the_users_history(trained):
    """Without ids and attributes of users, their clicks are all that tells them apart."""
    run = carried_out(trained, "watched", "youtube", "features.user_id=false", "train.epochs=8", "tower.history=20")
    facts, metrics = run.metrics()["facts"], run.metrics()["metrics"]
    random = next(run for run in list_runs(trained) if run.config.model == "random").metrics()["metrics"]
    assert facts["health"]["distinct_users"] > 0.9
    assert metrics["recall@20"]["low"] > random["recall@20"]["high"]


def test_deepmatch_runs_through_the_same_pipeline(trained):
    run = carried_out(trained, "reference", "deepmatch", "tower.hidden=[16]", "train.epochs=8")
    metrics = run.metrics()
    random = next(run for run in list_runs(trained) if run.config.model == "random").metrics()
    assert metrics["metrics"]["recall@20"]["low"] > random["metrics"]["recall@20"]["high"]
    assert np.isfinite([event["loss"] for event in run.events() if event["type"] == "epoch"]).all()
