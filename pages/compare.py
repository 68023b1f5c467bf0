"""Compare: runs side by side on the same clicks, against a baseline run of your choice."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from dssm_core import compare
from dssm_core.runs import Run
from dssm_core.segments import Segment
from dssm_core.workspace import Workspace
from lab import address, compare_figures, compare_report, comparing, figures, filters, frame, loading, tables, words
from lab.comparing import Comparison

MOST_RUNS = 60
_MANY = 8
"""From so many lines on, bands hide more than they tell."""


def main() -> None:
    workspace = frame.start("Compare")
    st.title("Compare")
    with frame.plain_errors():
        finished = frame.finished_runs(workspace, st.query_params.get_all("compared"))
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
        comparison = settle(workspace, runs)
        baseline, k = choose_baseline(comparison)
        comparison = choose_filters(comparison)
        choose_view(comparison, baseline, k)
        show_export(comparison, baseline, k)


def choose_runs(workspace: Workspace, finished: list[Run]) -> list[Run]:
    named = words.dataset_names(workspace.datasets())
    linked = [run for run in finished if run.id in st.query_params.get_all("compared")]
    datasets = list(dict.fromkeys(run.dataset for run in finished))
    if len(datasets) > 1:
        # not "dataset": a choice among those that have runs must not change what Data and Train have open
        if linked and "compared_on" not in st.query_params:
            several = len({run.dataset for run in linked}) > 1
            st.session_state["compared_on"] = "all" if several else linked[0].dataset
        changed = address.one("compared_on", [*datasets, "all"], st.session_state.get("dataset"))
        dataset = st.selectbox(
            "Dataset",
            [*datasets, "all"],
            key="compared_on",
            format_func=lambda id: "all datasets" if id == "all" else named.get(id, "a deleted dataset"),
            on_change=changed,
            persist_state="session",
        )
    else:
        dataset = datasets[0]
    offered = {run.id: run for run in finished if dataset in (run.dataset, "all")}
    runs = list(offered.values())
    labels = words.run_labels(runs, workspace.datasets()) if dataset == "all" else words.run_names(runs)
    with_newest = loading.comparable(runs, runs[0])
    changed = address.many("compared", list(offered), [run.id for run in with_newest][:MOST_RUNS])
    st.session_state["compared"] = st.session_state["compared"][:MOST_RUNS]
    chosen = st.multiselect(
        "Runs",
        list(offered),
        key="compared",
        format_func=labels.get,
        max_selections=MOST_RUNS,
        on_change=changed,
        persist_state="session",
    )
    return [offered[id] for id in chosen]


def settle(workspace: Workspace, runs: list[Run]) -> Comparison:
    """The comparison of all that the runs measured; runs that are not alike only once they are narrowed."""
    narrow = False
    reason = compare.unlike(runs)
    if reason:
        st.warning(
            words.as_markdown(f"{reason}, so their numbers answer different questions."), icon=":material/warning:"
        )
        narrow = st.toggle("Narrow to the users, held-out clicks and candidate pools that they share", key="narrow")
        if not narrow:
            st.stop()
    dataset = loading.dataset(workspace, runs[0].dataset)
    split = loading.split(dataset, workspace, runs[0].config)
    comparison = Comparison(workspace, runs, dataset, split, narrow)
    if narrow:
        clicks = comparison.held_out(runs[0])
        st.caption(
            f"Narrowed to {words.counted(len(clicks), 'held-out click')} of "
            f"{words.counted(clicks['user'].nunique(), 'user')}, in lists of up to {comparison.longest()}."
        )
    return comparison


def choose_baseline(comparison: Comparison) -> tuple[str, int]:
    names, ks = comparison.names, comparison.ks()
    left, right = st.columns(2)
    popular = next((group for group, runs in comparison.groups.items() if runs[0].model == "popular"), list(names)[-1])
    changed = address.one("baseline", list(names), popular)
    baseline = left.selectbox(
        "Baseline run", list(names), key="baseline", format_func=names.get, on_change=changed, persist_state="session"
    )
    changed = address.one("k", ks, 50 if 50 in ks else ks[0])
    with right:
        k = st.segmented_control(
            "Length of the list, K", ks, key="k", on_change=changed, required=True, persist_state="session"
        )
    pool = len(comparison.split.pool)
    if k > pool:
        st.caption(f"The candidate pool has {words.counted(pool, 'article')}: a list of {k} holds all that qualify.")
    return baseline, k


def choose_filters(comparison: Comparison) -> Comparison:
    comparison = replace(comparison, **dict(zip(_FILTERS, filters.choose(comparison.dataset), strict=True)))
    if comparison.filtered:
        clicks = comparison.held_out(comparison.runs[0])
        told = filters.described(comparison.user_values, comparison.article_values)
        left = f"{words.counted(len(clicks), 'held-out click')} of {words.counted(clicks['user'].nunique(), 'user')}"
        st.caption(words.as_markdown(f"Filtered by {told}: {left} left; all below speaks of these alone."))
        if clicks.empty:
            st.info("These filters leave no held-out click: take one of them out.")
            st.stop()
    return comparison


_FILTERS = ("user_values", "article_values")


def choose_view(comparison: Comparison, baseline: str, k: int) -> None:
    changed = address.one("view", list(VIEWS), "Leaderboard")
    view = st.segmented_control(
        "View",
        list(VIEWS),
        key="view",
        on_change=changed,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    VIEWS[view](comparison, baseline, k)


def choose_metric(k: int) -> str:
    known = comparing.metrics_of(k)
    changed = address.one("metric", known, known[0])
    return st.segmented_control("Metric", known, required=True, key="metric", on_change=changed)


def show_leaderboard(comparison: Comparison, baseline: str, k: int) -> None:
    metric = choose_metric(k)
    board, single = leaderboard(comparison, baseline, metric)
    frame.chart(compare_figures.leaderboard(board, single, metric), "compare-metric")
    rows = tables.readable(board, metric, comparison.names[baseline])
    frame.table(
        rows,
        "leaderboard",
        frame.all_rows(board, 24),
        run=st.column_config.TextColumn("run", pinned=True),
        verdict=st.column_config.TextColumn("verdict", help="Told apart where the difference's interval excludes 0"),
        **frame.right_aligned(rows.columns[1:3]),
    )
    for sentence in says_intervals(board):
        st.caption(words.as_markdown(sentence))
    show_catalogue(comparison, k)


def leaderboard(comparison: Comparison, baseline: str, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    values, apart, single = comparing.board(comparison, baseline, metric)
    return tables.leaderboard(values, apart, comparison.names, comparison.presets, baseline), single


def says_intervals(board: pd.DataFrame) -> list[str]:
    """What the intervals cover, and how often they err where that was measured."""
    told = ["Differences are taken user by user. In brackets: 95 % intervals."]
    measured = comparing.calibration()
    covers = set(board["difference_covers"].dropna())
    if compare.USERS in covers:
        told.append(
            "An interval of single runs covers users only: another seed of the same config may fall outside it. "
            "A sweep of three seeds or more covers both."
        )
        if measured:
            told[-1] += (
                f" In A/A checks, runs that differed by their seed alone were called different in "
                f"{measured['users_only']:.0%} of {measured['pairs']} pairs, on {measured['users']:,} users; the fewer "
                "users, the wider the intervals and the rarer that is."
            )
    if compare.USERS_AND_SEEDS in covers and measured:
        told.append(
            f"Intervals over users and seeds called equal configs different in {measured['users_and_seeds']:.1%} of "
            f"{measured['pairs']} pairs of groups, where 5 % is due."
        )
    return told


def show_catalogue(comparison: Comparison, k: int) -> None:
    """Which part of the catalogue is recalled: known of whole lists only, so not of some clicks."""
    if comparison.narrow or comparison.filtered:
        return
    metrics = {group: loading.metrics(runs[0])["metrics"] for group, runs in comparison.groups.items()}
    own = [name for name in next(iter(metrics.values())) if name.endswith(f"@{k}")]
    table = tables.catalogue(comparison.names, metrics, [name for name in own if name not in comparing.metrics_of(k)])
    with st.expander("Which part of the catalogue is recalled"):
        pinned = st.column_config.TextColumn("run", pinned=True)
        frame.table(table, "catalogue", frame.all_rows(table, 24), run=pinned, **frame.right_aligned(table.columns[1:]))


def show_curves(comparison: Comparison, baseline: str, k: int) -> None:
    bands = st.toggle("Bands of the 95 % intervals", value=len(comparison.groups) < _MANY, key="bands")
    frame.chart(compare_figures.curves(comparing.curves(comparison), bands), "compare-curves")


def show_missed(comparison: Comparison, baseline: str, k: int) -> None:
    frame.chart(compare_figures.reasons(comparing.reasons(comparison, k), "run", k), "compare-missed")
    with st.expander("What the reasons mean"):
        for reason, meaning in words.REASONS.items():
            st.text(f"{reason}: {meaning}")
    st.subheader("By kind of click")
    left, right = st.columns(2)
    segment = choose_segment(comparison, left)
    group = choose_group(comparison, "missed_run", "Run", right)
    table = comparing.reasons(comparison, k, segment)
    mine = table[table["group"] == group]
    frame.chart(compare_figures.reasons(mine, "part", k), "compare-missed-by")


def choose_segment(comparison: Comparison, where) -> Segment:
    known = {segment.name: segment for segment in comparing.segments(comparison)}
    changed = address.one("segment", list(known), None)
    name = where.selectbox("Segments by", list(known), key="segment", on_change=changed, persist_state="session")
    return known[name]


def choose_group(comparison: Comparison, key: str, label: str, where, without: str = "") -> str:
    offered = [group for group in comparison.names if group != without] or list(comparison.names)
    best = next((group for group in offered if comparison.groups[group][0].model == "two_tower"), offered[0])
    changed = address.one(key, offered, best)
    return where.selectbox(
        label, offered, key=key, format_func=comparison.names.get, on_change=changed, persist_state="session"
    )


def show_segments(comparison: Comparison, baseline: str, k: int) -> None:
    if len(comparison.groups) > 1:
        group = choose_group(comparison, "matrix_run", "Run to compare with the baseline run", st, baseline)
        table = comparing.matrix(comparison, group, baseline, k)
        names = comparison.names
        frame.chart(compare_figures.matrix(table, names[group], names[baseline], f"recall@{k}"), "compare-matrix")
        st.caption(
            f"Differences of recall in points, over the clicks of a cell. In brackets and pale: the interval, which "
            f"covers {compare.covered(comparison.groups[group], comparison.groups[baseline])}, includes 0. Cells of "
            "fewer than 10 clicks are left blank."
        )
    segment = choose_segment(comparison, st)
    table = comparing.by_segment(comparison, segment, k)
    frame.chart(figures.segments(table, comparison.presets, segment.name, f"recall@{k}"), "compare-segments")


def show_popularity(comparison: Comparison, baseline: str, k: int) -> None:
    table = comparing.popularity(comparison, k)
    frame.chart(compare_figures.popularity(table, comparison.names, comparison.presets, k), "compare-popularity")
    tell_first_seeds(comparison)


def show_overlap(comparison: Comparison, baseline: str, k: int) -> None:
    if len(comparison.groups) < 2:
        st.info("One run overlaps with itself alone: choose a second one.")
        return
    frame.chart(figures.overlap(comparing.overlap(comparison, k), k), "compare-overlap")
    st.caption("Measured on 1,000 users where there are more.")
    tell_first_seeds(comparison)


def show_negatives(comparison: Comparison, baseline: str, k: int) -> None:
    table = comparing.epochs(comparison)
    if table.empty:
        st.info("Baselines have no epochs and draw no negatives: choose a trained run.")
        return
    frame.chart(compare_figures.hardness(table), "compare-hardness")
    frame.chart(compare_figures.false_negatives(table), "compare-false-negatives")
    st.caption("Cosines are those of the validation clicks' batch.")
    tell_first_seeds(comparison)


def tell_first_seeds(comparison: Comparison) -> None:
    """Some views look at lists or epochs, of which seeds have no mean."""
    if any(len(runs) > 1 for runs in comparison.groups.values()):
        st.caption("Of a config with several seeds this shows the first one chosen.")


def show_configs(comparison: Comparison, baseline: str, k: int) -> None:
    """Baselines have no knobs but split, pool and eval: they are left out unless those differ or they are alone."""
    rows, trained = configs(comparison)
    if rows.empty:
        noun = "trained config" if trained else "run"
        st.text(f"Nothing differs, among {words.counted(len(trained or comparison.groups), noun)}.")
        return
    frame.table(rows, "configs", frame.all_rows(rows), run=st.column_config.TextColumn("run", pinned=True))
    if len(rows) >= 3:
        metric = f"recall@{k}"
        board, _ = leaderboard(comparison, baseline, metric)
        values = board.set_index("run")["value"].reindex(rows["run"]).to_numpy()
        frame.chart(compare_figures.knobs(rows.drop(columns="run").assign(**{metric: values}), metric), "compare-knobs")


def configs(comparison: Comparison) -> tuple[pd.DataFrame, list[str]]:
    """The knobs in which groups differ, a row a group; and the groups that were trained."""
    groups, names = comparison.groups, comparison.names
    trained = [group for group, runs in groups.items() if runs[0].model == "two_tower"]
    shown = trained if trained and not comparison.narrow else list(groups)
    differing = compare.config_differences({names[group]: groups[group][0].config for group in shown})
    differing = differing.drop(index="seed", errors="ignore")
    return (tables.configs(differing) if len(differing) else pd.DataFrame()), trained


def show_export(comparison: Comparison, baseline: str, k: int) -> None:
    st.divider()
    with st.container(horizontal=True):
        st.download_button(
            "Whole comparison as HTML",
            lambda: report(comparison, baseline, k),
            "comparison.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "All metrics as CSV",
            lambda: all_metrics(comparison, baseline, k),
            "comparison.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def all_metrics(comparison: Comparison, baseline: str, k: int) -> bytes:
    boards = [leaderboard(comparison, baseline, name)[0].assign(metric=name) for name in comparing.metrics_of(k)]
    return tables.csv(pd.concat(boards, ignore_index=True))


def report(comparison: Comparison, baseline: str, k: int) -> str:
    """Every view in one file."""
    metric, names = f"recall@{k}", comparison.names
    board, single = leaderboard(comparison, baseline, metric)
    others = [leaderboard(comparison, baseline, name)[0] for name in comparing.metrics_of(k)[1:]]
    readable = [
        tables.readable(table, name, names[baseline])
        for table, name in zip([board, *others], comparing.metrics_of(k), strict=True)
    ]
    rows, _ = configs(comparison)
    parts: list[compare_report.Part] = [
        ("What was compared", told(comparison, baseline), []),
        (
            "Leaderboard",
            says_intervals(board),
            [compare_figures.leaderboard(board, single, metric), *readable],
        ),
        ("Recall by length of the list", [], [compare_figures.curves(comparing.curves(comparison), True)]),
        ("Why clicks were missed", [], [compare_figures.reasons(comparing.reasons(comparison, k), "run", k)]),
        (
            "By kind of article, difference from the baseline run",
            [],
            [
                compare_figures.matrix(
                    comparing.matrix(comparison, group, baseline, k), names[group], names[baseline], metric
                )
                for group in names
                if group != baseline
            ],
        ),
        (
            "By segment",
            [],
            [
                figures.segments(comparing.by_segment(comparison, segment, k), comparison.presets, segment.name, metric)
                for segment in comparing.segments(comparison)
            ],
        ),
        (
            "Popularity of what is recalled",
            [],
            [compare_figures.popularity(comparing.popularity(comparison, k), names, comparison.presets, k)],
        ),
    ]
    if len(names) > 1:
        parts.append(("Overlap", [], [figures.overlap(comparing.overlap(comparison, k), k)]))
    epochs = comparing.epochs(comparison)
    if len(epochs):
        drawn = [compare_figures.hardness(epochs), compare_figures.false_negatives(epochs)]
        parts.append(("Negatives over epochs", [], drawn))
    parts.append(("What differs in the configs", [] if len(rows) else ["Nothing."], [rows] if len(rows) else []))
    return compare_report.page("Comparison of recall runs", parts)


def told(comparison: Comparison, baseline: str) -> list[str]:
    """On what the runs were compared."""
    clicks = comparison.held_out(comparison.runs[0])
    sentences = [
        f"Dataset {comparison.dataset.name or comparison.dataset.id}; baseline run {comparison.names[baseline]}; "
        f"{words.counted(len(clicks), 'held-out click')} of {words.counted(clicks['user'].nunique(), 'user')}; "
        f"runs {', '.join(run.id for run in comparison.runs)}."
    ]
    if comparison.filtered:
        sentences.append(f"Filtered by {filters.described(comparison.user_values, comparison.article_values)}.")
    return sentences + (["Narrowed to what all runs share."] if comparison.narrow else [])


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
"""What there is to look at, by the name that people see: (comparison, baseline group, K) → shown."""

main()
