"""Sweeps: presets × seeds on one dataset and split, each seeing as many positives, carried out one after the other.

A sweep is a process of its own that starts its runs when their turn comes; like a run it is watched through its files.
"""

import shutil
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from dssm_core.config import Config, flatten, unflatten, with_settings
from dssm_core.earlier import first_stage
from dssm_core.errors import Damaged, UserError
from dssm_core.free_memory import in_words
from dssm_core.presets import find_preset
from dssm_core.processes import ask_to_stop, held_lock, is_locked, is_stopping, start_process, stop_process
from dssm_core.ray_cluster import check_engine
from dssm_core.readiness import Counted, check_counted, room
from dssm_core.runs import (
    ACTIVE,
    LATEST,
    RESUMABLE,
    Run,
    RunState,
    Status,
    cancel_run,
    one_at_a_time,
    resume_run,
    start_run,
    write_status,
)
from dssm_core.stored_files import check_own, is_there, read_as, write_json
from dssm_core.subsampling import keep_probability
from dssm_core.train_counts import TrainCounts
from dssm_core.workspace import Workspace, load_dataset, new_id

MOST = {"seeds": 1000, "jobs": 1000, "positives": 10**12, "cpus": 1024, "gpus": 64}
"""Of what a sweep is asked for: more would take years, and a plan of it all memory."""

DEFAULT_EPOCHS = 16
"""Without a budget of its own a sweep's runs see each train click so many times."""


class Sweep:
    """A sweep as its folder shows it."""

    def __init__(self, workspace: Workspace, folder: Path):
        self.workspace = workspace
        self.folder = folder
        self.id = folder.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sweep) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    @cached_property
    def _described(self) -> "_Description":
        """What sweep.json says; of a sweep whose sweep.json is damaged, next to nothing."""
        try:
            return read_as(self.folder / "sweep.json", _Description)
        except Damaged as error:
            return _Description.model_construct(name=self.id, **_NOTHING, damage=str(error))

    @property
    def name(self) -> str:
        """Its label."""
        return self._described.name or ", ".join(self._described.presets)

    @property
    def dataset(self) -> str:
        """Id of its dataset."""
        return self._described.dataset

    @property
    def jobs(self) -> int:
        """How many runs are at work at once."""
        return self._described.jobs

    @property
    def engine(self) -> "Engine":
        """Who carries out its runs."""
        return self._described.engine

    @property
    def positives(self) -> int:
        """How many positives each run is to see."""
        return self._described.positives

    @property
    def created(self) -> float:
        """When it was made, Unix seconds."""
        return self._described.created

    @property
    def planned(self) -> list[dict]:
        """One dict a run: preset, seed, config (dotted keys), positives (that it sees), bytes (of memory that it needs)
        and run: its id, "" before its turn."""
        started = self._started()
        planned = [plan.model_dump() for plan in self._described.planned]
        return [{**plan, "run": started.get(str(place), "")} for place, plan in enumerate(planned)]

    def runs(self) -> list[Run]:
        """Those that were started and not deleted since."""
        known = {folder.name: folder for folder in self.workspace.run_folders()}
        return [Run(known[plan["run"]]) for plan in self.planned if plan["run"] in known]

    def state(self) -> RunState:
        """What it is doing, or how it ended; `stage` says how many of its runs are done, `eta_s` when all will be."""
        try:
            check_own(self.folder)
            return self._state(read_as(self.folder / "status.json", Status))
        except Damaged as error:
            return RunState("damaged", str(error))

    def _state(self, status: Status) -> RunState:
        if self._described.damage:
            raise Damaged(self._described.damage)
        planned = len(self.planned)
        states = [run.state() for run in self.runs()]
        over = sum(state.state not in ACTIVE for state in states)
        stage = f"{sum(state.state not in (*ACTIVE, *RESUMABLE) for state in states)} of {planned} runs"
        if status.state not in ACTIVE:
            return RunState(status.state, status.reason, stage, progress=over / planned)
        stopping = is_stopping(self.folder)
        if not is_locked(self.folder):
            ended = ("cancelled", "cancelled") if stopping else ("interrupted", "its process ended without a word")
            return RunState(*ended, stage, progress=over / planned)
        progress = (over + sum(state.progress or 0 for state in states if state.state in ACTIVE)) / planned
        return RunState("cancelling" if stopping else "running", "", stage, progress, self._left(progress))

    @property
    def unfinished(self) -> bool:
        """Whether there is a planned run that did not finish, or was never started."""
        return sum(run.finished for run in self.runs()) < len(self.planned)

    def note_start(self, place: int) -> None:
        """Write down the id of the run that is about to carry out the `place`-th of those planned.

        Before it is started, so that a run is not lost, nor started twice, if the sweep is killed between the two.
        """
        write_json(self.folder / "started.json", {str(place): new_id()} | self._started())

    def note_begin(self) -> None:
        """Write down how far the sweep is now that its process begins, by a clock that never jumps."""
        write_json(self.folder / "begun.json", {"clock": time.monotonic(), "done": self._done()})

    def _done(self) -> float:
        """The share of its runs that is done."""
        return sum(run.state().state not in ACTIVE for run in self.runs()) / len(self.planned)

    def _left(self, progress: float) -> float | None:
        """Seconds until all runs are done, at the pace since its process began."""
        path = self.folder / "begun.json"
        begun = read_as(path, _Begun) if is_there(path) else None
        if begun is None or progress <= begun.done:
            return None
        return (time.monotonic() - begun.clock) / (progress - begun.done) * (1 - progress)

    def _started(self) -> dict[str, str]:
        path = self.folder / "started.json"
        return read_as(path, _Started).root if is_there(path) else {}


