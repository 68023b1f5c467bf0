"""Runs: started as child processes, watched through their files, cancelled, listed, deleted.

A run's folder is locked (flock) from before its process starts until that process is gone, whatever ends it; so a run
whose lock is free and which did not say how it ended was interrupted.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from dssm_core.config import Config, flatten, unflatten
from dssm_core.errors import Damaged, UserError
from dssm_core.manifest import MANIFEST, check_whole, checked, holds
from dssm_core.stored_files import check_own, is_there, open_file, read_as, read_json, read_text, write_json, written
from dssm_core.workspace import Workspace, new_id

ACTIVE = ("queued", "running")

VERSION = 2
"""Of what a run's files hold: 2 added to held_out.parquet how often a click was drawn as a negative."""

_GRACE_SECONDS = 10.0

_TAIL_BYTES = 64 << 10
"""Of the end of a log, in which its last lines are looked for."""

LATEST = 32_503_680_000
"""The year 3000, in Unix seconds."""

_NUMBER = (int, float)
_READ: dict[str, dict[str, type | tuple[type, ...]]] = {
    "stage": {"stage": str},
    "step": {"step": _NUMBER, "steps": _NUMBER, "time": _NUMBER},
    "epoch": {"epoch": _NUMBER, "epochs": _NUMBER},
}
"""What is read of the events of each type."""


@dataclass(frozen=True)
class RunState:
    """How a run is doing: queued, running, finished, failed, cancelled, interrupted, or damaged: its files are not as
    they were written; `progress` of training 0..1."""

    state: str
    reason: str = ""
    stage: str = ""
    progress: float | None = None
    eta_s: float | None = None


class Run:
    """A run as its folder shows it."""

    def __init__(self, folder: Path, bundled: bool = False):
        self.folder = folder
        self.id = folder.name
        self.bundled = bundled

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    @cached_property
    def _described(self) -> "_Description":
        """What config.json says; of a run whose config.json is damaged, next to nothing."""
        try:
            if is_there(self.folder / MANIFEST):
                with checked(self.folder, "config.json") as path:
                    return read_as(path, _Description)
            return read_as(self.folder / "config.json", _Description)
        except Damaged as error:
            return _Description.model_construct(name=self.id, **_NOTHING, damage=str(error))

    @property
    def name(self) -> str:
        """Its label."""
        return self._described.name

    @property
    def dataset(self) -> str:
        """Id of its dataset."""
        return self._described.dataset

    @property
    def preset(self) -> str:
        """The preset it started from, or ""."""
        return self._described.preset

    @property
    def model(self) -> str:
        """two_tower, or the baseline's name."""
        return str(self._described.config.get("model", "two_tower"))

    @property
    def created(self) -> float:
        """When it was made, Unix seconds."""
        return self._described.created

    @cached_property
    def config(self) -> Config:
        """All its knobs; a UserError for a config that is damaged, or that this version does not know."""
        if self._described.damage:
            raise Damaged(self._described.damage)
        return unflatten(self._described.config)

    @property
    def damage(self) -> str:
        """What is wrong with its files, in a sentence, or ""; large ones are looked into when they are read."""
        try:
            check_own(self.folder)
            if is_there(self.folder / MANIFEST):
                check_whole(self.folder)
        except Damaged as error:
            return str(error)
        return self._described.damage

    @cached_property
    def problem(self) -> str:
        """Why this version cannot read the run, or ""."""
        if self._described.damage:
            return ""
        if self._described.version < VERSION:
            return "it was made by an earlier version, whose files lack what is shown of a run: train it again"
        try:
            unflatten(self._described.config)
        except UserError as error:
            return f"its config is not of this version ({error}): train it again"
        return ""

    @property
    def finished(self) -> bool:
        """Whether it is whole, and readable."""
        return is_there(self.folder / MANIFEST) and not self.problem and not self.damage

    def state(self) -> RunState:
        """What it is doing, or how it ended."""
        if damage := self.damage:
            return RunState("damaged", damage)
        if self.problem:
            return RunState("failed", self.problem)
        try:
            return self._state()
        except Damaged as error:
            return RunState("damaged", str(error))

    def _state(self) -> RunState:
        if self.finished:
            return RunState("finished", progress=1.0)
        running = is_locked(self.folder)
        status = read_as(self.folder / "status.json", Status)
        if status.state in ("failed", "cancelled"):
            return RunState(status.state, status.reason)
        if self.finished:  # in the moment since the first look
            return RunState("finished", progress=1.0)
        if not running:
            return RunState(
                "interrupted", "the run's process ended without a word: it was killed, or the machine stopped"
            )
        # a run is finished once its manifest says so, and until then still at work
        return _progress("queued" if status.state == "queued" else "running", self.events())

    def events(self) -> list[dict]:
        """Everything it reported so far, in order; what is no whole event, such as a torn last line, is left out."""
        path = self.folder / "events.jsonl"
        if not is_there(self.folder / MANIFEST):
            return _events(path) if is_there(path) else []
        if not holds(self.folder, path.name):
            return []
        with checked(self.folder, path.name):
            return _events(path)

    def metrics(self) -> dict:
        """metrics.json; a UserError if the run is not finished."""
        with self._whole("metrics.json") as path:
            return read_json(path)

    def recall(self) -> pd.DataFrame:
        """recall.parquet: a row for each place of each recall list."""
        with self._whole("recall.parquet") as path:
            return pd.read_parquet(path)

    def held_out(self) -> pd.DataFrame:
        """held_out.parquet: a row for each held-out click."""
        with self._whole("held_out.parquet") as path:
            return pd.read_parquet(path)

    def per_user(self) -> pd.DataFrame:
        """per_user.parquet: a row for each evaluated user."""
        with self._whole("per_user.parquet") as path:
            return pd.read_parquet(path)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        path = self.folder / "log.txt"
        if not is_there(path):
            return ""
        try:
            with open_file(path) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except Damaged:
            return ""
        return "".join(text.splitlines(keepends=True)[-lines:])

    def _whole(self, name: str) -> AbstractContextManager[Path]:
        if self.finished:
            return checked(self.folder, name)
        if damage := self.damage:
            raise Damaged(damage)
        raise UserError(f"run {self.id} is {self.state().state}: it has no {name.split('.')[0]} until it is finished")


