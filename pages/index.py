"""Index: what an approximate index loses in recall and wins in speed, and the run measured again through another."""

import pandas as pd
import streamlit as st

from dssm_core import commands
from dssm_core.answers import evaluate_run, keep_evaluation
from dssm_core.config import Config, with_settings
from dssm_core.evaluation import Evaluation
from dssm_core.export import export_run
from dssm_core.index_loss import SETTINGS, IndexLoss
from dssm_core.misses import LOST_BY_INDEX, reasons_at
from dssm_core.runs import Run
from dssm_core.workspace import Workspace
from lab import choices, frame, index_figures, loading, skeleton, words
from lab.glossary import explain, explain_within
from lab.language import t

_CHART = 400
"""Pixels that are kept for a chart while its numbers are read or measured."""


def main() -> None:
    workspace = frame.start("Index")
    st.title(t("Index"))
    with frame.plain_errors():
        asked = list(st.query_params.get_all("run"))
        finished = frame.finished_runs(workspace, asked)
        with skeleton.of(_CHART, t("Reading the vectors …")):
            trained = loading.with_vectors(finished)
        if not trained:
            frame.empty(
                t("No run with vectors has finished yet, and a baseline has none to index."),
                ("pages/train.py", t("Train one"), ":material/model_training:"),
            )
            return
        tell_baseline(finished, asked)
        run, k = choose_run(workspace, trained)
        loss = IndexLoss(workspace, run, k)
        rows = show_loss(workspace, run, loss, k)
        show_again(workspace, run, rows, k)
        show_export(workspace, run)


def tell_baseline(finished: list[Run], asked: list[str]) -> None:
    if any(run.id in asked and run.model != "two_tower" for run in finished):
        st.info(t("A baseline has no vectors to index: shown is a trained run."), icon=":material/info:")


def choose_run(workspace: Workspace, trained: list[Run]) -> tuple[Run, int]:
    left, right = st.columns(2)
    chosen = choices.run(workspace, trained, left)
    return chosen, choices.list_length(sorted(chosen.config.eval.k), right)


def show_loss(workspace: Workspace, run: Run, loss: IndexLoss, k: int) -> list[dict]:
    """What was measured, or the button that measures it."""
    rows = loss.rows()
    if len(rows) < len(SETTINGS):
        st.text(
            t(
                "{done} of {all} settings are measured, on up to 2,000 users. Indexes of many articles take a while to "
                "build; what is measured is kept.",
                done=len(rows),
                all=len(SETTINGS),
            )
        )
        with st.container(horizontal=True):
            pressed = st.button(t("Measure"), type="primary", icon=":material/speed:")
            frame.command(commands.line(workspace, "index-loss", run.id, k=k), f"loss {run.id}")
        if pressed:
            measure(loss)
            # what stands above speaks of what was measured before
            st.rerun()
    if rows:
        table = pd.DataFrame(rows)
        frame.chart(index_figures.recall_by_speed(table, k), "index-loss")
        readable = readable_rows(table)
        frame.table(readable, "index-settings", frame.all_rows(readable, 20), **columns())
        st.caption(
            t(
                "A setting that finds fewer articles than the list needs looks at all of them, for those users: so the "
                "smallest may be as good, and as slow, as exact. Annoy's search_k of -1 is trees × list length."
            )
        )
    return rows


def columns() -> dict[str, object]:
    """How the table of settings is shown."""
    column = st.column_config
    return {
        "setting": column.TextColumn(t("setting"), width=230, pinned=True),
        "recall": column.TextColumn(t("recall"), width=150, alignment="right", help=explain("recall@K")),
        "lost (points)": column.TextColumn(
            t("lost (points)"),
            width=150,
            alignment="right",
            help=explain_within(t("Exact less this, user by user, with its 95 % interval"), "paired difference"),
        ),
        "of the exact list": column.NumberColumn(
            t("of the exact list"), format="percent", width=120, help=explain("ANN index")
        ),
        "queries/s": column.NumberColumn(t("queries/s"), format="localized", width=100),
        "built in (s)": column.NumberColumn(t("built in (s)"), format="%.2f", width=100),
    }


def measure(loss: IndexLoss) -> None:
    bar = st.progress(0.0, t("Reading the vectors …"))
    for done, row in enumerate(loss.measure(), start=1):
        is_at = t("{setting}: {done} of {all}", setting=row["setting"], done=done, all=len(SETTINGS))
        bar.progress(done / len(SETTINGS), is_at)
    bar.empty()


