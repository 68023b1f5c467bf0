"""Train: turn the knobs, start a run, watch it learn."""

import pandas as pd
import streamlit as st

from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.presets import PRESETS
from dssm_core.readiness import check, room
from dssm_core.runs import ACTIVE, RESUMABLE, Run, RunState, cancel_run, list_runs, resume_run, start_run
from dssm_core.sweeps import Sweep, list_sweeps
from dssm_core.workspace import Workspace
from lab import address, figures, frame, knobs, loading, sweeping, tables, undo, words
from lab.language import t

ONE_RUN, SWEEP = "One run", "Sweep: presets × seeds"
_POLL = "1s"
_HEADLINE = "recall@50"
_RUN_COLUMNS = {
    "state": st.column_config.TextColumn("state", width=130),
    _HEADLINE: st.column_config.TextColumn(_HEADLINE, width=140, alignment="right"),
}


def main() -> None:
    workspace = frame.start("Train")
    st.title("Train")
    with frame.plain_errors():
        manifests = workspace.datasets()
        if not manifests:
            frame.empty(
                "There is no dataset to train on yet.",
                ("pages/data.py", "Bring one, or make a demo log", ":material/table_rows:"),
            )
            return
        show_start(workspace, {manifest["id"]: manifest for manifest in manifests})
        show_active(workspace)
        sweeping.show_ended(workspace)
        show_runs(workspace)


