"""Train: turn the knobs, start a run, watch it learn."""

import pandas as pd
import streamlit as st

from dssm_core import commands
from dssm_core.config import Config, settings_between
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.presets import PRESETS
from dssm_core.readiness import check, room
from dssm_core.runs import ACTIVE, Run, RunState, cancel_run, start_run
from dssm_core.workspace import Workspace
from lab import (
    address,
    at_work,
    choices,
    curves,
    frame,
    knob_link,
    knobs,
    loading,
    open_run,
    run_notes,
    skeleton,
    sweeping,
    words,
)
from lab.complaint import complain
from lab.language import t, told
from lab.open_run import ONE_RUN

SWEEP = "Sweep: presets × seeds"
_POLL = "1s"
_HEADLINE = "recall@50"
_NAME_CHARACTERS = 80


def main() -> None:
    workspace = frame.start("Train")
    st.title(t("Train"))
    with frame.plain_errors():
        manifests = workspace.datasets()
        if not manifests:
            frame.empty(
                t("There is no dataset to train on yet."),
                ("pages/data.py", t("Bring one, or make a demo log"), ":material/table_rows:"),
            )
            return
        tell_missing(workspace)
        show_start(workspace, {manifest["id"]: manifest for manifest in manifests})
        show_active(workspace)
        sweeping.show_ended(workspace)
        show_runs(workspace)


def tell_missing(workspace: Workspace) -> None:
    """Say of the run that a link asks for, or that was open, that it is gone, where it is."""
    asked = address.asked("run")
    if asked and all(folder.name != asked for folder in workspace.run_folders()):
        for sentence, _ in loading.left_out(workspace, [], [], [asked]):
            st.info(words.as_markdown(sentence), icon=":material/info:")


def show_start(workspace: Workspace, manifests: dict[str, dict]) -> None:
    with st.container(border=True):
        what = choices.segments(t("What to start"), [ONE_RUN, SWEEP], "what", format_func=t)
        left, right = st.columns(2)
        dataset_id = choices.dataset(manifests, "click", left)
        if what == SWEEP:
            sweeping.choose(workspace, dataset_id)
            return
        knob_link.take()
        preset = right.selectbox(
            t("Preset"), list(PRESETS), key="preset", on_change=turn_to_preset, persist_state="session"
        )
        chosen = PRESETS[preset]
        st.text(t("{summary} Source: {source}", summary=t(chosen.summary), source=chosen.source))
        for complaint in knob_link.complaints():
            st.warning(words.as_markdown(complaint), icon=":material/link_off:")
        with skeleton.of(300, t("Reading the dataset …")):
            dataset = loading.dataset(workspace, dataset_id)
        config = turn_knobs(workspace, preset, dataset)
        name = choose_name(workspace, preset, config)
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = frame.start_button("Start", disabled=config is None)
            if config:
                frame.command(commands.train(workspace, dataset_id, preset, config, name), "train")
                show_need(workspace, dataset, config)
        if pressed:
            start(workspace, dataset, config, name, preset)


def choose_name(workspace: Workspace, preset: str, config: Config | None) -> str:
    """The name of the run to be: what is typed, or of a clone the run's and what was changed; "" for the preset's."""
    like = cloned(workspace)
    proposed = name_of_clone(like, config) if like and config else ""
    typed = st.text_input(
        t("Name of the run"),
        key="run name",
        placeholder=proposed or preset,
        max_chars=_NAME_CHARACTERS,
        persist_state="session",
    )
    return typed.strip() or proposed


def cloned(workspace: Workspace) -> Run | None:
    """The run whose knobs were taken over, while it is there and can be read."""
    wanted = st.session_state.get(knobs.LIKE)
    run = next((run for run in loading.all_runs(workspace) if run.id == wanted), None) if wanted else None
    return None if run is None or run.problem or run.damage else run


def name_of_clone(run: Run, config: Config) -> str:
    changed = ", ".join(settings_between(run.config, config))
    return f"{words.run_name(run)}, {changed}"[:_NAME_CHARACTERS] if changed else words.run_name(run)


def start(workspace: Workspace, dataset: Dataset, config: Config, name: str, preset: str) -> None:
    """Start a run, or say at once what this log cannot supply."""
    try:
        with st.spinner(t("Looking whether the log has what this needs …")):
            check(workspace, dataset, config)
        run = start_run(workspace, dataset.id, config, name, preset, run_id=frame.next_id("Start"))
    except UserError as error:
        complain(error)
        return
    frame.forget_next_id("Start")
    knob_link.forget_complaints()
    address.choose("run", run.id)
    st.rerun()


def show_need(workspace: Workspace, dataset: Dataset, config: Config) -> None:
    """What the run will take of the memory that is free, or what of the config the log cannot supply."""
    try:
        with st.spinner(t("Estimating the memory …")):
            need = loading.need(dataset, workspace, config)
        st.text(words.memory(need.bytes, room(workspace)))
    except UserError as error:
        st.text(told(str(error)))


def turn_to_preset() -> None:
    knob_link.forget_complaints()
    knobs.set_all(PRESETS[st.session_state["preset"]].config)


