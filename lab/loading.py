"""Readers of the workspace that remember what they read, by id and by when the files last changed.

What these return is shared by all sessions: read it, never change it.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from dssm_core import leakage, readiness, runs, workspace
from dssm_core.comparable import comparison_key
from dssm_core.config import Config, flatten
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.export import Vectors, read_vectors
from dssm_core.manifest import MANIFEST
from dssm_core.memory_bound import Need
from dssm_core.notes import read_notes
from dssm_core.readers import Readers
from dssm_core.readiness import Counted
from dssm_core.runs import Run
from dssm_core.split import Split, make_split
from dssm_core.stored_files import is_there
from dssm_core.workspace import Workspace
from lab import words
from lab.language import t, told

_SPLIT_SECTIONS = ("split", "pool")


def dataset(space: Workspace, dataset_id: str) -> Dataset:
    """A whole dataset; a UserError names one that is unknown or unfinished."""
    return _dataset(stamp(space.dataset_folder(dataset_id)), dataset_id, space)


def split(data: Dataset, space: Workspace, config: Config) -> Split:
    """The dataset cut as a run's config says."""
    return _split(stamp(space.dataset_folder(data.id)), split_key(config), data, config)


def need(data: Dataset, space: Workspace, config: Config) -> Need:
    """What a run of a config will hold in memory; a UserError where the log cannot supply it."""
    key = stamp(space.dataset_folder(data.id))
    return _need(key, config.model_dump_json(), space, _counted(key, split_key(config), data), config)


def guards(data: Dataset, space: Workspace, config: Config) -> list[leakage.Guard]:
    """The leakage report of a dataset under a config's split."""
    return _guards(stamp(space.dataset_folder(data.id)), split_key(config), data, split(data, space, config))


def all_runs(space: Workspace) -> list[Run]:
    """Runs, newest first and trained ones before the baselines that came with them; bundled ones last."""
    listed = runs.list_runs(space)
    return sorted(listed, key=lambda run: (run.bundled, run.model != "two_tower", -run.created))


def finished_runs(space: Workspace) -> list[Run]:
    """Runs that are whole, in the order of `all_runs`."""
    return [run for run in all_runs(space) if run.finished]


def comparable(some: list[Run], with_: Run) -> list[Run]:
    """Of some runs those that answer the same question as `with_`, itself included."""
    wanted = comparison_key(with_.dataset, with_.config)
    return [run for run in some if comparison_key(run.dataset, run.config) == wanted]


def best_trained(some: list[Run], metric: str = "recall@50") -> Run:
    """The best by a metric of those that were trained, else of all."""
    trained = [run for run in some if run.model == "two_tower"] or some
    return max(trained, key=lambda run: metrics(run)["metrics"].get(metric, {}).get("value") or 0)


def first_shown(some: list[Run]) -> Run:
    """Of runs in the order of `all_runs`, the one to open first: the newest own trained one, else the best bundled."""
    own = [run for run in some if not run.bundled]
    return next((run for run in own if run.model == "two_tower"), own[0]) if own else best_trained(some)


def metrics(run: Run) -> dict:
    """A finished run's metrics.json."""
    return _metrics(stamp(run.folder), run)


def recall(run: Run) -> pd.DataFrame:
    """A finished run's recall lists."""
    return _recall(stamp(run.folder), run)


def held_out(run: Run) -> pd.DataFrame:
    """A finished run's held-out clicks, with rank and reason."""
    return _held_out(stamp(run.folder), run)


def per_user(run: Run) -> pd.DataFrame:
    """A finished run's metrics user by user."""
    return _per_user(stamp(run.folder), run)


def readers(data: Dataset, space: Workspace, config: Config) -> Readers:
    """Who clicked which article in train, under a config's split."""
    return _readers(stamp(space.dataset_folder(data.id)), split_key(config), data, split(data, space, config))


def vectors(run: Run, side: str) -> Vectors | None:
    """The rows and vectors of a finished run's "users" or "articles"; None for a baseline."""
    return _vectors(stamp(run.folder), side, run)


def with_vectors(some: list[Run]) -> list[Run]:
    """Of some runs those that have vectors, which baselines have not."""
    return [run for run in some if run.model == "two_tower" and vectors(run, "articles") is not None]


