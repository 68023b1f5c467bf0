"""Compare: runs side by side on the same clicks, against a baseline run of your choice."""

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dssm_core import commands, compare
from dssm_core.metrics import METRICS
from dssm_core.runs import Run
from dssm_core.segments import Segment
from dssm_core.workspace import Workspace
from lab import (
    address,
    choices,
    compare_figures,
    compare_report,
    comparing,
    download,
    figures,
    filters,
    frame,
    language,
    loading,
    panel_figures,
    skeleton,
    tables,
    words,
)
from lab.comparing import Comparison
from lab.glossary import explain, explain_each, explain_metric, explain_reason
from lab.language import t

MOST_RUNS = 60
_MANY = 6
"""More lines than these crowd one axis: each run then gets a panel of its own."""
_PANEL_WIDTH = 260
_CHART = 600
"""Pixels that are kept for a chart while its numbers are computed."""


def main() -> None:
    workspace = frame.start("Compare")
    st.title(t("Compare"))
    with frame.plain_errors():
        finished = frame.finished_runs(workspace, st.query_params.get_all("compared"))
        if not finished:
            frame.empty(
                t("No run has finished yet, so there is nothing to compare."),
                ("pages/train.py", t("Train one"), ":material/model_training:"),
            )
            return
        runs = choose_runs(workspace, finished)
        if not runs:
            st.info(t("Choose at least one run."))
            return
        if len(runs) == 1:
            tell_single(runs[0], finished)
        comparison = settle(workspace, runs)
        baseline, k = choose_baseline(comparison)
        comparison = choose_filters(comparison)
        tell_clicks(comparison)
        choose_view(comparison, baseline, k)
        show_export(comparison, baseline, k)


def choose_runs(workspace: Workspace, finished: list[Run]) -> list[Run]:
    named = words.dataset_names(workspace.datasets())
    linked = [run for run in finished if run.id in address.given("compared")]
    datasets = list(dict.fromkeys(run.dataset for run in finished))
    if len(datasets) > 1:
        # not "dataset": a choice among those that have runs must not change what Data and Train have open
        if linked and not address.given("compared_on"):
            several = len({run.dataset for run in linked}) > 1
            st.session_state["compared_on"] = "all" if several else linked[0].dataset
        dataset = choices.select(
            t("Dataset"),
            [*datasets, "all"],
            "compared_on",
            st.session_state.get("dataset"),
            format_func=lambda id: t("all datasets") if id == "all" else named.get(id, t("a deleted dataset")),
        )
    else:
        dataset = datasets[0]
    offered = {run.id: run for run in finished if dataset in (run.dataset, "all")}
    runs = list(offered.values())
    labels = words.run_labels(runs, workspace.datasets()) if dataset == "all" else words.run_names(runs)
    labels = loading.tagged(labels, runs)
    with_newest = loading.comparable(runs, runs[0])
    changed = address.many("compared", list(offered), [run.id for run in with_newest][:MOST_RUNS])
    st.session_state["compared"] = st.session_state["compared"][:MOST_RUNS]
    chosen = st.multiselect(
        t("Runs"),
        list(offered),
        key="compared",
        format_func=labels.get,
        max_selections=MOST_RUNS,
        on_change=changed,
        persist_state="session",
    )
    return [offered[id] for id in chosen]


