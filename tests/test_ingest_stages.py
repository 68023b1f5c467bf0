"""The stages of a shared ingest, carried out here in any order and more than once."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from dssm_core import ingest_stages, local_ingest, shared_ingest, spill
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
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


@pytest.mark.parametrize("way", ["here", "shared out"])
def test_a_user_of_more_rows_than_a_range_and_users_of_none_leave_no_empty_piece(tmp_path, workspace, monkeypatch, way):
    if way == "shared out":
        monkeypatch.setattr(local_ingest, "write_exposures", partial(shared_ingest.write_exposures, shuffled(0)))
    else:
        monkeypatch.setattr(local_ingest, "spilled", partial(spill.spilled, rows=1 << 10))
    rows = [("bot", f"a{i}", i % 3 == 0, ("train", "test")[i % 2]) for i in range(3_000)]
    rows += [(f"u{i}", "a1", True, "train") for i in range(50)]
    log, users = tmp_path / "log.csv", tmp_path / "users.csv"
    pd.DataFrame(rows, columns=["user_id", "article_id", "click", "split"]).astype({"click": int}).to_csv(
        log, index=False
    )
    users.write_text("user_id,city\n" + "".join(f"silent{i},north\n" for i in range(20)))
    told = ingest(workspace, "generic", log, users=users)
    exposures = load_dataset(workspace, told["dataset"]).exposures
    assert len(exposures.user) == told["accepted"] == 3_050
    assert set(exposures.extra["split"]) == {"train", "test"}
