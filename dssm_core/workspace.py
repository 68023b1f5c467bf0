"""The folder that holds datasets and runs. What is read is checked first, and nothing is ever unpickled."""

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dssm_core.dataset import Dataset, Exposures
from dssm_core.errors import Damaged, UserError
from dssm_core.exposure_writer import MAIN_COLUMNS
from dssm_core.manifest import MANIFEST, check_whole, checked, read_manifest, write_manifest
from dssm_core.remote_home import as_folder, is_url, remote_home
from dssm_core.stored_files import (
    delete_folder,
    is_there,
    make_folder,
    own_folders,
    read_json,
    whole_folder,
    write_json,
    written,
)
from dssm_core.trash import Deleted, Trash

BUNDLED = Path(__file__).parent.parent / "assets" / "demo"
"""The workspace that ships with the project: a small demo dataset and its finished runs, read only."""

EXPOSURES = "exposures.parquet"
"""The file of a dataset's exposures, unless they are in parts."""

_PART = re.compile(r"exposures-[0-9]+\.parquet")


def exposures_part(number: int) -> str:
    """The name of a part of a dataset's exposures, which follow each other by number from 0."""
    return f"exposures-{number:05}.parquet"


def new_id() -> str:
    """A fresh id: the time (UTC, to the second) and six random hex digits; sorts by time."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


class Workspace:
    """The datasets and runs under `home`, with those bundled with the project read through as well.

    `home` is made on the first write. Default: $DSSM_HOME, else ./workspace. It may be a URL: see `remote_home`; `home`
    is then the folder of this machine that is worked on, and `place` the URL. Else they are the same.
    """

    def __init__(self, home: Path | str | None = None, bundled: Path | None = BUNDLED):
        place = str(home or os.environ.get("DSSM_HOME") or "workspace")
        self.remote = remote_home(place) if is_url(place) else None
        self.home = self.remote.mirror if self.remote else as_folder(place).absolute()
        self.place = place if self.remote else str(self.home)
        self._roots = [self.home, *([bundled] if bundled else [])]
        self._trash = Trash(self.home)

    @property
    def shown(self) -> str:
        """Where it is, in words for people: a URL without the credentials in it."""
        return self.remote.shown if self.remote else str(self.home)

    def datasets(self) -> list[dict]:
        """The manifest of every whole dataset, newest first; bundled ones last and marked `bundled`."""
        found = []
        for folder in self._dataset_folders():
            with suppress(Damaged):
                check_whole(folder)
                found.append({**read_manifest(folder), "id": folder.name, "bundled": self.is_bundled(folder)})
        elsewhere = self._at_url().items()
        found += [{**told, "id": name, "bundled": False} for name, told in elsewhere if not isinstance(told, Damaged)]
        newest_first = sorted(found, key=lambda one: one["id"], reverse=True)
        return sorted(newest_first, key=lambda one: one["bundled"])

    def damaged_datasets(self) -> dict[str, str]:
        """What is wrong with each dataset that cannot be read, in a sentence, by its id."""
        found = {}
        for folder in self._dataset_folders():
            try:
                check_whole(folder)
            except Damaged as error:
                found[folder.name] = str(error)
        return found | {name: str(told) for name, told in self._at_url().items() if isinstance(told, Damaged)}

    def dataset_folder(self, dataset_id: str) -> Path:
        """The folder of a dataset; a UserError names an id that is not there and lists those that are."""
        return self._find("datasets", dataset_id)

    def whole_dataset_folder(self, dataset_id: str) -> AbstractContextManager[Path]:
        """A hidden folder to fill, which becomes the dataset's if the body succeeds; else it is removed."""
        return self._published("datasets", dataset_id)

    def delete_dataset(self, dataset_id: str, for_good: bool = False) -> None:
        """Delete a dataset of this workspace (not a bundled one); it can be restored for a week unless `for_good`."""
        self._delete("datasets", dataset_id, for_good)

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run, whole or not; a UserError names an id that is not there."""
        folder = self._find("runs", run_id)
        if not _is_run(folder):
            raise UserError(f"run {run_id} was never started: its folder {folder} holds no config.json, so remove it")
        return folder

    def new_run_folder(self, run_id: str) -> Path:
        """Make and return the folder of a run to be, in place of what a start that was killed left of it."""
        folder = self.home / "runs" / run_id
        if folder in own_folders(folder.parent) and not _is_run(folder):
            delete_folder(folder)
        return make_folder(folder)

    def whole_run_folder(self, run_id: str) -> AbstractContextManager[Path]:
        """A hidden folder to fill, which becomes the run's if the body succeeds; else it is removed."""
        return self._published("runs", run_id)

    def run_folders(self) -> list[Path]:
        """Folders of all runs, newest first; bundled ones last.

        Those at a URL are fetched first; one that is damaged there is left out, and told where it is asked for.
        """
        for name in self._remote_names("runs"):
            with suppress(Damaged):
                self._fetch("runs", [name])
        return [folder for root in self._roots for folder in own_folders(root / "runs") if _is_run(folder)]

    def unfinished_run_folders(self) -> list[Path]:
        """Folders of this machine's runs that are not whole, newest first; quick to find among many."""
        folders = own_folders(self.home / "runs")
        return [folder for folder in folders if not is_there(folder / MANIFEST) and is_there(folder / "config.json")]

    def sweep_folders(self) -> list[Path]:
        """Folders of all sweeps, newest first."""
        return [folder for folder in own_folders(self.home / "sweeps") if is_there(folder / "sweep.json")]

    def sweep_folder(self, sweep_id: str) -> Path:
        """The folder of a sweep; a UserError names an id that is not there."""
        return self._find("sweeps", sweep_id)

    def new_sweep_folder(self, sweep_id: str) -> Path:
        """Make and return the folder of a sweep to be."""
        return make_folder(self.home / "sweeps" / sweep_id)

    def delete_sweep(self, sweep_id: str, for_good: bool = False) -> None:
        """Delete a sweep, likewise; its runs stay."""
        self._delete("sweeps", sweep_id, for_good)

    def delete_run(self, run_id: str, for_good: bool = False) -> None:
        """Delete a run of this workspace (not a bundled one), likewise."""
        self._delete("runs", run_id, for_good)

    def has(self, kind: str, wanted: str) -> bool:
        """Whether there is a dataset ("datasets"), run ("runs") or sweep ("sweeps") of an id, whole or not."""
        here = (folder.name for root in self._roots for folder in own_folders(root / kind))
        return wanted in here or wanted in self._remote_names(kind)

    def deleted(self) -> list[Deleted]:
        """What was deleted and can be restored, deleted last first."""
        return self._trash.listed()

    def restore(self, wanted: str) -> Deleted:
        """Bring back what was deleted, to the URL too; a UserError where its id is unknown, or taken meanwhile."""
        restored = self._trash.restore(wanted)
        if restored.kind != "sweeps" and is_there(self.home / restored.kind / wanted / MANIFEST):
            self.publish(restored.kind, wanted)
        return restored

    def delete_for_good(self, wanted: str) -> Deleted:
        """Remove from the disk what was deleted before."""
        return self._trash.remove(wanted)

    def is_bundled(self, folder: Path) -> bool:
        """Whether a folder ships with the project and must be left as it is."""
        return not folder.is_relative_to(self.home)

    def publish(self, kind: str, name: str) -> None:
        """Copy a whole dataset ("datasets") or run ("runs") to the URL of the workspace, where that is one."""
        if self.remote:
            self.remote.publish(kind, name)

    def _at_url(self) -> dict[str, dict | Damaged]:
        """The manifests of the datasets at the URL that are not here, or what is wrong with them."""
        here = {folder.name for folder in self._dataset_folders()}
        found: dict[str, dict | Damaged] = {}
        for name in set(self._remote_names("datasets")) - here:
            try:
                found[name] = self.remote.manifest("datasets", name)
            except Damaged as error:
                found[name] = error
        return found

    def _remote_names(self, kind: str) -> list[str]:
        return self.remote.names(kind) if self.remote and kind != "sweeps" else []

    def _fetch(self, kind: str, names: Iterable[str]) -> None:
        for name in names:
            if not is_there(self.home / kind / name):
                self.remote.fetch(kind, name)

    @contextmanager
    def _published(self, kind: str, name: str) -> Iterator[Path]:
        with whole_folder(self.home / kind / name) as folder:
            yield folder
        self.publish(kind, name)

    def _dataset_folders(self) -> list[Path]:
        return [folder for root in self._roots for folder in own_folders(root / "datasets")]

    def _find(self, kind: str, wanted: str) -> Path:
        self._fetch(kind, {wanted} & set(self._remote_names(kind)))
        for root in self._roots:
            if wanted in (folder.name for folder in own_folders(root / kind)):
                return root / kind / wanted
        raise UserError(f"unknown {kind[:-1]} {wanted!r}: it is not among the {kind} of {self.shown}")

    def _delete(self, kind: str, wanted: str, for_good: bool) -> None:
        folder = self._find(kind, wanted)
        if self.is_bundled(folder):
            raise UserError(f"{kind[:-1]} {wanted} ships with the project and cannot be deleted")
        if for_good:
            delete_folder(folder)
        else:
            self._trash.put(folder)
        if self.remote and kind != "sweeps":
            self.remote.delete(kind, wanted)


