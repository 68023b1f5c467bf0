"""Runs: started as child processes, watched through their files, cancelled, resumed, listed, deleted.

A run whose folder's lock is free (see processes.py) and which did not say how it ended was interrupted.
"""

import errno
import fcntl
import json
import os
import shutil
import threading
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
from dssm_core.processes import ask_to_stop, held_lock, is_locked, is_stopping, start_process, stop_process
from dssm_core.stored_files import check_own, is_there, open_file, read_as, read_json, read_text, write_json
from dssm_core.workspace import Workspace, new_id

ACTIVE = ("queued", "running", "cancelling")
"""States of a run that a process is at work on."""

RESUMABLE = ("interrupted", "failed", "cancelled")
"""States of a run that can go on from its last whole epoch."""

VERSION = 2
"""Of what a run's files hold: 2 added to held_out.parquet how often a click was drawn as a negative."""

_KILLED = "the run's process ended without a word: it was killed, memory ran out, or the machine stopped"

_TAIL_BYTES = 64 << 10
"""Of the end of a log, in which its last lines are looked for."""

LATEST = 32_503_680_000
"""The year 3000, in Unix seconds."""

_NUMBER = (int, float)
_READ: dict[str, dict[str, type | tuple[type, ...]]] = {
    "stage": {"stage": str},
    "libraries": {"libraries": str},
    "baseline": {"baseline": str},
    "train": {"epoch": _NUMBER, "step": _NUMBER, "steps": _NUMBER},
    "step": {"step": _NUMBER, "steps": _NUMBER},
    "epoch": {"epoch": _NUMBER, "epochs": _NUMBER},
}
"""What is read of the events of each type."""


