"""Puts datasets that tests made into a workspace; ingest writes its own piece by piece."""

from pathlib import Path

import pyarrow as pa

from dssm_core.dataset import Dataset
from dssm_core.exposure_writer import exposures_written
from dssm_core.workspace import EXPOSURES, Workspace, finish_dataset


def save_dataset(workspace: Workspace, dataset_id: str, dataset: Dataset) -> Path:
    """Add a dataset under an id; returns its folder."""
    with workspace.whole_dataset_folder(dataset_id) as folder:
        write_dataset(folder, dataset)
    return workspace.dataset_folder(dataset_id)


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """Write a dataset's tables, report and manifest into a folder."""
    with exposures_written(folder / EXPOSURES) as writer:
        writer.write(dataset.exposures)
    profiles = (pa.Table.from_pandas(table, preserve_index=False) for table in (dataset.users, dataset.articles))
    facts = {"name": dataset.name, "format": dataset.format, "timezone": dataset.timezone}
    counts = {"exposures": len(dataset.exposures), "clicks": int(dataset.exposures.click.sum())}
    finish_dataset(folder, *profiles, dataset.report, **facts, **counts)