def show_start(workspace: Workspace, manifests: dict[str, dict]) -> None:
    with st.container(border=True):
        changed = address.one("what", [ONE_RUN, SWEEP])
        what = st.segmented_control(
            "What to start", [ONE_RUN, SWEEP], required=True, key="what", on_change=changed, persist_state="session"
        )
        left, right = st.columns(2)
        changed = address.one("dataset", list(manifests))
        names = words.dataset_names(list(manifests.values()))
        label = {id: f"{names[id]} · {m['clicks']:,} clicks" for id, m in manifests.items()}
        dataset_id = left.selectbox(
            "Dataset", list(manifests), key="dataset", format_func=label.get, on_change=changed, persist_state="session"
        )
        if what == SWEEP:
            sweeping.choose(workspace, dataset_id)
            return
        if "preset" not in st.session_state:
            st.session_state["preset"] = next(iter(PRESETS))
            turn_to_preset()
        preset = right.selectbox(
            "Preset", list(PRESETS), key="preset", on_change=turn_to_preset, persist_state="session"
        )
        st.text(f"{PRESETS[preset].summary} Source: {PRESETS[preset].source}")
        config = turn_knobs(preset, loading.dataset(workspace, dataset_id))
        name = st.text_input(
            "Name of the run", key="run name", placeholder=preset, max_chars=80, persist_state="session"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = frame.start_button("Start", disabled=config is None)
            if config:
                show_need(workspace, loading.dataset(workspace, dataset_id), config)
        if pressed:
            start(workspace, loading.dataset(workspace, dataset_id), config, name.strip(), preset)


def start(workspace: Workspace, dataset: Dataset, config: Config, name: str, preset: str) -> None:
    """Start a run, or say at once what this log cannot supply."""
    try:
        with st.spinner("Looking whether the log has what this needs …"):
            check(workspace, dataset, config)
        run = start_run(workspace, dataset.id, config, name, preset, run_id=frame.next_id("Start"))
    except UserError as error:
        frame.complain(error)
        return
    frame.forget_next_id("Start")
    address.choose("run", run.id)
    st.rerun()


def show_need(workspace: Workspace, dataset: Dataset, config: Config) -> None:
    """What the run will take of the memory that is free, or what of the config the log cannot supply."""
    try:
        st.text(words.memory(loading.need(dataset, workspace, config).bytes, room(workspace)))
    except UserError as error:
        st.text(str(error))


def turn_to_preset() -> None:
    knobs.set_all(PRESETS[st.session_state["preset"]].config)


def turn_knobs(preset: str, dataset: Dataset) -> Config | None:
    """The config that the knobs say, with what differs from the preset; None while a value is bad."""
    wanted = PRESETS[preset].config
    if wanted.model != "two_tower":
        st.caption("A baseline: it has no knobs but how the log is cut and what is measured.")
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
    with st.expander("All other knobs", icon=":material/tune:"):
        for tab, keys in zip(st.tabs(list(sections)), sections.values(), strict=True):
            with tab:
                settings |= turn_section(keys, dataset)
    try:
        config = knobs.read(wanted.model, settings)
    except UserError as error:
        frame.complain(error)
        return None
    show_differences(wanted, config)
    return config


def turn_section(keys: list[str], dataset: Dataset) -> dict:
    settings = {}
    for start in range(0, len(keys), 3):
        for column, key in zip(st.columns(3), keys[start : start + 3], strict=False):
            with column:
                settings[key] = knobs.knob(key, dataset)
    return settings


def show_differences(preset: Config, config: Config) -> None:
    changed = knobs.differing(preset, config)
    if changed:
        st.text(f"Differs from the preset: {changed}")


def show_active(workspace: Workspace) -> None:
    """Sweeps and runs that are running or queued, redrawn every second while there are any."""
    before = at_work(workspace)
    if not any(before):
        return
    st.subheader("At work")

    @st.fragment(run_every=_POLL)
    def watch() -> None:
        if at_work(workspace) != before:
            st.rerun()
        sweeps, runs = before
        for sweep in sweeps:
            sweeping.show_progress(sweep)
        for run in runs:
            show_progress(run)
        running = next((run for run in runs if run.state().state == "running"), None)
        if running:
            show_curves(running)

    watch()


def at_work(workspace: Workspace) -> tuple[list[Sweep], list[Run]]:
    """The sweeps, and the runs: those at work and then those that wait, oldest first."""
    sweeps = [sweep for sweep in list_sweeps(workspace) if sweep.state().state in ACTIVE]
    states = {run: run.state().state for run in list_runs(workspace)[::-1] if not run.bundled}
    return sweeps, sorted((run for run in states if states[run] in ACTIVE), key=lambda run: states[run] == "queued")


def show_progress(run: Run) -> None:
    state = run.state()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            frame.state_badge(run)
            st.text(words.run_name(run))
            if st.button("Cancel", key=f"cancel {run.id}", icon=":material/stop:"):
                cancel_run(run, wait=False)
                st.rerun()
        if state.state != "queued":
            left = f", {words.duration(state.eta_s)} left" if state.eta_s is not None and state.stage == "train" else ""
            st.progress(state.progress or 0.0, f"{state.doing}{left}")


def show_curves(run: Run) -> None:
    events = run.events()
    show_notes(events)
    epochs = pd.DataFrame([event for event in events if event["type"] == "epoch"])
    steps = tables.step_losses(events)
    if steps.empty and epochs.empty:
        st.caption("Curves show once the first steps are done. A process takes some seconds to load its libraries.")
        return
    grid = [*st.columns(2), *st.columns(2)]
    drawn = {"loss": figures.losses(epochs, steps), "validation-recall": figures.validation_recall(epochs)}
    if len(epochs) and isinstance(epochs.iloc[-1].get("positive_scores"), dict):
        drawn["scores"] = figures.scores(epochs["positive_scores"].iloc[-1], epochs["negative_scores"].iloc[-1])
    if len(epochs):
        drawn["health"] = figures.health(epochs)
    for column, (name, figure) in zip(grid, drawn.items(), strict=False):
        with column:
            frame.chart(figure, f"{name}-{run.id}")


def show_notes(events: list[dict]) -> None:
    """What a run had to say beside its figures, such as which baseline is left out and why."""
    for note in dict.fromkeys(event["note"] for event in events if event["type"] == "note"):
        st.caption(words.as_markdown(note))


def show_runs(workspace: Workspace) -> None:
    st.subheader("Runs")
    runs = loading.all_runs(workspace)
    if not runs:
        st.text("No run yet: start one above.")
        return
    frame.table(run_table(workspace, runs), "runs", height=frame.all_rows(runs, 8), **_RUN_COLUMNS)
    st.caption("Only runs of the same dataset, split, pool and lengths of the list can be compared.")
    by_id = {run.id: run for run in runs}
    changed = address.one("run", list(by_id), runs[0].id if not runs[0].finished else loading.first_shown(runs).id)
    chosen = st.selectbox(
        "Open a run",
        list(by_id),
        key="run",
        format_func=words.run_labels(runs, workspace.datasets()).get,
        on_change=changed,
        persist_state="session",
    )
    show_run(workspace, by_id[chosen])


def run_table(workspace: Workspace, runs: list[Run]) -> pd.DataFrame:
    datasets = words.dataset_names(workspace.datasets())
    rows = []
    for run in runs:
        state = run.state().state
        headline = loading.metrics(run)["metrics"].get(_HEADLINE, {}) if state == "finished" else {}
        rows.append(
            {
                "run": words.run_name(run),
                # the table is not redrawn every second, the panel above is
                "state": "at work, see above" if state in ACTIVE else words.STATES[state][0],
                _HEADLINE: words.interval(headline) if state == "finished" else "",
                "preset": run.preset,
                "started": words.started(run),
                "dataset": datasets.get(run.dataset, "deleted"),
                "id": run.id,
            }
        )
    return pd.DataFrame(rows)


def show_run(workspace: Workspace, run: Run) -> None:
    state = run.state()
    with st.container(horizontal=True, vertical_alignment="center"):
        if state.state not in ACTIVE:
            frame.state_badge(run)
        if state.state == "finished":
            st.page_link(
                "pages/users.py", label="Its users", icon=":material/person_search:", query_params={"run": run.id}
            )
            st.page_link(
                "pages/compare.py",
                label="Compare",
                icon=":material/balance:",
                query_params={"compared": [r.id for r in loading.comparable(loading.finished_runs(workspace), run)]},
            )
        if state.state in RESUMABLE and not run.problem and not run.bundled:
            offer_resume(workspace, run)
        if state.state not in ACTIVE and not run.bundled:
            effect = t("{run} goes, with its vectors and recall lists.", run=words.run_name(run))
            undo.ask(workspace, run.id, words.run_name(run), effect, chosen="run")
    if state.state == "finished":
        show_headline(workspace, run)
        if run.model == "two_tower":
            show_curves(run)
            show_learned(run)
        else:
            show_notes(run.events())
    elif state.state not in ACTIVE:
        show_end(run, state)


def show_headline(workspace: Workspace, run: Run) -> None:
    metrics, facts = loading.metrics(run)["metrics"], loading.metrics(run)["facts"]
    with st.container(horizontal=True):
        for k in sorted(run.config.eval.k):
            st.metric(f"recall@{k}", words.interval(metrics.get(f"recall@{k}", {})), border=True, width=260)
    show_rival(workspace, run)
    health = facts.get("health")
    if health and health["collapsed"]:
        st.warning(
            "This model has collapsed: its user vectors are nearly all alike. "
            "Lower the learning rates or raise the temperature.",
            icon=":material/warning:",
        )


def show_learned(run: Run) -> None:
    """What training settled beside the vectors: the temperature, and how much each field counts behind the gate."""
    facts = loading.metrics(run)["facts"]
    loss = run.config.loss
    if (loss.learn_temperature or loss.temperature is None) and facts.get("temperature") is not None:
        how = "learned" if loss.learn_temperature else "for a pool of this size"
        started = f", started at {loss.temperature:.3g}" if loss.learn_temperature and loss.temperature else ""
        st.text(f"Temperature: {facts['temperature']:.3g}, {how}{started}.")
    if facts.get("field_weights"):
        frame.chart(figures.field_weights(tables.field_weights(facts["field_weights"])), f"field-weights-{run.id}")


def show_rival(workspace: Workspace, run: Run) -> None:
    """What the best baseline reaches on the same test: no number stands alone."""
    metric = _HEADLINE if 50 in run.config.eval.k else f"recall@{max(run.config.eval.k)}"
    runs = loading.comparable(loading.finished_runs(workspace), run)
    metrics = {run.id: loading.metrics(run)["metrics"] for run in runs}
    table = tables.metric_rows(words.run_names(runs), {run.id: run.preset for run in runs}, metrics, metric)
    rival = tables.best_baseline(table)
    if rival is not None and rival["id"] != run.id:
        st.caption(
            f"In brackets: 95 % intervals. The best baseline on the same test, {words.as_markdown(rival['run'])}, "
            f"has {metric} {words.interval(rival.to_dict())}."
        )


def show_end(run: Run, state: RunState) -> None:
    """How a run ended that did not finish, with the end of its log."""
    if state.state in ("failed", "damaged"):
        st.error(words.as_markdown(state.reason or "It failed without a word."), icon=":material/error:")
    elif state.state == "interrupted":
        st.warning(words.as_markdown(state.reason), icon=":material/power_off:")
    log = run.log_tail(20)
    if log:
        with st.expander("The last lines of its log"):
            st.code(log, language=None, wrap_lines=True)


def offer_resume(workspace: Workspace, run: Run) -> None:
    if st.button("Resume", key=f"resume {run.id}", icon=":material/resume:", help="Go on from its last whole epoch"):
        try:
            resume_run(workspace, run)
        except UserError as error:
            frame.complain(error)
            return
        st.rerun()


main()