def _is_run(folder: Path) -> bool:
    """Whether a run was started there; one that lost a file is still one."""
    return is_there(folder / "config.json") or is_there(folder / MANIFEST)


def finish_dataset(folder: Path, users: pa.Table, articles: pa.Table, report: dict, **facts: Any) -> None:
    """Add to a folder that holds the exposures the other tables, the report and, last, the manifest with `facts`.

    `facts`: name, format and timezone of the dataset, and how many exposures and clicks it has.
    """
    for name, table in (("users", users), ("articles", articles)):
        with written(folder / f"{name}.parquet") as beside:
            pq.write_table(table, beside, compression="zstd")
    write_json(folder / "report.json", report)
    counts = {"users": len(users) - 1, "articles": len(articles) - 1}
    write_manifest(folder, **facts, **counts, created=time.time())


def load_dataset(workspace: Workspace, dataset_id: str) -> Dataset:
    """Read a whole dataset back; a UserError names one that is unknown or damaged."""
    folder = workspace.dataset_folder(dataset_id)
    manifest = read_manifest(folder)
    facts = [manifest[name] for name in ("name", "format", "timezone")]
    with checked(folder, "report.json") as path:
        report = read_json(path)
    users, articles = (_profiles(folder, name) for name in ("users.parquet", "articles.parquet"))
    parts = sorted(filter(_PART.fullmatch, manifest["files"])) or [EXPOSURES]
    tables = [_exposure_part(folder, name) for name in parts]
    # tables that do not fit each other are damage too
    with checked(folder, parts[0]):
        return Dataset(dataset_id, *facts, _exposures(pa.concat_tables(tables).to_pandas()), users, articles, report)


def _exposure_part(folder: Path, name: str) -> pa.Table:
    with checked(folder, name) as path:
        return pq.read_table(path)


def _exposures(table: pd.DataFrame) -> Exposures:
    columns = {name: table.pop(name).to_numpy() if name in table else None for name in MAIN_COLUMNS}
    return Exposures(**columns, extra={name: np.asarray(table[name]) for name in table})


def _profiles(folder: Path, name: str) -> pd.DataFrame:
    """A table each of whose columns is in one piece: rows are taken from it far faster than from many."""
    with checked(folder, name) as path:
        return pq.read_table(path).combine_chunks().to_pandas()