class _Description(BaseModel):
    """config.json. `damage`: why it could not be read."""

    model_config = ConfigDict(strict=True)

    version: int = 1
    dataset: str
    name: str
    preset: str
    created: float = Field(ge=0, le=LATEST)
    config: dict[str, Any]
    damage: str = ""


_NOTHING = {"version": VERSION, "dataset": "", "preset": "", "created": 0.0, "config": {}}
"""What is known of a run whose config.json is damaged."""


class Status(BaseModel):
    """status.json, of a run or a sweep: what its process last said of itself."""

    model_config = ConfigDict(strict=True)

    state: Literal["queued", "running", "finished", "failed", "cancelled"]
    reason: str


class EventLog:
    """Writes events.jsonl: one object a line, one write each, numbered."""

    def __init__(self, path: Path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._number = 0

    def __call__(self, event: dict) -> None:
        """Append one event."""
        self._number += 1
        line = json.dumps({"seq": self._number, "time": time.time(), **event}) + "\n"
        os.write(self._file, line.encode())


def list_runs(workspace: Workspace) -> list[Run]:
    """All runs, newest first; bundled ones last."""
    runs = [Run(folder, workspace.is_bundled(folder)) for folder in workspace.run_folders()]
    return sorted(runs, key=lambda run: (run.bundled, -run.created))


def open_run(workspace: Workspace, run_id: str) -> Run:
    """A run by its id; a UserError names one that is not there."""
    folder = workspace.run_folder(run_id)
    return Run(folder, workspace.is_bundled(folder))


def describe_run(folder: Path, dataset_id: str, config: Config, name: str, preset: str) -> None:
    """Write a new run's config.json and its first status.json."""
    write_status(folder, "queued")
    # last, since it is what makes the folder a run to others
    write_json(
        folder / "config.json",
        {"version": VERSION, "dataset": dataset_id, "name": name, "preset": preset, "created": time.time()}
        | {"config": flatten(config)},
    )


def write_status(folder: Path, state: str, reason: str = "") -> None:
    """Write status.json."""
    write_json(folder / "status.json", {"state": state, "reason": reason, "pid": os.getpid(), "updated": time.time()})


def start_run(
    workspace: Workspace, dataset_id: str, config: Config, name: str = "", preset: str = "", beside: bool = False
) -> Run:
    """Start a run as a process of its own that outlives this one; it waits for the runs before it.

    `beside`: it shares its turn with others that were started so, as the jobs of a sweep are.
    """
    workspace.dataset_folder(dataset_id)
    folder = workspace.new_run_folder(new_id())
    label = config.negatives.strategy if config.model == "two_tower" else config.model
    with held_lock(folder) as lock:
        describe_run(folder, dataset_id, config, name or preset or label, preset)
        arguments = [str(workspace.home), folder.name, *(["beside"] if beside else [])]
        start_process(folder, "dssm_core.child", arguments, lock)
    return Run(folder)


@contextmanager
def held_lock(folder: Path) -> Iterator[int]:
    """Hold a folder's lock while the body runs; yields its file's number, to hand on to a process."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def start_process(folder: Path, module: str, arguments: list[str], lock: int) -> None:
    """Start `python -m module` in a session of its own, its output in the folder's log.txt and its number in pid.

    It inherits the lock itself, so there is no moment at which nobody holds it.
    """
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        )
    with written(folder / "pid") as beside:
        beside.write_text(str(process.pid))


def cancel_run(run: Run) -> None:
    """Stop a queued or running run: a flag, SIGTERM to its process group, then SIGKILL. Others stay as they are."""
    if run.state().state not in ACTIVE:
        return
    stop_process(run.folder)
    if run.state().state == "interrupted":
        write_status(run.folder, "cancelled", "cancelled")


def stop_process(folder: Path) -> None:
    """Stop the process that holds a folder's lock, and all that it started in its session."""
    (folder / "cancel").touch()
    group = int((folder / "pid").read_text())
    for way in (signal.SIGTERM, signal.SIGKILL):
        _signal(group, way)
        if _gone_within(folder, _GRACE_SECONDS):
            break


def delete_run(workspace: Workspace, run: Run) -> None:
    """Remove a run for good; a UserError if it is at work or ships with the project."""
    if run.state().state in ACTIVE:
        raise UserError(f"run {run.id} is at work: cancel it first")
    workspace.delete_run(run.id)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run's lock."""
    path = folder / "lock"
    if not path.exists():
        return False
    with path.open() as file:
        try:
            # shared, so that two who look at once do not see each other
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _signal(group: int, way: signal.Signals) -> None:
    try:
        os.killpg(group, way)
    except ProcessLookupError:
        return


def _gone_within(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_locked(folder):
            return True
        time.sleep(0.05)
    return False


def _events(path: Path) -> list[dict]:
    return [event for event in map(_parsed, read_text(path).splitlines()) if event]


def _parsed(line: str) -> dict | None:
    """The event in a line, or None where it holds none, or one that lacks what is read of its type."""
    try:
        event = json.loads(line)
        json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return None
    return (
        event if all(isinstance(event.get(key), form) for key, form in _READ.get(event["type"], {}).items()) else None
    )


def _progress(state: str, events: list[dict]) -> RunState:
    stages = [event["stage"] for event in events if event["type"] == "stage"]
    steps = [event for event in events if event["type"] == "step"]
    stage = stages[-1] if stages else ""
    if not steps:
        return RunState(state, stage=stage)
    last, first = steps[-1], steps[0]
    progress = last["step"] / last["steps"]
    done = last["step"] - first["step"]
    eta = (last["time"] - first["time"]) / done * (last["steps"] - last["step"]) if done else None
    return RunState(state, stage=stage, progress=progress, eta_s=eta)
