"""Sweeps on Train: choose presets and seeds, watch the whole, open what is finished in Compare."""

import streamlit as st

from dssm_core import commands
from dssm_core.errors import UserError
from dssm_core.free_memory import in_words
from dssm_core.presets import PRESETS
from dssm_core.ray_cluster import ENGINES, is_installed
from dssm_core.readiness import room
from dssm_core.runs import ACTIVE, RunState
from dssm_core.sweeps import (
    LOCAL,
    Engine,
    Sweep,
    cancel_sweep,
    check_numbers,
    list_sweeps,
    plan,
    resume_sweep,
    start_sweep,
)
from dssm_core.workspace import Workspace
from lab import address, at_work, choices, frame, loading, undo, words
from lab.complaint import complain
from lab.language import t, told

_ENGINES = {"local": "This machine", "ray": "Ray cluster"}
_AT = "auto for the one that runs on this machine, or HOST:PORT; its machines must share the workspace's folder"
_AT_ONCE = "As many runs are at work at once as the cluster has CPUs, GPUs and memory for"
_USUAL = ("recommended", "in_batch", "uniform")


def choose(workspace: Workspace, dataset_id: str) -> None:
    """The form of a sweep, what it will take, and its start."""
    asked = _ask()
    presets = asked.pop("presets")
    seeds = asked.pop("seeds")
    problem = _problem(seeds, asked)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = frame.start_button("Start the sweep", disabled=not presets or problem is not None)
        if presets and problem is None:
            frame.command(commands.sweep(workspace, dataset_id, presets, seeds, **asked), "sweep")
    if problem:
        complain(problem)
    elif pressed:
        _start(workspace, dataset_id, presets, seeds, asked)
    elif presets:
        elsewhere = bool(asked["engine"].address)
        _tell_plan(workspace, dataset_id, presets, seeds, asked["settings"], asked["positives"], elsewhere)


def _ask() -> dict:
    """What the form says, as `start_sweep` takes it."""
    changed = address.many("presets", list(PRESETS), list(_USUAL))
    presets = st.multiselect(t("Presets"), list(PRESETS), key="presets", on_change=changed, persist_state="session")
    left, middle, right = st.columns(3)
    with left:
        seeds = _number("seeds", t("Seeds of each"), 3)
    with middle:
        budget = t("The same budget for all: clicks trained on, repeats counted")
        positives = _number(
            "positives", t("Positives each run sees"), None, placeholder=t("16 × the train clicks"), help=budget
        )
    engine, jobs = _choose_engine(), 1
    if engine.kind == "local":
        with right:
            jobs = _number("jobs", t("Runs at work at once"), 1)
    text = _text("settings", t("Settings for all runs"), placeholder=t("such as split.kind=random eval.k=10,50"))
    name = st.text_input(t("Name of the sweep"), key="sweep name", max_chars=80, persist_state="session").strip()
    asked = {"presets": presets, "seeds": seeds, "settings": text.split(), "positives": positives, "jobs": jobs}
    return asked | {"engine": engine, "name": name}


def _number(name: str, label: str, default: int | None, **options: str) -> int | None:
    """A whole number that the address keeps under its name; None where the field is empty."""
    key = f"sweep {name}"
    changed = address.typed(key, name, int, default)
    # no limits for the widget: it would keep to itself what is out of them
    return st.number_input(label, value=None, step=1, key=key, on_change=changed, persist_state="session", **options)


def _text(name: str, label: str, **options: str) -> str:
    """A text that the address keeps under its name."""
    key = f"sweep {name}"
    changed = address.typed(key, name, str, "")
    return st.text_input(label, key=key, on_change=changed, persist_state="session", **options).strip()


def _problem(seeds: int | None, asked: dict) -> UserError | None:
    """Why a sweep of these numbers cannot be, before the log is looked at."""
    engine, jobs = asked["engine"], asked["jobs"] or 0
    try:
        check_numbers(seeds=seeds or 0, positives=asked["positives"], jobs=jobs, cpus=engine.cpus, gpus=engine.gpus)
    except UserError as error:
        return error
    return None


def _choose_engine() -> Engine:
    """Who is to carry out the runs: this machine, or where Ray is installed a cluster."""
    if not is_installed():
        if "ray" in address.take("engine"):
            address.tell_left_out("engine", "ray")
        return LOCAL
    engines = list(ENGINES)
    kind = choices.segments(t("Where"), engines, "engine", LOCAL.kind, format_func=lambda name: t(_ENGINES[name]))
    if kind == "local":
        return LOCAL
    left, middle, right = st.columns(3)
    with left:
        none = t("none: one is started on this machine")
        at = _text("cluster", t("Address of the cluster"), placeholder=none, help=t(_AT))
    with middle:
        cpus = _number("cpus", t("CPUs of each run"), 1, help=t(_AT_ONCE))
    with right:
        gpus = _number("gpus", t("GPUs of each run"), 0)
    return Engine(kind=kind, address=at or None, cpus=cpus or 0, gpus=gpus or 0)


