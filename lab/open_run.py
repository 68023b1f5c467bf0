"""The run that is open on Train: how it ended, what it learned, and all that can be done with it."""

import streamlit as st

from dssm_core import bundle, commands, runs
from dssm_core.config import Config
from dssm_core.errors import UserError
from dssm_core.presets import PRESETS
from dssm_core.runs import ACTIVE, RESUMABLE, Run, RunState
from dssm_core.workspace import Workspace
from lab import address, curves, download, figures, frame, knobs, loading, run_notes, tables, undo, words
from lab.complaint import complain
from lab.glossary import explain, explain_each
from lab.language import t, told

ONE_RUN = "One run"
"""What Train starts unless it is a sweep."""


def show(workspace: Workspace, run: Run, tags: list[str]) -> None:
    """All of a run. `tags`: those that any run has."""
    state = run.state()
    with st.container(horizontal=True, vertical_alignment="center"):
        if state.state not in ACTIVE:
            frame.state_badge(state)
        if state.state == "finished":
            _link_on(workspace, run)
        if state.state in RESUMABLE and not run.problem and not run.bundled:
            _offer_resume(workspace, run)
        if not run.problem and state.state != "damaged":
            _offer_knobs(workspace, run)
            if state.state not in ACTIVE:
                _offer_bundle(workspace, run)
            frame.command(_lines(workspace, run, state.state), run.id)
        if state.state not in ACTIVE and not run.bundled:
            effect = t("{run} goes, with its vectors and recall lists.", run=words.run_name(run))
            undo.ask(workspace, run.id, words.run_name(run), effect, chosen="run")
    run_notes.show(workspace, run, tags)
    if state.state == "finished":
        _show_finished(workspace, run)
    elif state.state not in ACTIVE:
        _show_end(run, state)


def _show_finished(workspace: Workspace, run: Run) -> None:
    _show_headline(workspace, run)
    if run.model == "two_tower":
        curves.show(run)
        _show_learned(run)
    else:
        curves.show_notes(run.events())


def _link_on(workspace: Workspace, run: Run) -> None:
    st.page_link("pages/users.py", label=t("Its users"), icon=":material/person_search:", query_params={"run": run.id})
    beside = loading.comparable(loading.finished_runs(workspace), run)
    st.page_link(
        "pages/compare.py",
        label=t("Compare"),
        icon=":material/balance:",
        query_params={"compared": [one.id for one in beside]},
    )


def _offer_resume(workspace: Workspace, run: Run) -> None:
    text = t("Go on from its last whole epoch")
    if st.button(t("Resume"), key=f"resume {run.id}", icon=":material/resume:", help=text):
        try:
            runs.resume_run(workspace, run)
        except UserError as error:
            complain(error)
            return
        st.rerun()


def _offer_knobs(workspace: Workspace, run: Run) -> None:
    st.button(
        t("Use its knobs"),
        key=f"clone {run.id}",
        icon=":material/content_copy:",
        help=t("Turns the knobs above to those of this run, to start it again with a change"),
        on_click=_take_over,
        args=[workspace, run],
    )


def _take_over(workspace: Workspace, run: Run) -> None:
    """Turn Train's knobs, dataset and preset to those of a run."""
    st.session_state["preset"] = nearest_preset(run)
    st.session_state["run name"] = ""
    knobs.set_all(run.config, like=run.id)
    address.choose("what", ONE_RUN)
    if workspace.has("datasets", run.dataset):
        address.choose("dataset", run.dataset)


def nearest_preset(run: Run) -> str:
    """The preset that a run started from, else the first that trains the same model."""
    alike = [name for name, preset in PRESETS.items() if preset.config.model == run.config.model]
    return run.preset if run.preset in alike else alike[0]


def _offer_bundle(workspace: Workspace, run: Run) -> None:
    download.button(
        t("Bundle"),
        lambda: bundle.bundle_run(workspace, run),
        f"{run.id}.zip",
        "application/zip",
        key=f"bundle {run.id}",
        icon=":material/deployed_code:",
        help=t("A zip with its config, the dataset's fingerprint, versions, seed, command and figures, to repeat it"),
    )


