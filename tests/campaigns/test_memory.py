"""Estimates of memory against the most that real runs held, each of some knobs at a small and at a large value."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from dssm_core.config import with_settings
from dssm_core.demo import ingest_demo
from dssm_core.presets import find_preset
from dssm_core.processes import is_locked, process_number
from dssm_core.readiness import Counted, need
from dssm_core.runs import start_run
from dssm_core.workspace import Workspace, load_dataset
from tests.campaigns.size import cases
from tests.real_runs import log

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")

AT_LEAST, AT_MOST = 0.8, 1.5
"""How the estimate may lie to what was held."""

PLAIN = ("train.epochs=2", "split.validation_users=50", "eval.users=500", "eval.bootstrap=100")
OF_THE_SUITE = [
    (
        "in_batch",
        "features.title_buckets=1000 train.batch_size=64",
        "features.title_buckets=1000000 train.batch_size=6000",
    )
]
OTHERS = [
    ("in_batch", "features.title_buckets=1000", "features.title_buckets=3000000"),
    ("in_batch", "train.batch_size=64", "train.batch_size=6000"),
    ("recommended", "tower.dim=16", "tower.dim=1024 features.title_buckets=400000 features.title=true"),
    ("senet", "tower.embedding_dim=8", "tower.embedding_dim=512"),
    ("youtube", "tower.embedding_dim=8", "tower.embedding_dim=128 features.title_buckets=1000000"),
    ("deepmatch", "tower.embedding_dim=8 features.title=false", "tower.embedding_dim=1024 features.title=false"),
    ("in_batch", "tower.hidden=[16]", "tower.hidden=[3072,3072] train.epochs=1"),
    ("uniform", "negatives.shared=64", "negatives.shared=65536"),
    ("uniform", "negatives.shared=0 negatives.k=1", "negatives.shared=0 negatives.k=200"),
    ("cross_batch", "negatives.memory=1", "negatives.memory=1000 train.batch_size=2048"),
    ("mined", "negatives.rank_to=100", "negatives.rank_to=4000"),
    ("in_batch", "eval.k=10", "eval.users=4000 eval.k=4000"),
    ("in_batch", "index.kind=annoy index.trees=1", "index.kind=annoy index.trees=1000"),
    ("popular", "eval.k=10", "eval.users=4000 eval.k=4000"),
    ("item_knn", "eval.k=10 split.train_days=1", "eval.k=10"),
    ("ease", "eval.k=10 split.train_days=1", "eval.k=10"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One with a log of 4,000 users and 5,000 articles, and in the suite of fewer days."""
    workspace = Workspace(tmp_path_factory.mktemp("memory"), bundled=None)
    ingest_demo(workspace, users=4000, articles=5000, days=cases(3, 7), seed=0)
    return workspace


@pytest.mark.parametrize(
    ("preset", "small", "large"), [*OF_THE_SUITE, *cases([], OTHERS)], ids=lambda text: text.replace(" ", "_")
)
def test_an_estimate_is_near_what_a_run_holds(workspace, preset, small, large):
    told, held = zip(*(measured(workspace, preset, settings) for settings in (small, large)), strict=True)
    print(f"{preset} {small} → {large}: estimated (MB) {told}, held {held}")
    for estimate, peak in zip(told, held, strict=True):
        assert AT_LEAST <= estimate / peak <= AT_MOST, f"estimated (MB) {told}, held {held}"


def measured(workspace, preset, settings):
    """The estimate, and the most that the run's process held, in MB."""
    config = with_settings(find_preset(preset).config, [*PLAIN, *settings.split()])
    dataset = workspace.datasets()[0]["id"]
    estimate = need(workspace, Counted(load_dataset(workspace, dataset)), config).bytes / 1e6
    run = start_run(workspace, dataset, config)
    held = most_held(run)
    assert run.finished, log(run)
    return estimate, held


def most_held(run):
    """The most memory that a run's process held until it was gone, in MB; metrics.json is written before the end."""
    held, status = 0.0, Path(f"/proc/{process_number(run.folder)}/status")
    while is_locked(run.folder):
        with suppress(OSError, IndexError):  # it ended meanwhile
            held = float(status.read_text().split("VmHWM:")[1].split()[0]) / 1e3
        time.sleep(0.01)
    return held
