"""What is at work: found at next to no cost, and shown in the sidebar of every page, which polls only meanwhile."""

import streamlit as st

from dssm_core.errors import UserError
from dssm_core.processes import is_locked
from dssm_core.runs import ACTIVE, Run, RunState, cancel_run, open_run
from dssm_core.sweeps import Sweep, cancel_sweep
from dssm_core.workspace import Workspace
from lab import address, loading, tables, words
from lab.language import t, told

_POLL = "2s"
_WATCHED, _ENDED = "watched runs", "ended run"
"""Where the session keeps the ids of the runs that it saw at work, and of the one that ended last."""
_STAGES = {
    "load": "reading the dataset",
    "split": "cutting train and test",
    "features": "building the features",
    "negatives": "preparing the negatives",
    "train": "training",
    "embed": "computing the vectors",
    "index": "building the index",
    "baselines": "computing the baselines that are missing",
    "evaluate": "measuring",
    "save": "saving",
}


Sweeps = list[tuple[Sweep, RunState]]
Runs = list[tuple[Run, RunState]]


def find(workspace: Workspace) -> tuple[Sweeps, Runs]:
    """The sweeps and runs that a process is at work on, with their states: oldest first, runs that wait last."""
    # whoever is at work holds a lock: of the others no file is read
    sweeps = [Sweep(workspace, folder) for folder in workspace.sweep_folders()[::-1] if is_locked(folder)]
    runs = [Run(folder) for folder in workspace.unfinished_run_folders()[::-1] if is_locked(folder)]
    return _active(sweeps), sorted(_active(runs), key=lambda found: found[1].state == "queued")


def _active(ones: list) -> list[tuple]:
    states = [(one, one.state()) for one in ones]
    return [(one, state) for one, state in states if state.state in ACTIVE]


def says(state: RunState) -> str:
    """What a run is doing and how long that takes: "training: 3 min 20 s left, then …"."""
    if state.stage == "train" and state.eta_s is not None:
        # what follows is not foretold, and not passed over
        left = words.duration(state.eta_s)
        return t("training: {left} left, then measuring and the baselines that are missing", left=left)
    if state.stage == "baselines" and state.part:
        return t("computing the baseline {baseline}", baseline=state.part)
    if state.part:
        return told(state.part)
    return t(_STAGES.get(state.stage, "starting"))


def says_sweep(state: RunState) -> str:
    """How far a sweep is, and how long it will take."""
    if state.eta_s is None:
        return t("{done} done", done=told(state.stage))
    return t("{done} done, {left} left", done=told(state.stage), left=words.duration(state.eta_s))


def show(workspace: Workspace, page: str) -> None:
    """What is at work, and how what this session saw at work ended. `page`: the title of the page that it is beside."""
    sweeps, runs = find(workspace)
    _note_ends(runs)
    if sweeps or runs:

        @st.fragment(run_every=_POLL)
        def watch() -> None:
            sweeps, runs = find(workspace)
            _note_ends(runs)
            if not sweeps and not runs:
                st.rerun()  # without this panel, which then polls no more
            _show_work(sweeps, runs, linked=page != "Train")
            _show_end(workspace, page)

        watch()
    else:
        _show_end(workspace, page)


def _show_work(sweeps: Sweeps, runs: Runs, linked: bool) -> None:
    with st.container(border=True, gap="xsmall"):
        for sweep, state in sweeps:
            _show_one(
                sweep.id, sweep.name, state, says_sweep(state), lambda sweep=sweep: cancel_sweep(sweep, wait=False)
            )
        waiting = [run for run, state in runs if state.state == "queued"]
        for run, state in runs:
            if run not in waiting or len(runs) == 1:
                doing = t("waiting its turn") if state.state == "queued" else says(state)
                _show_one(run.id, words.run_name(run), state, doing, lambda run=run: cancel_run(run, wait=False))
        if waiting:
            st.caption(t("Waiting: {runs}", runs=words.counted(len(waiting), "run")))
        if linked:
            st.page_link("pages/train.py", label=t("Watch on Train"), icon=":material/monitoring:")


def _show_one(id: str, name: str, state: RunState, doing: str, cancel) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"):
        st.text(name)
        st.button(
            t("Cancel"),
            key=f"sidebar cancel {id}",
            icon=":material/stop:",
            type="tertiary",
            on_click=cancel,
            disabled=state.state == "cancelling",
        )
    st.progress(min(1.0, state.progress or 0.0), t("stopping") if state.state == "cancelling" else doing)


def _note_ends(runs: Runs) -> None:
    """Remember which of the runs that were at work, as this session saw, are no more."""
    now = [run.id for run, _ in runs]
    if st.session_state.get(_ENDED) in now:  # it was resumed
        st.session_state[_ENDED] = None
    over = [id for id in st.session_state.get(_WATCHED, []) if id not in now]
    st.session_state[_WATCHED] = now
    if over:
        st.session_state[_ENDED] = over[-1]


def _show_end(workspace: Workspace, page: str) -> None:
    """How the run that ended last did, until that is dismissed."""
    if not st.session_state.get(_ENDED):
        return
    try:
        run = open_run(workspace, st.session_state[_ENDED])
    except UserError:  # deleted meanwhile
        return
    with st.container(border=True, gap="xsmall"):
        st.text(_says_end(run))
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            _offer(run, page)
            st.button(t("Dismiss"), key="dismiss end", icon=":material/close:", type="tertiary", on_click=_dismiss)


def _offer(run: Run, page: str) -> None:
    label, icon = t("Open it"), ":material/open_in_new:"
    if page != "Train":
        st.page_link("pages/train.py", label=label, icon=icon, query_params={"run": run.id})
    # a link to the page that one is on is no coming to it
    elif st.button(label, key="open end", icon=icon, type="tertiary", on_click=address.choose, args=("run", run.id)):
        st.rerun()


def _says_end(run: Run) -> str:
    name, state = words.run_name(run), run.state().state
    if state != "finished":
        return t("{run}: {state}", run=name, state=t(words.STATES[state][0]))
    metric = f"recall@{tables.headline_k(run)}"
    value = words.interval(loading.metrics(run)["metrics"].get(metric, {}))
    return t("{run} finished: {metric} {value}", run=name, metric=metric, value=value)


def _dismiss() -> None:
    st.session_state[_ENDED] = None
