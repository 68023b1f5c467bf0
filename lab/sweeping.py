"""Sweeps on Train: choose presets and seeds, watch the whole, open what is finished in Compare."""

import streamlit as st

from dssm_core.errors import UserError
from dssm_core.free_memory import in_words
from dssm_core.presets import PRESETS
from dssm_core.ray_cluster import ENGINES, is_installed
from dssm_core.readiness import room
from dssm_core.runs import ACTIVE
from dssm_core.sweeps import (
    LOCAL,
    MOST,
    Engine,
    Sweep,
    cancel_sweep,
    list_sweeps,
    plan,
    resume_sweep,
    start_sweep,
)
from dssm_core.workspace import Workspace
from lab import address, frame, loading, undo, words
from lab.language import t

_ENGINES = {"local": "This machine", "ray": "Ray cluster"}
_AT_ONCE = "As many runs are at work at once as the cluster has CPUs, GPUs and memory for"
_USUAL = ("recommended", "in_batch", "uniform")


def choose(workspace: Workspace, dataset_id: str) -> None:
    """The form of a sweep, what it will take, and its start."""
    changed = address.many("presets", list(PRESETS), list(_USUAL))
    presets = st.multiselect("Presets", list(PRESETS), key="presets", on_change=changed, persist_state="session")
    left, middle, right = st.columns(3)
    seeds = left.number_input("Seeds of each", 1, 20, 3, key="sweep seeds", persist_state="session")
    engine = _choose_engine()
    jobs = 1
    if engine.kind == "local":
        jobs = right.number_input("Runs at work at once", 1, 16, 1, key="sweep jobs", persist_state="session")
    positives = middle.number_input(
        "Positives each run sees",
        1,
        None,
        None,
        placeholder="16 × the train clicks",
        key="sweep positives",
        persist_state="session",
        help="The same budget for all: clicks trained on, repeats counted",
    )
    text = st.text_input(
        "Settings for all runs",
        key="sweep settings",
        placeholder="such as split.kind=random eval.k=10,50",
        persist_state="session",
    )
    name = st.text_input("Name of the sweep", key="sweep name", max_chars=80, persist_state="session")
    asked = {"settings": text.split(), "positives": positives}
    if frame.start_button("Start the sweep", disabled=not presets):
        _start(workspace, dataset_id, presets, seeds, asked | {"jobs": jobs, "engine": engine, "name": name.strip()})
    elif presets:
        _tell_plan(workspace, dataset_id, presets, seeds, **asked, elsewhere=bool(engine.address))


def _choose_engine() -> Engine:
    """Who is to carry out the runs: this machine, or where Ray is installed a cluster."""
    if not is_installed():
        return LOCAL
    kind = st.segmented_control(
        "Where",
        list(ENGINES),
        default=LOCAL.kind,
        format_func=_ENGINES.get,
        required=True,
        key="sweep engine",
        persist_state="session",
    )
    if kind == "local":
        return LOCAL
    left, middle, right = st.columns(3)
    at = left.text_input(
        "Address of the cluster",
        key="sweep address",
        placeholder="none: one is started on this machine",
        persist_state="session",
        help="auto for the one that runs on this machine, or HOST:PORT; its machines must share the workspace's folder",
    )
    cpus = middle.number_input(
        "CPUs of each run", 1, MOST["cpus"], 1, key="sweep cpus", persist_state="session", help=_AT_ONCE
    )
    gpus = right.number_input("GPUs of each run", 0, MOST["gpus"], 0, key="sweep gpus", persist_state="session")
    return Engine(kind=kind, address=at.strip() or None, cpus=cpus, gpus=gpus)


def _start(workspace: Workspace, dataset_id: str, presets: list[str], seeds: int, options: dict) -> None:
    try:
        with st.spinner("Looking whether the log has what these presets need …"):
            start_sweep(workspace, dataset_id, presets, seeds, **options, sweep_id=frame.next_id("Start the sweep"))
    except UserError as error:
        frame.complain(error)
        return
    frame.forget_next_id("Start the sweep")
    st.rerun()


def _tell_plan(workspace, dataset_id, presets, seeds, settings, positives, elsewhere) -> None:
    """What the sweep will be, or why the log cannot supply it; memory of other machines is not looked at."""
    log = loading.stamp(workspace.dataset_folder(dataset_id))
    try:
        key = (log, tuple(presets), seeds, tuple(settings), positives, elsewhere)
        runs, budget, needed = _plan(key, workspace, dataset_id)
    except UserError as error:
        frame.complain(error)
        return
    told = f"{words.counted(runs, 'run')}, each seeing about {budget:,} positives."
    if elsewhere:
        st.text(f"{told} The largest of them needs about {in_words(needed)} of its machine's memory.")
    else:
        st.text(f"{told} {words.memory(needed, room(workspace))}, for the largest of them.")


@st.cache_data(max_entries=32, show_spinner="Counting train …")
def _plan(key: tuple, _workspace: Workspace, _dataset_id: str) -> tuple[int, int, float]:
    """How many runs a sweep has, how many positives each sees, and how many bytes of memory the largest needs."""
    _, presets, seeds, settings, positives, elsewhere = key
    free = None if elsewhere else room(_workspace)
    planned, budget = plan(_workspace, _dataset_id, list(presets), seeds, list(settings), positives, free)
    return len(planned), budget, max(row["bytes"] for row in planned)


def show_progress(sweep: Sweep) -> None:
    """A panel of a sweep at work: how far it is, how long it will take, and a way to stop it."""
    state = sweep.state()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            _, colour, icon = words.STATES[state.state]
            st.badge("sweep", icon=icon, color=colour)
            st.text(sweep.name)
            if st.button("Cancel the sweep", key=f"cancel {sweep.id}", icon=":material/stop:"):
                cancel_sweep(sweep, wait=False)
                st.rerun()
        left = f", {words.duration(state.eta_s)} left" if state.eta_s is not None else ""
        st.progress(min(1.0, state.progress or 0.0), f"{state.stage} done{left}")


def show_ended(workspace: Workspace) -> None:
    """The sweeps that are over, newest first, each with a link to its runs in Compare."""
    ended = [sweep for sweep in list_sweeps(workspace) if sweep.state().state not in ACTIVE]
    if not ended:
        return
    st.subheader("Sweeps")
    for sweep in ended:
        state = sweep.state()
        runs = [run for run in sweep.runs() if run.finished] if state.state != "damaged" else []
        with st.container(horizontal=True, vertical_alignment="center"):
            text, colour, icon = words.STATES[state.state]
            st.badge(text, icon=icon, color=colour)
            st.text(f"{sweep.name}: {state.stage}{', ' + state.reason if state.reason else ''}")
            if runs:
                beside = loading.comparable(loading.finished_runs(workspace), runs[0])
                baselines = [run.id for run in beside if run.model != "two_tower"]
                st.page_link(
                    "pages/compare.py",
                    label="Compare its runs",
                    icon=":material/balance:",
                    query_params={"compared": list(dict.fromkeys([*(run.id for run in runs), *baselines]))},
                )
            if state.state != "damaged" and sweep.unfinished:
                _offer_resume(sweep)
            undo.ask(workspace, sweep.id, sweep.name, t("{sweep} goes; its runs stay.", sweep=sweep.name))


def _offer_resume(sweep: Sweep) -> None:
    text = "Its runs that did not finish go on from their last whole epoch, and the missing ones are started"
    if st.button("Resume", key=f"resume {sweep.id}", icon=":material/resume:", help=text):
        try:
            resume_sweep(sweep)
        except UserError as error:
            frame.complain(error)
            return
        st.rerun()
