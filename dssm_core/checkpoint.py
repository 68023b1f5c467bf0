"""What a training needs to go on where it was stopped, kept in its run's folder: that of the last whole epoch."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dssm_core.errors import Damaged
from dssm_core.stored_files import is_there, open_file, read_json, write_json, written

VERSION = 1
"""Of what a checkpoint holds: one of another version is not gone on from."""

Arrays = dict[str, np.ndarray]


class DamagedCheckpoint(Exception):
    """A checkpoint is there and cannot be trusted; the message says why."""


class Checkpoint:
    """The checkpoint of one training of a run. A run that trains twice has two, told apart by `part` (0, 1).

    `checkpoint/<part>.json` names the file with the arrays and facts, and its sha256. It is renamed into place once
    that file is whole, so that a process may be killed at any moment: there is the old epoch or the new one, never half
    of it.
    """

    def __init__(self, run_folder: Path, part: int = 0):
        self._folder = run_folder / "checkpoint"
        self._part = part

    def write(self, epoch: int, facts: dict, arrays: Arrays) -> None:
        """Keep the state after `epoch` in place of the epoch before. `facts` is anything that JSON can hold."""
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{self._part}-{epoch}.npz"
        with written(path) as beside, beside.open("wb") as file:
            np.savez(file, facts=np.array(json.dumps(facts)), **arrays)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        write_json(self._index, {"version": VERSION, "file": path.name, "sha256": digest})
        self._remove_all_but(path)

    def read(self) -> tuple[dict, Arrays] | None:
        """The facts and arrays that were kept last; None without any. Raises DamagedCheckpoint."""
        if not is_there(self._index):
            return None
        try:
            index = read_json(self._index)
            version, name, wanted = index["version"], Path(index["file"]).name, index["sha256"]
            if version != VERSION:
                raise DamagedCheckpoint("the checkpoint was written by another version of the lab")
            with open_file(self._folder / name) as file:
                arrays = _checked_arrays(file, wanted)
        except (Damaged, KeyError, TypeError):
            raise DamagedCheckpoint("the checkpoint is damaged: it cannot be read") from None
        return json.loads(str(arrays.pop("facts"))), arrays

    def forget(self) -> None:
        """Remove this checkpoint and those of the trainings that follow on it."""
        for path in self._folder.glob("*"):
            if path.name.lstrip(".") >= str(self._part):
                path.unlink()

    @property
    def _index(self) -> Path:
        return self._folder / f"{self._part}.json"

    def _remove_all_but(self, kept: Path) -> None:
        for path in self._folder.glob(f"{self._part}-*.npz"):
            if path != kept:
                path.unlink()


def forget_checkpoints(run_folder: Path) -> None:
    """Remove all checkpoints of a run, which is finished."""
    shutil.rmtree(run_folder / "checkpoint", ignore_errors=True)


def under(name: str, arrays: Arrays) -> Arrays:
    """The arrays with their names behind `name/`, so that several sets fit into one."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def part_of(name: str, arrays: Arrays) -> Arrays:
    """Those that `under` put behind `name/`, under their own names."""
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}


def generator_state(rng: np.random.Generator) -> np.ndarray:
    """Where a generator is in its stream, as a text in an array of no dimension: its numbers have up to 128 bits."""
    return np.array(json.dumps(rng.bit_generator.state))


def set_generator_state(rng: np.random.Generator, state: np.ndarray) -> None:
    """Put a generator back to where `generator_state` found one."""
    rng.bit_generator.state = json.loads(str(state))


def _checked_arrays(file: BinaryIO, sha256: str) -> Arrays:
    """The arrays in an open file that has this sha256."""
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise DamagedCheckpoint("the checkpoint is damaged: its sha256 is not the one that was written down")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
