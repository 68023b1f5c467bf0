"""A small workspace for the pages: a demo dataset, the baselines' runs, and a trained run made of one of them."""

import json
import shutil
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dssm_core.comparable import baseline_run_id
from dssm_core.config import Config, flatten
from dssm_core.demo import write_demo
from dssm_core.ingest import ingest
from dssm_core.manifest import write_manifest
from dssm_core.pipeline import carry_out
from dssm_core.runs import describe_run, open_run
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace

APP = Path(__file__).parents[2] / "app.py"
TRAINED = "20260101-000000-abcdef"


@pytest.fixture(scope="session")
def small_workspace(tmp_path_factory) -> Path:
    """Its home: 80 users, 60 articles, 3 days; popular, random and the other baselines; `TRAINED` with curves."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace(home, bundled=None)
    log = tmp_path_factory.mktemp("log")
    write_demo(log, users=80, articles=60, days=3, seed=1)
    dataset = ingest(
        workspace, "yidian", log / "train_data.txt", log / "user_info.txt", log / "doc_info.txt", name="tiny demo"
    )["dataset"]
    config = Config(model="popular", split={"train_days": 2}, eval={"k": [5, 50], "bootstrap": 100})
    describe_run(workspace.new_run_folder("popular-first"), dataset, config, "popular", "popular")
    carry_out(workspace, open_run(workspace, "popular-first"), lambda event: None)
    # the pipeline makes every baseline: one popular is enough
    shutil.rmtree(home / "runs" / baseline_run_id("popular", dataset, config))
    _trained(home, dataset, config)
    return home


def _trained(home: Path, dataset: str, config: Config) -> None:
    """A finished two-tower run, as its files show it."""
    folder = home / "runs" / TRAINED
    shutil.copytree(home / "runs" / "popular-first", folder)
    described = read_json(folder / "config.json")
    trained = config.model_copy(update={"model": "two_tower"})
    write_json(
        folder / "config.json", {**described, "name": "my *run*", "preset": "in_batch", "config": flatten(trained)}
    )
    held_out = pd.read_parquet(folder / "held_out.parquet")
    held_out.assign(drawn=np.arange(len(held_out), dtype=np.int32) % 3).to_parquet(folder / "held_out.parquet")
    with (folder / "events.jsonl").open("w") as file:
        for event in some_events():
            file.write(json.dumps(event) + "\n")
    write_manifest(folder)


def some_events() -> list[dict]:
    """Two epochs of four steps."""
    scores = {"edges": [-1.0, 0.0, 1.0], "counts": [1, 3]}
    events = [{"type": "stage", "stage": "train", "time": 0.0}]
    for step in range(1, 9):
        events.append(
            {"type": "step", "step": step, "steps": 8, "epochs": 2, "loss": 3 - step / 8, "time": float(step)}
        )
        if step % 4 == 0:
            measured = {"loss": 3 - step / 8, "validation_loss": 3.1 - step / 8, "validation_recall@50": step / 100}
            health = {"distinct_users": 0.99, "mean_cosine": 0.2, "positive_scores": scores, "negative_scores": scores}
            health |= {"false_negatives": 0.001 * step}
            events.append({"type": "epoch", "epoch": step // 4, "epochs": 2, **measured, **health})
    return events


@pytest.fixture(scope="session", autouse=True)
def one_scan_of_components():
    """Each AppTest asks all installed packages anew whether they bring Streamlit components: a third of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def open_page(monkeypatch):
    """A function (page, home, **query) → the page's AppTest after its first run."""
    monkeypatch.setattr("lab.frame.Workspace", partial(Workspace, bundled=None))
    st.cache_data.clear()
    st.cache_resource.clear()

    def opened(page: str, home: Path, **query) -> AppTest:
        monkeypatch.setenv("DSSM_HOME", str(home))
        at = AppTest.from_file(str(APP), default_timeout=30)
        at.switch_page(page)
        for key, value in query.items():
            at.query_params[key] = value
        return at.run()

    return opened