def _lines(workspace: Workspace, run: Run, state: str) -> str:
    """The shell lines of what can be done with a run in a state."""
    lines = [commands.train(workspace, run.dataset, run.preset, run.config, run.name)]
    if state in RESUMABLE and not run.bundled:
        lines.append(commands.line(workspace, "resume", run.id))
    if state == "finished":
        lengths = ",".join(map(str, run.config.eval.k))
        lines.append(commands.line(workspace, "evaluate", run.id, k=lengths))
        lines.append(commands.line(workspace, "export", run.id, to=f"export-{run.id}"))
    if state not in ACTIVE:
        lines.append(commands.line(workspace, "bundle", run.id, to=f"{run.id}.zip"))
    return "\n".join(lines)


def _show_headline(workspace: Workspace, run: Run) -> None:
    metrics, facts = loading.metrics(run)["metrics"], loading.metrics(run)["facts"]
    with st.container(horizontal=True):
        for k in sorted(run.config.eval.k):
            value = words.interval(metrics.get(f"recall@{k}", {}))
            st.metric(f"recall@{k}", value, border=True, width=260, help=explain("recall@K"))
    _show_rival(workspace, run)
    health = facts.get("health")
    if health and health["collapsed"]:
        collapsed = (
            "This model has collapsed: its user vectors are nearly all alike. Lower the learning rates or raise the "
            "temperature."
        )
        st.warning(f"{t(collapsed)} {explain('collapse')}", icon=":material/warning:")


def _show_learned(run: Run) -> None:
    """What training settled beside the vectors: the temperature, and how much each field counts behind the gate."""
    facts = loading.metrics(run)["facts"]
    if facts.get("temperature") is not None and (says := _says_temperature(run.config, facts["temperature"])):
        st.text(says)
    if facts.get("field_weights"):
        frame.chart(figures.field_weights(tables.field_weights(facts["field_weights"])), f"field-weights-{run.id}")


def _says_temperature(config: Config, value: float) -> str:
    """A temperature that training or the size of the pool settled; "" for one that a person set."""
    settled, start = f"{value:.3g}", config.loss.temperature
    if config.loss.learn_temperature and start:
        return t("Temperature: {value}, learned, started at {start}.", value=settled, start=f"{start:.3g}")
    if config.loss.learn_temperature:
        return t("Temperature: {value}, learned.", value=settled)
    return "" if start is not None else t("Temperature: {value}, for a pool of this size.", value=settled)


def _show_rival(workspace: Workspace, run: Run) -> None:
    """What the best baseline reaches on the same test: no number stands alone."""
    metric = f"recall@{tables.headline_k(run)}"
    beside = loading.comparable(loading.finished_runs(workspace), run)
    metrics = {one.id: loading.metrics(one)["metrics"] for one in beside}
    table = tables.metric_rows(words.run_names(beside), {one.id: one.preset for one in beside}, metrics, metric)
    rival = tables.best_baseline(table)
    if rival is not None and rival["id"] != run.id:
        says = "In brackets: 95 % intervals. The best baseline on the same test, {baseline}, has {metric} {value}."
        name, value = words.as_markdown(rival["run"]), words.interval(rival.to_dict())
        st.caption(t(says, baseline=name, metric=metric, value=value), help=explain_each("95 % interval", "baseline"))


def _show_end(run: Run, state: RunState) -> None:
    """How a run ended that did not finish, with the end of its log."""
    if state.state in ("failed", "damaged"):
        reason = told(state.reason) or t("It failed without a word.")
        st.error(words.as_markdown(reason), icon=":material/error:")
    elif state.state == "interrupted":
        st.warning(words.as_markdown(told(state.reason)), icon=":material/power_off:")
    elif state.state == "cancelled":
        st.info(t("It was cancelled. Resume goes on from its last whole epoch."), icon=":material/cancel:")
    if run.model == "two_tower" and any(event["type"] == "epoch" for event in run.events()):
        curves.show(run)
    log = run.log_tail(20)
    if log:
        with st.expander(t("The last lines of its log"), expanded=state.state == "failed"):
            st.code(log, language=None, wrap_lines=True)
