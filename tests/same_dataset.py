"""Whether two ingests made the same dataset."""

import numpy as np
import pandas as pd

from dssm_core.workspace import Workspace, load_dataset


def assert_same_dataset(workspace: Workspace, report: dict, other: dict) -> None:
    """Check that two reports, the tables of their datasets and the rows set aside are equal, apart from the ids."""
    assert {**report, "dataset": ""} == {**other, "dataset": ""}
    one, two = (load_dataset(workspace, told["dataset"]) for told in (report, other))
    pd.testing.assert_frame_equal(one.users, two.users)
    pd.testing.assert_frame_equal(one.articles, two.articles)
    columns, others = ({**vars(data.exposures), **data.exposures.extra, "extra": None} for data in (one, two))
    assert list(columns) == list(others)
    for name, values in columns.items():
        np.testing.assert_array_equal(values, others[name], strict=values is not None, err_msg=name)
    rows = (
        pd.read_parquet(workspace.dataset_folder(told["dataset"]) / "set_aside.parquet") for told in (report, other)
    )
    pd.testing.assert_frame_equal(*rows)