@dataclass(frozen=True)
class RunState:
    """How a run is doing: queued, running, cancelling, finished, failed, cancelled, interrupted, or damaged: its files
    are not as they were written; `progress` of training 0..1; `part` of the stage, where it has some that take long."""

    state: str
    reason: str = ""
    stage: str = ""
    progress: float | None = None
    eta_s: float | None = None
    part: str = ""

    @property
    def doing(self) -> str:
        """What a process is at, in words: "baselines: item_knn"."""
        return f"{self.stage}: {self.part}" if self.part else self.stage or "starting"


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
            return RunState("cancelled", "cancelled") if is_stopping(self.folder) else RunState("interrupted", _KILLED)
        # a run is finished once its manifest says so, and until then still at work
        at_work = "queued" if status.state == "queued" else "running"
        return _progress("cancelling" if is_stopping(self.folder) else at_work, self.events())

    def events(self) -> list[dict]:
        """Everything it reported so far, in order and once, however often it was resumed.

        What is no whole event, such as a torn line, is left out.
        """
        path = self.folder / "events.jsonl"
        if not is_there(self.folder / MANIFEST):
            return _told_once(_read_events(path))
        if not holds(self.folder, path.name):
            return []
        with checked(self.folder, path.name):
            return _told_once(_read_events(path))

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
    """Writes events.jsonl: one object a line, one write each, numbered on from what is there.

    `clock` beside the `time` of an event is in seconds too, and never jumps; it starts anew with the machine.
    """

    def __init__(self, path: Path):
        self._number = max((event["seq"] for event in _read_events(path) if "seq" in event), default=0)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._torn = path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")

    def __call__(self, event: dict) -> None:
        """Append one event. Raises OSError where there is no room for it."""
        self._number += 1
        told = {"seq": self._number, "time": time.time(), "clock": time.monotonic(), **event}
        line = ("\n" * self._torn + json.dumps(told) + "\n").encode()
        self._torn = True
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False


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
    workspace: Workspace,
    dataset_id: str,
    config: Config,
    name: str = "",
    preset: str = "",
    beside: bool = False,
    run_id: str = "",
) -> Run:
    """Start a run as a process of its own that outlives this one; it waits for the runs before it.

    `beside`: it shares its turn with others that were started so, as the jobs of a sweep are. `run_id`: the id that it
    is to have, from `new_id`; of several starts with the same id the first starts the run and all return it.
    """
    workspace.dataset_folder(dataset_id)
    run_id = run_id or new_id()
    label = config.negatives.strategy if config.model == "two_tower" else config.model
    with one_at_a_time(workspace):
        if run_id in (folder.name for folder in workspace.run_folders()):
            return open_run(workspace, run_id)
        folder = workspace.new_run_folder(run_id)
        try:
            with held_lock(folder) as lock:
                describe_run(folder, dataset_id, config, name or preset or label, preset)
                _start_child(workspace, folder, beside, lock)
        except (OSError, UserError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise UserError(f"the run could not be started: {error}") from error
    return Run(folder)


def resume_run(workspace: Workspace, run: Run, beside: bool = False) -> None:
    """Go on with a run that was interrupted, failed or was cancelled, from its last whole epoch.

    It ends as it would have without the stop. One that is at work already stays as it is. A UserError where there is
    nothing to go on with.
    """
    with one_at_a_time(workspace):
        state = run.state()
        if state.state in ACTIVE:
            return
        if run.problem or run.bundled or state.state not in RESUMABLE:
            raise UserError(f"run {run.id} cannot be resumed: {run.problem or f'it is {state.state}'}")
        workspace.dataset_folder(run.dataset)
        try:
            with held_lock(run.folder) as lock:
                _remove_half_written(run.folder)
                write_status(run.folder, "queued")
                _start_child(workspace, run.folder, beside, lock)
        except (OSError, UserError) as error:
            raise UserError(f"run {run.id} could not be resumed: {error}") from error


@contextmanager
def one_at_a_time(workspace: Workspace) -> Iterator[None]:
    """Starts come one after the other, so that what is started twice at once is found by the second."""
    runs = workspace.home / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        lock = (runs / ".start").open("w")
    except OSError as error:
        raise UserError(
            f"cannot write to {runs}: {error.strerror}; choose another --home or $DSSM_HOME, or make room"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start_child(workspace: Workspace, folder: Path, beside: bool, lock: int) -> None:
    arguments = [workspace.place, folder.name, *(["beside"] if beside else [])]
    start_process(folder, "dssm_core.child", arguments, lock)


def _remove_half_written(folder: Path) -> None:
    """Remove what a process was writing beside when it was killed."""
    for path in (*folder.glob(".*"), *folder.glob("checkpoint/.*")):
        path.unlink()


def cancel_run(run: Run, wait: bool = True) -> None:
    """Stop a queued or running run: a flag, SIGTERM, then SIGKILL to its process group. Others stay as they are.

    Without `wait` it returns once the run was told, and the rest is seen to while this process lives.
    """
    if run.state().state not in ACTIVE:
        return
    ask_to_stop(run.folder)
    if wait:
        stop_process(run.folder)
    else:
        threading.Thread(target=stop_process, args=[run.folder], daemon=True).start()


def delete_run(workspace: Workspace, run: Run, for_good: bool = False) -> None:
    """Delete a run; a UserError if it is at work or ships with the project. See `Workspace.delete_run`."""
    if run.state().state in ACTIVE:
        raise UserError(f"run {run.id} is at work: cancel it first")
    workspace.delete_run(run.id, for_good)


def _read_events(path: Path) -> list[dict]:
    lines = read_text(path).splitlines() if is_there(path) else []
    return [event for event in map(_parsed, lines) if event]


def _parsed(line: str) -> dict | None:
    """The event in a line, or None where it holds none, or one that lacks what is read of its type."""
    try:
        event = json.loads(line)
        json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not (isinstance(event, dict) and isinstance(event.get("type"), str) and isinstance(event.get("seq", 0), int)):
        return None
    return (
        event if all(isinstance(event.get(key), form) for key, form in _READ.get(event["type"], {}).items()) else None
    )


def _told_once(events: list[dict]) -> list[dict]:
    """The events without those of epochs that a resumed training made again."""
    kept: list[dict] = []
    for event in events:
        if event["type"] == "train":
            kept = [one for one in kept if not _made_again(one, event)]
        kept.append(event)
    first: dict[int, dict] = {}
    for event in kept:
        if event["type"] == "epoch":
            first.setdefault(event["epoch"], event)
    return [event for event in kept if event["type"] != "epoch" or first[event["epoch"]] is event]


def _made_again(event: dict, train: dict) -> bool:
    """Whether a training that goes on at the place of a train event makes what an earlier event told of again."""
    key = {"step": "step", "epoch": "epoch", "train": "epoch"}.get(event["type"])
    return key is not None and event[key] > train[key]


def _progress(state: str, events: list[dict]) -> RunState:
    """Where a run is, by its last stage and step; what is left, by the steps since it was last resumed."""
    stage = next((event["stage"] for event in reversed(events) if event["type"] == "stage"), "")
    last = next((event for event in reversed(events) if event["type"] in ("train", "step")), None)
    part = _part(events)
    if last is None:
        return RunState(state, stage=stage, part=part)
    return RunState(state, stage=stage, progress=last["step"] / last["steps"], eta_s=_left(events), part=part)


def _part(events: list[dict]) -> str:
    """What the last event says of its stage's parts: libraries are loaded, a baseline computed, a step compiled."""
    last = events[-1] if events else {"type": ""}
    match last["type"]:
        case "libraries":
            return f"loading {last['libraries']}"
        case "baseline":
            return last["baseline"]
        case "train":
            return "compiling the first step"
    return ""


def _left(events: list[dict]) -> float | None:
    """Seconds of training that are left; None before there are two steps of this process to tell by."""
    begun = max((place for place, event in enumerate(events) if event["type"] == "train"), default=0)
    steps = [event for event in events[begun:] if event["type"] == "step" and isinstance(event.get("clock"), _NUMBER)]
    if not steps or steps[-1]["step"] == steps[0]["step"]:
        return None
    first, last = steps[0], steps[-1]
    return (last["clock"] - first["clock"]) / (last["step"] - first["step"]) * (last["steps"] - last["step"])