class Engine(BaseModel):
    """Who carries out the runs of a sweep: this machine, or a Ray cluster (see `ray_cluster.connected`).

    On Ray each run takes `cpus` and `gpus` of the cluster, and the memory that it was estimated to need.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    kind: str = "local"
    address: str | None = None
    cpus: int = 1
    gpus: int = 0


LOCAL = Engine()
"""This machine alone."""


class _Begun(BaseModel):
    """begun.json: the clock when the sweep's process began, and the share of its runs that was done."""

    model_config = ConfigDict(strict=True)

    clock: float
    done: float


class _Planned(BaseModel):
    model_config = ConfigDict(strict=True)

    preset: str
    seed: int
    config: dict[str, Any]
    positives: int | None
    bytes: float = 0.0


class _Description(BaseModel):
    """sweep.json. `damage`: why it could not be read."""

    model_config = ConfigDict(strict=True)

    dataset: str
    name: str
    presets: list[str]
    positives: int
    jobs: int = Field(ge=1)
    engine: Engine = LOCAL
    created: float = Field(ge=0, le=LATEST)
    planned: list[_Planned] = Field(min_length=1)
    damage: str = ""


_NOTHING = {"dataset": "", "presets": [], "positives": 0, "jobs": 1, "engine": LOCAL, "created": 0.0, "planned": []}
"""What is known of a sweep whose sweep.json is damaged."""


class _Started(RootModel[dict[str, str]]):
    """started.json: the id of the run that carries out each plan, by the plan's place."""


