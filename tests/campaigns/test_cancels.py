"""Cancels at random moments of a child's life: acknowledged at once, and nothing of it is left."""

import random
import time
from pathlib import Path

import pytest

from dssm_core.config import with_settings
from dssm_core.presets import find_preset
from dssm_core.processes import process_number
from dssm_core.runs import cancel_run, start_run
from dssm_core.sweeps import cancel_sweep, start_sweep
from dssm_core.workspace import Workspace
from tests.campaigns.size import cases
from tests.conftest import QUICK
from tests.datasets import save_dataset
from tests.real_runs import session, wait, wait_until_gone

EVERY_NTH_IS_A_SWEEP = 5
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for orphans in /proc")


@pytest.fixture(scope="module")
def workspace(tasteful_dataset, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("cancels"), bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    return workspace


@pytest.mark.parametrize("seed", range(cases(2, 50)))
def test_a_cancel_is_acknowledged_within_a_second_and_leaves_nobody(workspace, seed):
    rng = random.Random(seed)
    long = [*QUICK, "train.epochs=1000", "train.batch_size=16"]
    sweep = seed % EVERY_NTH_IS_A_SWEEP == 1
    if sweep:
        without_epochs = [setting for setting in long if not setting.startswith("train.epochs")]
        job = start_sweep(workspace, "tasty", ["in_batch"], 3, settings=without_epochs, positives=10**6, jobs=2)
    else:
        job = start_run(workspace, "tasty", with_settings(find_preset("in_batch").config, long))
    time.sleep(rng.uniform(0, cases(6, 20)))
    numbers = {process_number(one.folder) for one in (job, *(job.runs() if sweep else ()))}
    begun = time.monotonic()
    (cancel_sweep if sweep else cancel_run)(job, wait=False)
    assert job.state().state in ("cancelling", "cancelled"), f"seed {seed}: {job.state()}"
    assert time.monotonic() - begun < 1, f"seed {seed}"
    wait_until_gone(job.folder)
    for run in job.runs() if sweep else ():
        assert wait(run, "cancelled").state == "cancelled", f"seed {seed}: {run.folder}"
        wait_until_gone(run.folder)
    assert job.state().state == "cancelled", f"seed {seed}: {job.state()}"
    assert not [left for number in numbers for left in session(number)], f"seed {seed}"