def tagged(labels: dict[str, str], some: list[Run]) -> dict[str, str]:
    """The labels of some runs, by id, with their tags behind them."""
    tags = {run.id: "".join(f" #{tag}" for tag in read_notes(run).tags) for run in some if not run.bundled}
    return {id: label + tags.get(id, "") for id, label in labels.items()}


def left_out(space: Workspace, listed: list[Run], finished: list[Run], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """For each wanted run id that is not among the `finished` ones, a sentence on why it cannot be shown, and its id if
    Train has more to say of it, else ""; then the same of other runs that are damaged. `listed`: all runs."""
    known = {run.id for run in finished}
    missing = [id for id in wanted if id not in known]
    damaged = [run.id for run in listed if run.id not in known and run.id not in missing and run.damage]
    told_of = [_why_left_out(space, id) for id in missing]
    if damaged:
        sentence = t("Left out, since their files are damaged: {runs}. Train says what to do.", runs=", ".join(damaged))
        told_of.append((sentence, damaged[0]))
    return told_of


def _why_left_out(space: Workspace, run_id: str) -> tuple[str, str]:
    try:
        state = runs.open_run(space, run_id).state()
    except UserError:
        return t("Run {run} is not in this workspace: it was deleted, or belongs to another.", run=run_id), ""
    if state.state == "damaged":
        return f"{told(state.reason)}.", run_id
    is_now = t(words.STATES[state.state][0])
    sentence = t("Run {run} is {state}, so it has nothing to show here yet.", run=run_id, state=is_now)
    if state.state == "failed" and state.reason:
        reason = t("The reason: {reason}.", reason=told(state.reason))
        sentence = f"{sentence} {reason}"
    return sentence, run_id


def stamps(some: list[Run]) -> tuple[str, ...]:
    """What a cache of something computed from several runs is keyed on."""
    return tuple(stamp(run.folder) for run in some)


def split_key(config: Config) -> str:
    """A text that two configs share exactly when they cut and pool a dataset alike."""
    return str({key: value for key, value in flatten(config).items() if key.split(".")[0] in _SPLIT_SECTIONS})


def stamp(folder: Path) -> str:
    """A text that changes with a dataset's or run's files: what a cache of something read from them is keyed on."""
    manifest = folder / MANIFEST
    return f"{folder} {manifest.lstat().st_mtime_ns if is_there(manifest) else 0}"


@st.cache_resource(max_entries=2, show_spinner=False)
def _counted(stamp: str, split_key: str, _data: Dataset) -> Counted:
    return Counted(_data)


@st.cache_data(max_entries=64, show_spinner=False)
def _need(stamp: str, config_key: str, _space: Workspace, _counted: Counted, _config: Config) -> Need:
    return readiness.need(_space, _counted, _config)


@st.cache_resource(max_entries=4, show_spinner=False)
def _dataset(stamp: str, dataset_id: str, _space: Workspace) -> Dataset:
    return workspace.load_dataset(_space, dataset_id)


@st.cache_resource(max_entries=8, show_spinner=False)
def _split(stamp: str, key: str, _data: Dataset, _config: Config) -> Split:
    return make_split(_data, _config.split, _config.pool)


@st.cache_resource(max_entries=4, show_spinner=False)
def _readers(stamp: str, key: str, _data: Dataset, _split: Split) -> Readers:
    return Readers.of(_data, _split)


@st.cache_resource(max_entries=8, show_spinner=False)
def _vectors(stamp: str, side: str, _run: Run) -> Vectors | None:
    return read_vectors(_run, side)


@st.cache_resource(max_entries=16, show_spinner=False)
def _guards(stamp: str, key: str, _data: Dataset, _split: Split) -> list[leakage.Guard]:
    return leakage.leakage_report(_data, _split)


@st.cache_resource(max_entries=200, show_spinner=False)
def _metrics(stamp: str, _run: Run) -> dict:
    return _run.metrics()


@st.cache_resource(max_entries=16, show_spinner=False)
def _recall(stamp: str, _run: Run) -> pd.DataFrame:
    return _run.recall()


@st.cache_resource(max_entries=80, show_spinner=False)
def _held_out(stamp: str, _run: Run) -> pd.DataFrame:
    return _run.held_out()


@st.cache_resource(max_entries=80, show_spinner=False)
def _per_user(stamp: str, _run: Run) -> pd.DataFrame:
    return _run.per_user()