def tell_single(run: Run, finished: list[Run]) -> None:
    """A run alone: what a second one would show, and where it can be had."""
    others = [other.id for other in loading.comparable(finished, run) if other.id != run.id][: MOST_RUNS - 1]
    with st.container(border=True):
        st.markdown(
            t(
                "One run alone says how good it is, not whether it is better. Beside a second one you see the "
                "difference user by user with its interval, where in the catalogue it comes from, and how alike both "
                "lists are."
            )
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if others:
                st.button(
                    t("Compare with all runs of the same test"),
                    icon=":material/balance:",
                    on_click=address.choose,
                    args=("compared", [run.id, *others]),
                )
            st.page_link("pages/train.py", label=t("Train another"), icon=":material/model_training:")


def settle(workspace: Workspace, runs: list[Run]) -> Comparison:
    """The comparison of all that the runs measured; runs that are not alike only once they are narrowed."""
    narrow = False
    reason = compare.unlike(runs)
    if reason:
        unlike = t("{reason}, so their numbers answer different questions.", reason=language.told(reason))
        st.warning(words.as_markdown(unlike), icon=":material/warning:")
        narrow = choose_switch("narrow", t("Narrow to the users, held-out clicks and candidate pools that they share"))
        if not narrow:
            st.stop()
    with skeleton.of(_CHART, t("Reading the dataset …")):
        dataset = loading.dataset(workspace, runs[0].dataset)
        split = loading.split(dataset, workspace, runs[0].config)
    comparison = Comparison(workspace, runs, dataset, split, narrow)
    if narrow:
        with skeleton.of(_CHART, t("Looking for common ground …")):
            clicks = comparison.held_out(runs[0])
        st.caption(
            t(
                "Narrowed to {clicks} of {users}, in lists of up to {longest}.",
                clicks=words.counted(len(clicks), "held-out click"),
                users=words.counted(clicks["user"].nunique(), "user"),
                longest=comparison.longest(),
            )
        )
    return comparison


def choose_switch(key: str, label: str, default: bool = False) -> bool:
    """A toggle that is in the address."""
    changed = address.one(key, [True, False], default)
    return st.toggle(label, key=key, on_change=changed, persist_state="session")


def choose_baseline(comparison: Comparison) -> tuple[str, int]:
    names, ks = comparison.names, comparison.ks()
    left, right = st.columns(2)
    popular = next((group for group, runs in comparison.groups.items() if runs[0].model == "popular"), list(names)[-1])
    about = explain_each("baseline", "paired difference")
    baseline = choices.select(
        t("Baseline run"), list(names), "baseline", popular, left, format_func=names.get, help=about
    )
    k = choices.list_length(ks, right)
    pool = len(comparison.split.pool)
    if k > pool:
        articles = words.counted(pool, "article")
        st.caption(
            t("The candidate pool has {articles}, so a list of {k} holds all that qualify.", articles=articles, k=k)
        )
    return baseline, k


def choose_filters(comparison: Comparison) -> Comparison:
    comparison = replace(comparison, **dict(zip(_FILTERS, filters.choose(comparison.dataset), strict=True)))
    if comparison.filtered:
        clicks = comparison.held_out(comparison.runs[0])
        wanted = comparison.user_values, comparison.article_values
        told = t(
            "Filtered by {filters}: {clicks} of {users} left; all below speaks of these alone.",
            filters=filters.described(*wanted),
            clicks=words.counted(len(clicks), "held-out click"),
            users=words.counted(clicks["user"].nunique(), "user"),
        )
        st.caption(words.as_markdown(told))
        if clicks.empty:
            st.info(t("These filters leave no held-out click: take one of them out."))
            st.button(t("Take out all filters"), icon=":material/filter_alt_off:", on_click=filters.clear, args=wanted)
            st.stop()
    return comparison


_FILTERS = ("user_values", "article_values")


def tell_clicks(comparison: Comparison) -> None:
    """What all numbers are measured on: how many of the held-out clicks could be recalled, and how many are warm."""
    clicks = comparison.held_out(comparison.runs[0])
    told = t(
        "Measured on {clicks} of {users}: {in_pool} of them in the candidate pool, {warm} on articles that were shown "
        "in train (warm share).",
        clicks=words.counted(len(clicks), "held-out click"),
        users=words.counted(clicks["user"].nunique(), "user"),
        in_pool=words.percent(clicks["in_pool"].mean()),
        warm=words.percent(clicks["warm"].mean()),
    )
    st.caption(words.as_markdown(told), help=explain_each("held-out click", "candidate pool", "warm share"))


def choose_view(comparison: Comparison, baseline: str, k: int) -> None:
    view = choices.segments(t("View"), list(VIEWS), "view", "Leaderboard", format_func=t, label_visibility="collapsed")
    VIEWS[view](comparison, baseline, k)


def choose_metric(k: int) -> str:
    # without its K, so that it stays when K changes
    changed = address.one("metric", list(METRICS), "recall")
    name = st.segmented_control(
        t("Metric"),
        list(METRICS),
        required=True,
        key="metric",
        format_func=lambda name: f"{name}@{k}",
        on_change=changed,
        persist_state="session",
        help=explain_metric(st.session_state["metric"]),
    )
    return f"{name}@{k}"


def drawn_apart(comparison: Comparison) -> bool:
    """Whether each run gets a panel of its own; by itself where there are many."""
    changed = address.one("apart", [True, False], len(comparison.groups) > _MANY)
    return st.toggle(t("A panel for each"), key="apart", on_change=changed, persist_state="session")


def show_panels(title: str, legend: str, panels: dict[str, go.Figure], key: str) -> None:
    """Small multiples, as many in a row as there is room for."""
    st.markdown(f"**{words.as_markdown(title)}**")
    st.caption(words.as_markdown(legend))
    with st.container(horizontal=True):
        for name, figure in panels.items():
            frame.chart(figure, f"{key}-{name}", width=_PANEL_WIDTH)


def show_leaderboard(comparison: Comparison, baseline: str, k: int) -> None:
    metric = choose_metric(k)
    with skeleton.of(_CHART, t("Comparing user by user …")):
        board, single = comparing.leaderboard(comparison, baseline, metric)
    frame.chart(compare_figures.leaderboard(board, single, metric), "compare-metric")
    rows = tables.readable(board, metric, comparison.names[baseline])
    frame.table(
        rows,
        "leaderboard",
        frame.all_rows(board, 24),
        **leaderboard_columns(rows, metric),
    )
    for sentence in comparing.says_intervals(board):
        st.caption(words.as_markdown(sentence))
    show_catalogue(comparison, k)


def leaderboard_columns(rows: pd.DataFrame, metric: str) -> dict[str, object]:
    """How the columns of `tables.readable` are shown."""
    column, (value, difference) = st.column_config.TextColumn, rows.columns[1:3]
    return {
        t("run"): column(pinned=True),
        value: column(alignment="right", help=explain_metric(metric)),
        difference: column(alignment="right", help=explain("paired difference")),
        t("verdict"): column(help=t("Told apart where the difference's interval excludes 0")),
        t("seeds"): st.column_config.NumberColumn(help=explain("seed")),
        t("interval covers"): column(help=explain("95 % interval")),
    }


def show_catalogue(comparison: Comparison, k: int) -> None:
    """Which part of the catalogue is recalled: known of whole lists only, so not of some clicks."""
    if comparison.narrow or comparison.filtered:
        return
    metrics = {group: loading.metrics(runs[0])["metrics"] for group, runs in comparison.groups.items()}
    own = [name for name in next(iter(metrics.values())) if name.endswith(f"@{k}")]
    table = tables.catalogue(comparison.names, metrics, [name for name in own if name not in comparing.metrics_of(k)])
    with st.expander(t("Which part of the catalogue is recalled")):
        column = st.column_config.TextColumn
        columns = {name: column(alignment="right", help=explain_metric(name)) for name in table.columns[1:]}
        columns[t("run")] = column(pinned=True)
        frame.table(table, "catalogue", frame.all_rows(table, 24), **columns)


def show_curves(comparison: Comparison, baseline: str, k: int) -> None:
    with skeleton.of(_CHART, t("Counting hits …")):
        table = comparing.curves(comparison)
    if drawn_apart(comparison):
        legend = t(
            "Coloured: the run of the panel with its 95 % interval. Dashed: {baseline}. Pale: all others.",
            baseline=comparison.names[baseline],
        )
        show_panels(figures.says_curves(table), legend, panel_figures.curves(table, baseline), "compare-curve")
        return
    bands = choose_switch("bands", t("Bands of the 95 % intervals"), len(comparison.groups) <= _MANY)
    frame.chart(compare_figures.curves(table, bands), "compare-curves")


def show_missed(comparison: Comparison, baseline: str, k: int) -> None:
    with skeleton.of(_CHART, t("Counting hits …")):
        table = comparing.reasons(comparison, k)
    frame.chart(compare_figures.reasons(table, "run", k), "compare-missed")
    with st.expander(t("What the reasons mean")):
        for reason, meaning in words.REASONS.items():
            st.markdown(f"**{t(reason)}**: {t(meaning)}", help=explain_reason(reason))
    st.subheader(t("By kind of click"), help=explain("cold article"))
    left, right = st.columns(2)
    segment = choose_segment(comparison, left)
    group = choose_group(comparison, "missed_run", t("Run"), right)
    table = comparing.reasons(comparison, k, segment)
    mine = table[table["group"] == group]
    frame.chart(compare_figures.reasons(mine, "part", k), "compare-missed-by")


def choose_segment(comparison: Comparison, where) -> Segment:
    with skeleton.of(_CHART, t("Counting train …")):
        known = {segment.name: segment for segment in comparing.segments(comparison)}
    named, about = comparing.segment_name, explain_each("segment", "head, torso, tail")
    return known[choices.select(t("Segments by"), list(known), "segment", where=where, format_func=named, help=about)]


def choose_group(comparison: Comparison, key: str, label: str, where, without: str = "") -> str:
    offered = [group for group in comparison.names if group != without] or list(comparison.names)
    best = loading.best_trained([comparison.groups[group][0] for group in offered]).id
    return choices.select(label, offered, key, best, where, format_func=comparison.names.get)


def show_segments(comparison: Comparison, baseline: str, k: int) -> None:
    if len(comparison.groups) > 1:
        group = choose_group(comparison, "matrix_run", t("Run to compare with the baseline run"), st, baseline)
        with skeleton.of(_CHART, t("Comparing cell by cell …")):
            table = comparing.matrix(comparison, group, baseline, k)
        names = comparison.names
        frame.chart(compare_figures.matrix(table, names[group], names[baseline], f"recall@{k}"), "compare-matrix")
        st.caption(
            t(
                "Differences of recall in points, over the clicks of a cell. In brackets and pale: the interval, which "
                "covers {what}, includes 0. Cells of fewer than 10 clicks are left blank.",
                what=t(compare.covered(comparison.groups[group], comparison.groups[baseline])),
            ),
            help=explain_each("head, torso, tail", "cold article"),
        )
    segment = choose_segment(comparison, st)
    with skeleton.of(_CHART, t("Counting hits …")):
        table = comparing.by_segment(comparison, segment, k)
    named, metric = comparing.segment_name(segment.name), f"recall@{k}"
    if not drawn_apart(comparison):
        frame.chart(figures.segments(table, comparison.presets, named, metric), "compare-segments")
        return
    st.markdown(f"**{words.as_markdown(figures.says_segments(table, named))}**")
    dashed = t("Dashed: {baseline}. Lines: 95 % intervals.", baseline=comparison.names[baseline])
    st.caption(words.as_markdown(dashed))
    panels = panel_figures.parts(table, comparison.presets, baseline, metric)
    for place, (part, figure) in enumerate(panels.items()):
        if place % 2 == 0:
            columns = st.columns(2)
        with columns[place % 2]:
            frame.chart(figure, f"compare-part-{segment.name}-{part}")


def show_popularity(comparison: Comparison, baseline: str, k: int) -> None:
    with skeleton.of(_CHART, t("Counting what was recalled …")):
        table = comparing.popularity(comparison, k)
    names, presets = comparison.names, comparison.presets
    if drawn_apart(comparison):
        legend = t(
            "Coloured: the run of the panel. Bars: the held-out clicks. Dashed: {baseline}. Pale: all others.",
            baseline=names[baseline],
        )
        panels = panel_figures.popularity(table, names, presets, baseline)
        show_panels(compare_figures.says_popularity(table, names), legend, panels, "compare-popularity")
    else:
        frame.chart(compare_figures.popularity(table, names, presets, k), "compare-popularity")
    tell_first_seeds(comparison)


def show_overlap(comparison: Comparison, baseline: str, k: int) -> None:
    if len(comparison.groups) < 2:
        st.info(t("One run overlaps with itself alone: choose a second one."))
        return
    with skeleton.of(_CHART, t("Comparing the lists …")):
        table = comparing.overlap(comparison, k)
    if len(table) > _MANY:
        group = choose_group(comparison, "overlap_run", t("Run to hold the others against"), st)
        presets = {comparison.names[group]: preset for group, preset in comparison.presets.items()}
        frame.chart(figures.overlap_with(table, comparison.names[group], presets, k), "compare-overlap-with")
        with st.expander(t("Each with each")):
            frame.chart(figures.overlap(table, k), "compare-overlap")
    else:
        frame.chart(figures.overlap(table, k), "compare-overlap")
    st.caption(t("Measured on 1,000 users where there are more."))
    tell_first_seeds(comparison)


def show_negatives(comparison: Comparison, baseline: str, k: int) -> None:
    table = comparing.epochs(comparison)
    if table.empty:
        st.info(t("Baselines have no epochs and draw no negatives: choose a trained run."))
        return
    if drawn_apart(comparison):
        legend = t("Coloured: the run of the panel. Pale: all others.")
        show_panels(compare_figures.says_hardness(table), legend, panel_figures.hardness(table), "compare-hardness")
        title, panels = compare_figures.says_false_negatives(table), panel_figures.false_negatives(table)
        show_panels(title, legend, panels, "compare-false-negatives")
    else:
        frame.chart(compare_figures.hardness(table), "compare-hardness")
        frame.chart(compare_figures.false_negatives(table), "compare-false-negatives")
    told = t("Cosines are those of the validation clicks' batch.")
    st.caption(told, help=explain_each("negative", "hard negative", "false negative"))
    tell_first_seeds(comparison)


def tell_first_seeds(comparison: Comparison) -> None:
    """Some views look at lists or epochs, of which seeds have no mean."""
    if any(len(runs) > 1 for runs in comparison.groups.values()):
        st.caption(t("Of a config with several seeds this shows the first one chosen."))


def show_configs(comparison: Comparison, baseline: str, k: int) -> None:
    """Baselines have no knobs but split, pool and eval: they are left out unless those differ or they are alone."""
    rows, trained = comparing.configs(comparison)
    if rows.empty:
        alike = (
            words.counted(len(trained), "trained config") if trained else words.counted(len(comparison.groups), "run")
        )
        st.text(t("Nothing differs, among {alike}.", alike=alike))
        return
    own = {t("run"): rows["run"], t("not as in most"): tables.own_knobs(rows)}
    # a table of this kind breaks its lines, so that a phone shows all of it
    st.table(pd.DataFrame({name: map(words.as_markdown, texts) for name, texts in own.items()}), hide_index=True)
    with st.expander(t("Every knob that differs")):
        frame.table(rows, "configs", frame.all_rows(rows), run=st.column_config.TextColumn(t("run"), pinned=True))
    if len(rows) >= 3:
        metric = f"recall@{k}"
        with skeleton.of(_CHART, t("Comparing user by user …")):
            board, _ = comparing.leaderboard(comparison, baseline, metric)
        values = board.set_index("run")["value"].reindex(rows["run"]).to_numpy()
        varied = compare_figures.most_varied(rows.drop(columns="run"))
        frame.chart(compare_figures.knobs(varied.assign(**{metric: values}), metric), "compare-knobs")
        if len(varied.columns) < len(rows.columns) - 1:
            st.caption(t("Drawn are the {count} knobs with most values.", count=len(varied.columns)))


def show_export(comparison: Comparison, baseline: str, k: int) -> None:
    st.divider()
    with st.container(horizontal=True):
        spoken = language.chosen()
        download.button(
            t("Whole comparison as HTML"),
            lambda: compare_report.made(comparison, baseline, k, spoken).encode(),
            "comparison.html",
            "text/html",
        )
        download.button(
            t("All metrics as CSV"), lambda: all_metrics(comparison, baseline, k), "comparison.csv", "text/csv"
        )
        if not comparison.filtered:
            frame.command(shell_line(comparison, baseline), "compare")


def shell_line(comparison: Comparison, baseline: str) -> str:
    """The command that compares the same runs, those of the baseline first; it knows no filters."""
    first = comparison.groups[baseline]
    ids = [run.id for run in first] + [run.id for run in comparison.runs if run not in first]
    return commands.line(comparison.workspace, "compare", *ids, narrow=comparison.narrow)


def all_metrics(comparison: Comparison, baseline: str, k: int) -> bytes:
    boards = [
        comparing.leaderboard(comparison, baseline, name)[0].assign(metric=name) for name in comparing.metrics_of(k)
    ]
    return tables.csv(pd.concat(boards, ignore_index=True))


VIEWS = {
    "Leaderboard": show_leaderboard,
    "Curves": show_curves,
    "Missed clicks": show_missed,
    "Segments": show_segments,
    "Popularity": show_popularity,
    "Overlap": show_overlap,
    "Negatives": show_negatives,
    "Configs": show_configs,
}
"""What there is to look at, by its name in English: (comparison, baseline group, K) → shown."""

main()