def readable_rows(table: pd.DataFrame) -> pd.DataFrame:
    points = 100 * table[["loss", "loss_low", "loss_high"]]
    return pd.DataFrame(
        {
            "setting": table["setting"],
            "recall": [
                words.interval({"value": row.recall, "low": row.low, "high": row.high}) for row in table.itertuples()
            ],
            "lost (points)": [
                f"{row.loss:.2f} ({row.loss_low:.2f} … {row.loss_high:.2f})" for row in points.itertuples()
            ],
            "of the exact list": table["share_of_exact"],
            "queries/s": table["queries_per_second"].round(),
            "built in (s)": table["build_s"],
        }
    )


def show_again(workspace: Workspace, run: Run, rows: list[dict], k: int) -> None:
    """Measure the whole run through another index, without training, and keep it as a run if wanted."""
    st.subheader(t("The run through another index"))
    offered = {row["setting"]: row["settings"] for row in rows} or {"exact": ["index.kind=exact"]}
    left, right = st.columns(2)
    setting = choices.select(t("Setting"), list(offered), "setting", where=left)
    more = right.text_input(
        t("More settings"),
        key="index more",
        placeholder=t("such as {example}", example="index.lists=100"),
        bind="query-params",
        persist_state="session",
    )
    settings = [*offered[setting], *more.split()]
    config = with_settings(run.config, settings)
    key = (loading.stamp(run.folder), config.index.model_dump_json())
    with st.container(horizontal=True):
        if st.button(t("Measure the run with it"), icon=":material/replay:"):
            st.session_state["measured again"] = key
        frame.command(commands.line(workspace, "evaluate", run.id, set=settings), f"evaluate {run.id}")
    if st.session_state.get("measured again") != key:
        return
    with skeleton.of(_CHART, t("Measuring every evaluated user …")):
        evaluation = evaluated(*key, workspace, run, config)
    show_metrics(run, evaluation, k)
    name = st.text_input(t("Name"), key="index name", placeholder=f"{words.run_name(run)}, {setting}", max_chars=80)
    if st.button(t("Keep as a run of its own"), icon=":material/save:"):
        label = name.strip() or f"{words.run_name(run)}, {setting}"
        kept = keep_evaluation(workspace, run, config, evaluation, label)
        st.success(t("Kept as run {run}.", run=words.as_markdown(kept.id)), icon=":material/check_circle:")
        st.page_link(
            "pages/compare.py",
            label=t("Compare both"),
            icon=":material/balance:",
            query_params={"compared": [run.id, kept.id], "baseline": run.id},
        )


@st.cache_resource(max_entries=4, show_spinner=False)
def evaluated(stamp: str, index: str, _workspace: Workspace, _run: Run, _config: Config) -> Evaluation:
    return evaluate_run(_workspace, _run, _config)


def show_metrics(run: Run, evaluation: Evaluation, k: int) -> None:
    before = loading.metrics(run)["metrics"]
    names = [name for name in evaluation.metrics if name.endswith(f"@{k}") and name in loading.per_user(run)]
    rows = pd.DataFrame(
        {
            t("metric"): names,
            t("with this index"): [words.interval(evaluation.metrics[name]) for name in names],
            t("as the run was made ({index})", index=run.config.index.kind): [
                words.interval(before[name]) for name in names
            ],
        }
    )
    frame.table(rows, "index-metrics", **frame.right_aligned(rows.columns[1:]))
    index = evaluation.facts["index"]
    lost = int((reasons_at(evaluation.held_out, k) == LOST_BY_INDEX).sum())
    st.text(
        t(
            "{share:.1%} of the exact lists of {longest} returned; {lost} lost by the index in lists of {k}.",
            share=index["share_of_exact"],
            longest=max(run.config.eval.k),
            lost=words.counted(lost, "held-out click"),
            k=k,
        )
    )
    if index["queries_per_second"]:
        st.text(t("{speed:,.0f} queries/s", speed=index["queries_per_second"]))


def show_export(workspace: Workspace, run: Run) -> None:
    st.subheader(t("Export"))
    st.text(
        t("Vectors, recall lists with raw ids, FAISS and Annoy files with their ids, the config, and fun-rec's files.")
    )
    folder = workspace.home / "exports" / run.id
    with st.container(horizontal=True):
        pressed = st.button(t("Export the run"), icon=":material/output:")
        frame.command(commands.line(workspace, "export", run.id, to=folder), f"export {run.id}")
    if pressed:
        with st.spinner(t("Writing …")):
            files = export_run(run, loading.dataset(workspace, run.dataset), folder)
        kept_in = words.as_markdown(str(folder))
        st.success(
            t("{files} files are in {folder}; its README.md says how to load each.", files=len(files), folder=kept_in)
        )


main()