def _start(workspace: Workspace, dataset_id: str, presets: list[str], seeds: int, options: dict) -> None:
    try:
        with st.spinner(t("Looking whether the log has what these presets need …")):
            start_sweep(workspace, dataset_id, presets, seeds, **options, sweep_id=frame.next_id("Start the sweep"))
    except UserError as error:
        complain(error)
        return
    frame.forget_next_id("Start the sweep")
    st.rerun()


def _tell_plan(
    workspace: Workspace,
    dataset_id: str,
    presets: list[str],
    seeds: int,
    settings: list[str],
    positives: int | None,
    elsewhere: bool,
) -> None:
    """What the sweep will be, or why the log cannot supply it; memory of other machines is not looked at."""
    log = loading.stamp(workspace.dataset_folder(dataset_id))
    try:
        key = (log, tuple(presets), seeds, tuple(settings), positives, elsewhere)
        with st.spinner(t("Counting train …")):
            runs, budget, needed = _plan(key, workspace, dataset_id)
    except UserError as error:
        complain(error)
        return
    told_runs = t("{runs}, each seeing about {budget:,} positives.", runs=words.counted(runs, "run"), budget=budget)
    if elsewhere:
        largest = t("The largest of them needs about {needed} of its machine's memory.", needed=in_words(needed))
    else:
        largest = t("{memory}, for the largest of them.", memory=words.memory(needed, room(workspace)))
    st.text(f"{told_runs} {largest}")


@st.cache_data(max_entries=32, show_spinner=False)
def _plan(key: tuple, _workspace: Workspace, _dataset_id: str) -> tuple[int, int, float]:
    """How many runs a sweep has, how many positives each sees, and how many bytes of memory the largest needs."""
    _, presets, seeds, settings, positives, elsewhere = key
    free = None if elsewhere else room(_workspace)
    planned, budget = plan(_workspace, _dataset_id, list(presets), seeds, list(settings), positives, free)
    return len(planned), budget, max(row["bytes"] for row in planned)


def show_progress(sweep: Sweep, state: RunState) -> None:
    """A panel of a sweep at work: how far it is, how long it will take, and a way to stop it."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            _, colour, icon = words.STATES[state.state]
            st.badge(t("sweep"), icon=icon, color=colour)
            st.text(sweep.name)
            if st.button(t("Cancel the sweep"), key=f"cancel {sweep.id}", icon=":material/stop:"):
                cancel_sweep(sweep, wait=False)
                st.rerun()
        st.progress(min(1.0, state.progress or 0.0), at_work.says_sweep(state))


def show_ended(workspace: Workspace) -> None:
    """The sweeps that are over, newest first, each with a link to its runs in Compare."""
    ended = [sweep for sweep in list_sweeps(workspace) if sweep.state().state not in ACTIVE]
    if not ended:
        return
    st.subheader(t("Sweeps"))
    for sweep in ended:
        state = sweep.state()
        with st.container(horizontal=True, vertical_alignment="center"):
            text, colour, icon = words.STATES[state.state]
            st.badge(t(text), icon=icon, color=colour)
            st.text(_says_end(sweep, state))
            _link_to_runs(workspace, sweep, state)
            if state.state != "damaged" and sweep.unfinished:
                _offer_resume(workspace, sweep)
            undo.ask(workspace, sweep.id, sweep.name, t("{sweep} goes; its runs stay.", sweep=sweep.name))


def _says_end(sweep: Sweep, state: RunState) -> str:
    """How many of a sweep's runs finished, and why not more did."""
    told_so = {"sweep": sweep.name, "runs": told(state.stage)}
    if not state.reason or state.reason == state.state:
        return t("{sweep}: {runs}", **told_so)
    return t("{sweep}: {runs}, {reason}", **told_so, reason=told(state.reason))


def _link_to_runs(workspace: Workspace, sweep: Sweep, state: RunState) -> None:
    runs = [run for run in sweep.runs() if run.finished] if state.state != "damaged" else []
    if not runs:
        return
    beside = loading.comparable(loading.finished_runs(workspace), runs[0])
    baselines = [run.id for run in beside if run.model != "two_tower"]
    st.page_link(
        "pages/compare.py",
        label=t("Compare its runs"),
        icon=":material/balance:",
        query_params={"compared": list(dict.fromkeys([*(run.id for run in runs), *baselines]))},
    )


def _offer_resume(workspace: Workspace, sweep: Sweep) -> None:
    text = t("Its runs that did not finish go on from their last whole epoch, and the missing ones are started")
    if st.button(t("Resume"), key=f"resume {sweep.id}", icon=":material/resume:", help=text):
        try:
            resume_sweep(sweep)
        except UserError as error:
            complain(error)
            return
        st.rerun()
    frame.command(commands.line(workspace, "resume", sweep.id), sweep.id)