def start_sweep(
    workspace: Workspace,
    dataset_id: str,
    presets: list[str],
    seeds: int,
    *,
    settings: list[str] | None = None,
    positives: int | None = None,
    jobs: int = 1,
    engine: Engine = LOCAL,
    name: str = "",
    sweep_id: str = "",
) -> Sweep:
    """Start a sweep as a process of its own that outlives this one.

    `jobs` are at work at once; on Ray, as many as the cluster has room for.

    `settings` (key=value) hold for all its runs, which differ by preset and by seed, 0 to `seeds` − 1, alone.
    `positives`: how many each sees; default 16 times the train clicks. `sweep_id`: the id that it is to have, from
    `new_id`; of several starts with the same id the first starts the sweep and all return it. A UserError names a
    preset that the dataset cannot supply, before anything is started.
    """
    check_numbers(seeds=seeds, jobs=jobs, positives=positives, cpus=engine.cpus, gpus=engine.gpus)
    check_engine(engine.kind, engine.address)
    if engine.kind == "ray" and workspace.remote:
        raise UserError(
            f"a sweep on Ray needs a workspace in a folder that all machines share, not one at {workspace.remote.shown}"
        )
    # a cluster of other machines has other memory: it is asked once the sweep has found it
    free = None if engine.address else room(workspace)
    planned, budget = plan(workspace, dataset_id, presets, seeds, settings or [], positives, free)
    if engine.kind == "local":
        _check_jobs(planned, jobs, free)
    described = {"dataset": dataset_id, "name": name, "presets": presets, "seeds": seeds, "settings": settings or []}
    described |= {"positives": budget, "jobs": jobs, "engine": engine.model_dump()}
    described |= {"created": time.time(), "planned": planned}
    sweep_id = sweep_id or new_id()
    with one_at_a_time(workspace):
        if sweep_id in (folder.name for folder in workspace.sweep_folders()):
            return open_sweep(workspace, sweep_id)
        folder = workspace.new_sweep_folder(sweep_id)
        sweep = Sweep(workspace, folder)
        try:
            with held_lock(folder) as lock:
                write_status(folder, "running")
                write_json(folder / "sweep.json", described)
                _start_child(sweep, lock)
        except (OSError, UserError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise UserError(f"the sweep could not be started: {error}") from error
    return sweep


def resume_sweep(sweep: Sweep) -> None:
    """Go on with a sweep that ended early: its runs that did not finish are resumed, and the missing ones started.

    One that is at work already stays as it is. A UserError where all runs are finished.
    """
    with one_at_a_time(sweep.workspace):
        state = sweep.state()
        if state.state in ACTIVE:
            return
        if state.state == "damaged":
            raise UserError(f"sweep {sweep.id} cannot be resumed: {state.reason}")
        if not sweep.unfinished:
            raise UserError(f"sweep {sweep.id} cannot be resumed: all its runs are finished")
        try:
            with held_lock(sweep.folder) as lock:
                write_status(sweep.folder, "running")
                _start_child(sweep, lock)
        except (OSError, UserError) as error:
            raise UserError(f"sweep {sweep.id} could not be resumed: {error}") from error


def _start_child(sweep: Sweep, lock: int) -> None:
    sweep.note_begin()
    start_process(sweep.folder, "dssm_core.sweep_child", [sweep.workspace.place, sweep.id], lock)


def plan(
    workspace: Workspace,
    dataset_id: str,
    presets: list[str],
    seeds: int,
    settings: list[str],
    positives: int | None = None,
    free: int | None = None,
) -> tuple[list[dict], int]:
    """The runs of a sweep as `Sweep.planned` has them, seed by seed, and how many positives each is to see.

    A UserError names a preset whose run needs more memory than the bytes that are `free`, None for as many as it wants.
    """
    if not presets:
        raise UserError("a sweep needs at least one preset: `presets` lists them")
    configs = {preset: with_settings(find_preset(preset).config, settings) for preset in presets}
    counted = Counted(load_dataset(workspace, dataset_id))
    counts = counted.counts(next(iter(configs.values())))
    budget = positives or DEFAULT_EPOCHS * int(counts.clicks.sum())
    budgeted = {}
    for preset, config in configs.items():
        try:
            need = check_counted(workspace, counted, config, free)
            budgeted[preset] = (*with_budget(config, counts, budget), need.bytes)
        except UserError as error:
            raise UserError(f"preset {preset}: {error}") from None
    planned = [
        {
            "preset": preset,
            "seed": seed,
            "config": {**flatten(config), "seed": seed},
            "positives": seen,
            "bytes": needed,
        }
        for seed in range(seeds)
        for preset, (config, seen, needed) in budgeted.items()
        # a baseline is the same for every seed
        if config.model == "two_tower" or not seed
    ]
    return planned, budget


def check_numbers(**asked: int | None) -> None:
    """A UserError for a number of what `MOST` bounds that is out of its bounds."""
    for what, value in asked.items():
        least = 0 if what == "gpus" else 1
        if value is not None and not least <= value <= MOST[what]:
            raise UserError(f"bad value {value} for {what}: it must be {least} to {MOST[what]:,}")


def _check_jobs(planned: list[dict], jobs: int, free: int) -> None:
    """A UserError where as many of the planned runs as are at work at once do not fit into memory together."""
    largest = sorted((row["bytes"] for row in planned), reverse=True)
    if sum(largest[:jobs]) <= free:
        return
    fitting = next(fewer for fewer in range(jobs, 0, -1) if fewer == 1 or sum(largest[:fewer]) <= free)
    raise UserError(
        f"{jobs} runs at work at once need about {in_words(sum(largest[:jobs]))} of memory, and {in_words(free)} are "
        f"free: let {fitting} be at work at once"
    )


def with_budget(config: Config, counts: TrainCounts, positives: int) -> tuple[Config, int | None]:
    """The config with as many epochs as show it `positives` train clicks, to the nearest epoch; and how many it sees.

    A preset of two stages sees half of them in each, one that thins out popular clicks passes over the rest more often.
    A baseline sees all clicks once, whatever the budget: None.
    """
    if config.model != "two_tower":
        return config, None
    kept = round(float(counts.clicks @ keep_probability(counts.clicks, config.negatives.subsample)))
    stages = 2 if first_stage(config, len(counts.pool)) else 1
    epochs = max(1, round(positives / (stages * max(1, kept))))
    return with_settings(config, [f"train.epochs={epochs}"]), stages * epochs * kept


def list_sweeps(workspace: Workspace) -> list[Sweep]:
    """All sweeps, newest first."""
    return sorted((Sweep(workspace, folder) for folder in workspace.sweep_folders()), key=lambda s: -s.created)


def open_sweep(workspace: Workspace, sweep_id: str) -> Sweep:
    """A sweep by its id; a UserError names one that is not there."""
    return Sweep(workspace, workspace.sweep_folder(sweep_id))


def cancel_sweep(sweep: Sweep, wait: bool = True) -> None:
    """Stop a sweep and its runs at work; those that are finished stay.

    Without `wait` it returns once they were told, and the rest is seen to while this process lives.
    """
    if sweep.state().state not in ACTIVE:
        return
    ask_to_stop(sweep.folder)
    for run in sweep.runs():
        cancel_run(run, wait=False)
    if wait:
        _see_to_the_end(sweep)
    else:
        threading.Thread(target=_see_to_the_end, args=[sweep], daemon=True).start()


def _see_to_the_end(sweep: Sweep) -> None:
    stop_process(sweep.folder)
    # whichever it may have started as it was told to stop
    for run in sweep.runs():
        cancel_run(run)


def delete_sweep(sweep: Sweep, for_good: bool = False) -> None:
    """Forget a sweep; its runs stay. A UserError while it is at work."""
    if sweep.state().state in ACTIVE:
        raise UserError(f"sweep {sweep.id} is at work: cancel it first")
    sweep.workspace.delete_sweep(sweep.id, for_good)


def carried_on(workspace: Workspace, sweep: Sweep, place: int, beside: bool) -> Run:
    """The run of a plan whose start was noted: started if it never was, resumed if it ended early, or finished.

    `beside`: it is at work together with others of the sweep.
    """
    planned = sweep.planned[place]
    name, config = f"{planned['preset']} seed {planned['seed']}", unflatten(planned["config"])
    run = start_run(workspace, sweep.dataset, config, name, planned["preset"], beside, planned["run"])
    if run.state().state in RESUMABLE:
        resume_run(workspace, run, beside)
    return run
