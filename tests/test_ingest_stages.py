"""The stages of a shared ingest, carried out here in any order and more than once."""

from functools import partial

import numpy as np
import pytest

from dssm_core import ingest_stages, local_ingest, shared_ingest
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace
from tests.dirty_parts import write_parts
from tests.format_samples import WRITERS, impressions
from tests.same_dataset import assert_same_dataset


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch):
    monkeypatch.setattr(ingest_stages, "_LEAST_ROWS", 1 << 10)
    monkeypatch.setattr(ingest_stages, "ROWS", 1 << 10)


def shuffled(seed):
    """Carries out stages in a random order, each twice, as a task is tried again whose answer was lost."""
    rng = np.random.default_rng(seed)

    def each(stage, shared, numbers):
        for number in rng.permutation(numbers).tolist():
            stage(shared, number)
        for number in rng.permutation(numbers).tolist():
            yield number, stage(shared, number)

    return each


@pytest.mark.parametrize("form", ["yidian", "csv", "parquet"])
def test_whatever_the_order_and_however_often_the_dataset_is_that_of_one_machine(
    tmp_path, workspace, monkeypatch, form
):
    told = write_parts(tmp_path, form)
    here = ingest(workspace, **told)
    assert here["set_aside"]["duplicate"] and here["set_aside"]["created after exposure"]
    for seed in range(3):
        monkeypatch.setattr(local_ingest, "write_exposures", partial(shared_ingest.write_exposures, shuffled(seed)))
        there = ingest(workspace, **told)
        assert len(list(workspace.dataset_folder(there["dataset"]).glob("exposures-*"))) > 3
        assert_same_dataset(workspace, here, there)


@pytest.mark.parametrize("format_", list(WRITERS))
def test_every_format_can_be_shared_out(tmp_path, workspace, monkeypatch, format_):
    told = WRITERS[format_](tmp_path / "in", impressions())
    here = ingest(workspace, format_, **told)
    monkeypatch.setattr(local_ingest, "write_exposures", partial(shared_ingest.write_exposures, shuffled(0)))
    assert_same_dataset(workspace, here, ingest(workspace, format_, **told))
