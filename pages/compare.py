"""Compare: runs side by side on the same users, against a baseline run of your choice."""

import streamlit as st

from dssm_core import compare
from dssm_core.comparable import comparison_key
from dssm_core.runs import Run
from dssm_core.workspace import Workspace
from lab import address, comparing, figures, frame, loading, tables, words

MOST_RUNS = 24


def main() -> None:
    workspace = frame.start("Compare")
    st.title("Compare")
    with frame.plain_errors():
        finished = loading.finished_runs(workspace)
        if not finished:
            frame.empty(
                "No run has finished yet, so there is nothing to compare.",
                ("pages/train.py", "Train one", ":material/model_training:"),
            )
            return
        runs = choose_runs(workspace, finished)
        if not runs:
            st.info("Choose at least one run.")
            return
        baseline, k = choose_baseline(runs)
        show_leaderboard(runs, baseline, k)
        show_curves(runs)
        show_segments(runs, k)
        show_overlap(runs, k)
        show_configs(runs)


def choose_runs(workspace: Workspace, finished: list[Run]) -> list[Run]:
    named = words.dataset_names(workspace.datasets())
    linked = [run for run in finished if run.id in st.query_params.get_all("compared")]
    datasets = list(dict.fromkeys(run.dataset for run in finished))
    if len(datasets) > 1:
        # not "dataset": a choice among those that have runs must not change what Data and Train have open
        if linked and "compared_on" not in st.query_params:
            st.session_state["compared_on"] = linked[0].dataset
        changed = address.one("compared_on", datasets, st.session_state.get("dataset"))
        dataset = st.selectbox(
            "Dataset",
            datasets,
            key="compared_on",
            format_func=lambda id: named.get(id, "a deleted dataset"),
            on_change=changed,
            persist_state="session",
        )
    else:
        dataset = datasets[0]
    offered = {run.id: run for run in finished if run.dataset == dataset}
    labels = words.run_names(list(offered.values()))
    with_newest = loading.comparable(list(offered.values()), next(iter(offered.values())))
    changed = address.many("compared", list(offered), [run.id for run in with_newest][:MOST_RUNS])
    chosen = st.multiselect(
        "Runs",
        list(offered),
        key="compared",
        format_func=labels.get,
        max_selections=MOST_RUNS,
        on_change=changed,
        persist_state="session",
    )
    warn_of_unlike([offered[id] for id in chosen])
    return [offered[id] for id in chosen]


def warn_of_unlike(runs: list[Run]) -> None:
    if unlike(runs):
        st.warning(
            "These runs differ in their split, candidate pool, evaluated users or list lengths: "
            "their numbers answer different questions. The config differences below show where.",
            icon=":material/warning:",
        )


def unlike(runs: list[Run]) -> bool:
    return len({comparison_key(run.dataset, run.config) for run in runs}) > 1


def choose_baseline(runs: list[Run]) -> tuple[Run, int]:
    by_id = {run.id: run for run in runs}
    labels = words.run_names(runs)
    left, right = st.columns(2)
    popular = next((run.id for run in runs if run.model == "popular"), runs[-1].id)
    changed = address.one("baseline", list(by_id), popular)
    baseline = left.selectbox(
        "Baseline run", list(by_id), key="baseline", format_func=labels.get, on_change=changed, persist_state="session"
    )
    ks = sorted(set.intersection(*(set(run.config.eval.k) for run in runs)))
    if not ks:
        right.error("These runs share no length of the recall list.")
        st.stop()
    changed = address.one("k", ks, 50 if 50 in ks else ks[0])
    with right:
        k = st.segmented_control(
            "Length of the list, K", ks, key="k", on_change=changed, required=True, persist_state="session"
        )
    return by_id[baseline], k


def show_leaderboard(runs: list[Run], baseline: Run, k: int) -> None:
    names, presets = words.run_names(runs), {run.id: run.preset for run in runs}
    metrics = {run.id: loading.metrics(run)["metrics"] for run in runs}
    known = [name for name in metrics[baseline.id] if name.endswith(f"@{k}") and name in loading.per_user(baseline)]
    changed = address.one("metric", known, f"recall@{k}")
    metric = st.segmented_control("Metric", known, required=True, key="metric", on_change=changed)
    table = tables.metric_rows(names, presets, metrics, metric)
    differences = comparing.differences(runs, baseline.id, metric)
    board = tables.leaderboard(table, differences, baseline.id)
    frame.chart(figures.metric_dots(table, metric), "compare-metric")
    rows = tables.readable(board, metric, names[baseline.id])
    frame.table(
        rows,
        "leaderboard",
        frame.all_rows(board, 24),
        run=st.column_config.TextColumn("run", pinned=True),
        verdict=st.column_config.TextColumn("verdict", help="Told apart where the difference's interval excludes 0"),
        **frame.right_aligned(rows.columns[1:3]),
    )
    st.caption(
        "Differences are taken user by user, on the users that both runs have. "
        "In brackets: 95 % intervals (bootstrap over users)."
    )
    st.download_button(
        "Download as CSV", tables.csv(board), "compare.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )
    show_catalogue(names, metrics, known, k)


def show_catalogue(names: dict[str, str], metrics: dict[str, dict], known: list[str], k: int) -> None:
    table = tables.catalogue(names, metrics, [name for name in _catalogue_metrics(metrics, k) if name not in known])
    if len(table.columns) > 1:
        with st.expander("Which part of the catalogue is recalled"):
            pinned = st.column_config.TextColumn("run", pinned=True)
            frame.table(
                table, "catalogue", frame.all_rows(table, 24), run=pinned, **frame.right_aligned(table.columns[1:])
            )


def _catalogue_metrics(metrics: dict[str, dict], k: int) -> list[str]:
    return [name for name in next(iter(metrics.values())) if name.endswith(f"@{k}")]


def show_curves(runs: list[Run]) -> None:
    st.subheader("Recall by length of the list")
    frame.chart(figures.recall_curves(comparing.recall_curves(runs)), "compare-curves")


def show_segments(runs: list[Run], k: int) -> None:
    metrics = {run.id: loading.metrics(run) for run in runs}
    offered = list(dict.fromkeys(row["segment"] for run in runs for row in metrics[run.id]["segments"]))
    if not offered:
        return
    st.subheader("Who and what is recalled well")
    segment = st.selectbox("Segments by", offered, key="segment", persist_state="session")
    table = tables.segments(metrics, words.run_names(runs), segment, f"recall@{k}")
    if table.empty:
        st.text(f"Segments are not measured at K = {k}.")
        return
    frame.chart(
        figures.segments(table, {run.id: run.preset for run in runs}, segment, f"recall@{k}"), "compare-segments"
    )


def show_overlap(runs: list[Run], k: int) -> None:
    if len(runs) < 2:
        return
    st.subheader("Do they recall the same articles?")
    frame.chart(figures.overlap(comparing.overlap(runs, k), k), "compare-overlap")


def show_configs(runs: list[Run]) -> None:
    """Baselines have no knobs but split, pool and eval: they are left out unless those differ or they are alone."""
    trained = [run for run in runs if run.model == "two_tower"]
    shown = trained if trained and not unlike(runs) else runs
    names = words.run_names(runs)
    differing = compare.config_differences({names[run.id]: run.config for run in shown})
    st.subheader("What differs in the configs")
    if differing.empty:
        st.text(f"Nothing, among {words.counted(len(shown), 'trained run' if shown is trained else 'run')}.")
        return
    rows = tables.configs(differing)
    frame.table(rows, "configs", frame.all_rows(rows), run=st.column_config.TextColumn("run", pinned=True))


main()