def turn_knobs(workspace: Workspace, preset: str, dataset: Dataset) -> Config | None:
    """The config that the knobs say, with what differs from the preset; None while a value is bad."""
    wanted = PRESETS[preset].config
    if wanted.model != "two_tower":
        st.caption(t("A baseline: it has no knobs but how the log is cut and what is measured."))
    settings = {}
    front = [key for key in knobs.FRONT if wanted.model == "two_tower"]
    for row in (front[:4], front[4:]):
        for column, key in zip(st.columns(4), row, strict=False):
            with column:
                settings[key] = knobs.knob(key, dataset)
    sections = {
        section: keys
        for section, keys in knobs.sections().items()
        if wanted.model == "two_tower" or section in ("split", "pool", "eval")
    }
    with st.expander(t("All other knobs"), icon=":material/tune:"):
        for tab, keys in zip(st.tabs(list(sections)), sections.values(), strict=True):
            with tab:
                settings |= turn_section(keys, dataset)
    try:
        config = knobs.read(wanted.model, settings)
    except UserError as error:
        complain(error)
        return None
    knob_link.write(preset, config)
    show_differences(workspace, wanted, config)
    return config


def turn_section(keys: list[str], dataset: Dataset) -> dict:
    settings = {}
    for start in range(0, len(keys), 3):
        for column, key in zip(st.columns(3), keys[start : start + 3], strict=False):
            with column:
                settings[key] = knobs.knob(key, dataset)
    return settings


def show_differences(workspace: Workspace, preset: Config, config: Config) -> None:
    """What differs from the preset, and from the run whose knobs were taken over."""
    if changed := knobs.differing(preset, config):
        st.text(t("Differs from the preset: {changed}", changed=changed))
    like = cloned(workspace)
    if like is None:
        return
    name = words.run_label(like)
    if changed := knobs.differing(like.config, config):
        st.text(t("Differs from run {run}: {changed}", run=name, changed=changed))
    else:
        st.text(t("As run {run}.", run=name))


def show_active(workspace: Workspace) -> None:
    """Sweeps and runs that are running or queued, redrawn every second while there are any."""
    before = at_work.find(workspace)
    if not any(before):
        return
    st.subheader(t("At work"))

    @st.fragment(run_every=_POLL)
    def watch() -> None:
        sweeps, runs = now = at_work.find(workspace)
        if ids_of(now) != ids_of(before):
            st.rerun()
        for sweep, state in sweeps:
            sweeping.show_progress(sweep, state)
        for place, (run, state) in enumerate(runs):
            show_progress(run, state, place)
        running = next((run for run, state in runs if state.state == "running"), None)
        if running and running.model == "two_tower":
            curves.show(running, at_work=True)

    watch()


def ids_of(found: tuple[at_work.Sweeps, at_work.Runs]) -> list[list[str]]:
    return [[one.id for one, _ in ones] for ones in found]


def show_progress(run: Run, state: RunState, before: int) -> None:
    """A panel of a run at work; `before`: how many are at work or wait before it."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            frame.state_badge(state)
            st.text(words.run_name(run))
            if st.button(t("Cancel"), key=f"cancel {run.id}", icon=":material/stop:"):
                cancel_run(run, wait=False)
                st.rerun()
        if state.state != "queued":
            st.progress(state.progress or 0.0, at_work.says(state))
        elif before:
            st.caption(t("It starts after {runs}.", runs=words.counted(before, "run")))


def show_runs(workspace: Workspace) -> None:
    st.subheader(t("Runs"))
    listed = loading.all_runs(workspace)
    if not listed:
        st.text(t("No run yet: start one above."))
        return
    tags = run_notes.tags_of(listed)
    runs = run_notes.choose(listed, tags)
    if not runs:
        st.text(t("No run has all of these tags."))
        return
    columns = {
        "state": st.column_config.TextColumn(t("state"), width=130),
        "tags": st.column_config.ListColumn(t("tags"), width=150),
        _HEADLINE: st.column_config.TextColumn(_HEADLINE, width=140, alignment="right"),
        **{name: st.column_config.TextColumn(t(name)) for name in ("run", "preset", "started", "dataset", "id")},
    }
    frame.table(run_table(workspace, runs, tags), "runs", height=frame.all_rows(runs, 8), **columns)
    st.caption(t("Only runs of the same dataset, split, pool and lengths of the list can be compared."))
    by_id = {run.id: run for run in runs}
    label = words.run_labels(runs, workspace.datasets())
    first = runs[0].id if not runs[0].finished else loading.first_shown(runs).id
    chosen = choices.select(t("Open a run"), list(by_id), "run", first, format_func=label.get)
    open_run.show(workspace, by_id[chosen], sorted({tag for some in tags.values() for tag in some}))


def run_table(workspace: Workspace, runs: list[Run], tags: dict[str, list[str]]) -> pd.DataFrame:
    datasets = words.dataset_names(workspace.datasets())
    rows = []
    for run in runs:
        state = run.state().state
        headline = loading.metrics(run)["metrics"].get(_HEADLINE, {}) if state == "finished" else {}
        rows.append(
            {
                "run": words.run_name(run),
                # the table is not redrawn every second, the panel above is
                "state": t("at work, see above" if state in ACTIVE else words.STATES[state][0]),
                _HEADLINE: words.interval(headline) if state == "finished" else "",
                "tags": tags[run.id],
                "preset": run.preset,
                "started": words.started(run),
                "dataset": datasets.get(run.dataset, t("deleted")),
                "id": run.id,
            }
        )
    return pd.DataFrame(rows).drop(columns=[] if any(tags.values()) else "tags")


main()
