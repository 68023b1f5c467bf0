import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core.errors import UserError
from dssm_core.workspace import Workspace, exposures_part, finish_dataset, load_dataset
from tests.datasets import save_dataset


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


def test_a_dataset_comes_back_as_it_was_saved(workspace, tasteful_dataset):
    save_dataset(workspace, "d1", tasteful_dataset)
    loaded = load_dataset(workspace, "d1")
    pd.testing.assert_frame_equal(loaded.users, tasteful_dataset.users)
    pd.testing.assert_frame_equal(loaded.articles, tasteful_dataset.articles)
    for column in ("user", "article", "time", "click"):
        np.testing.assert_array_equal(
            getattr(loaded.exposures, column), getattr(tasteful_dataset.exposures, column), strict=True
        )
    assert [manifest["id"] for manifest in workspace.datasets()] == ["d1"]


def test_exposures_in_parts_come_back_as_those_in_one_file(workspace, tasteful_dataset):
    whole = load_dataset(workspace, save_dataset(workspace, "d1", tasteful_dataset).name)
    with workspace.whole_dataset_folder("d2") as folder:
        rows = pq.read_table(workspace.dataset_folder("d1") / "exposures.parquet")
        for number in range(8):
            pq.write_table(rows.slice(number * 1_500, 1_500), folder / exposures_part(number))
        profiles = (pa.Table.from_pandas(table, preserve_index=False) for table in (whole.users, whole.articles))
        finish_dataset(folder, *profiles, whole.report, name="", format="generic", timezone="UTC")
    loaded = load_dataset(workspace, "d2")
    assert loaded.exposures.extra.keys() == whole.exposures.extra.keys()
    for column in ("user", "article", "time", "click"):
        np.testing.assert_array_equal(getattr(loaded.exposures, column), getattr(whole.exposures, column), strict=True)
    (workspace.dataset_folder("d2") / exposures_part(3)).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"d2 is damaged: exposures-00003\.parquet has 4 bytes instead of"):
        load_dataset(workspace, "d2")


def test_the_manifest_holds_the_digest_of_every_file(workspace, tasteful_dataset):
    folder = save_dataset(workspace, "d1", tasteful_dataset)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {"exposures.parquet", "users.parquet", "articles.parquet", "report.json"}
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"].values())


def test_a_dataset_without_manifest_is_not_listed_and_not_loaded(workspace):
    (workspace.home / "datasets" / "half").mkdir(parents=True)
    assert workspace.datasets() == []
    assert set(workspace.damaged_datasets()) == {"half"}
    with pytest.raises(UserError, match=r"half is damaged: manifest\.json is missing; delete it and ingest"):
        load_dataset(workspace, "half")


@pytest.mark.parametrize("wanted", ["nope", "..", "", "../runs"])
def test_an_unknown_id_is_named_and_never_leaves_the_workspace(workspace, wanted):
    with pytest.raises(UserError, match="unknown dataset"):
        workspace.dataset_folder(wanted)


def test_bundled_datasets_are_read_through_and_cannot_be_deleted(tmp_path, tasteful_dataset):
    bundled = Workspace(tmp_path / "bundled", bundled=None)
    save_dataset(bundled, "demo", tasteful_dataset)
    workspace = Workspace(tmp_path / "home", bundled=bundled.home)
    assert workspace.datasets()[0]["bundled"]
    with pytest.raises(UserError, match="ships with the project"):
        workspace.delete_dataset("demo")
    assert not workspace.home.exists()


def test_a_deleted_dataset_is_gone(workspace, tasteful_dataset):
    save_dataset(workspace, "d1", tasteful_dataset)
    workspace.delete_dataset("d1")
    assert workspace.datasets() == []
    assert list((workspace.home / "datasets").glob("[!.]*")) == []
