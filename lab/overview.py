"""Overview: what the runs found and for whom, one user's story, and where to go next, on the first screen."""

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core.comparable import comparison_key
from dssm_core.compare import difference_matrix
from dssm_core.dataset import Dataset
from dssm_core.runs import Run
from dssm_core.segments import segments_of
from dssm_core.split import Split
from dssm_core.train_counts import count_train
from dssm_core.workspace import Workspace
from lab import address, comparing, figures, frame, loading, overview_figures, skeleton, tables, user_tables, words
from lab.glossary import explain, explain_each
from lab.language import t

_STORY_CLICKS = 3
"""Held-out clicks of the user whose story is told, at most: they are seen without scrolling."""
_STORY = 220
"""Pixels that are kept for the story while it is read."""


def main() -> None:
    workspace = frame.start("Overview")
    with frame.plain_errors():
        groups = comparable_groups(workspace, frame.finished_runs(workspace))
        show_welcome(found=bool(groups))
        if groups:
            runs = choose_dataset(workspace, groups)
            k = tables.headline_k(runs[0])
            show_finding(workspace, runs, k)
            show_story(workspace, loading.best_trained(runs, f"recall@{k}"), k)
            show_measure(runs, k)


def comparable_groups(workspace: Workspace, finished: list[Run]) -> dict[str, list[Run]]:
    """For each dataset that has finished runs, the largest set of them that can be compared."""
    groups: dict[tuple[str, str], list[Run]] = {}
    there = {manifest["id"] for manifest in workspace.datasets()}
    for run in (run for run in finished if run.dataset in there):
        groups.setdefault((run.dataset, comparison_key(run.dataset, run.config)), []).append(run)
    largest: dict[str, list[Run]] = {}
    for (dataset, _), runs in groups.items():
        largest[dataset] = max(largest.get(dataset, []), runs, key=len)
    return largest


def show_welcome(found: bool) -> None:
    st.title(t("Which of tomorrow's clicks does recall find?"))
    if not found:
        st.info(
            t(
                "Train two-tower models on the log of a news recommender, and see which of the next day's clicks they "
                "recall. No run has finished yet: make a demo log on the Data page, then train your first model."
            ),
            icon=":material/info:",
        )
    with st.container(horizontal=True):
        if st.button(t("Use your own logs"), icon=":material/upload_file:", type="primary"):
            st.switch_page("pages/data.py")
        if st.button(t("Train one now"), icon=":material/model_training:"):
            st.switch_page("pages/train.py")
        if st.button(t("Learn how recall works"), icon=":material/school:"):
            st.switch_page("pages/learn.py")


def choose_dataset(workspace: Workspace, groups: dict[str, list[Run]]) -> list[Run]:
    """The runs to show: the newest own dataset's unless another is chosen, else the bundled ones."""
    if len(groups) == 1:
        return next(iter(groups.values()))
    names = words.dataset_names(workspace.datasets())
    changed = address.one("shown", list(groups))
    chosen = st.selectbox(
        t("Results on"),
        list(groups),
        key="shown",
        format_func=lambda id: f"{names[id]} · {words.counted(len(groups[id]), 'run')}",
        on_change=changed,
        persist_state="session",
    )
    return groups[chosen]


def show_finding(workspace: Workspace, runs: list[Run], k: int) -> None:
    """Which runs beat the best baseline, and beside it for whom the best of them does."""
    metric = f"recall@{k}"
    metrics = {run.id: loading.metrics(run)["metrics"] for run in runs}
    names = words.run_names(runs)
    table = tables.metric_rows(names, {run.id: run.preset for run in runs}, metrics, metric)
    if table.empty:
        st.text(t("Nobody clicked in the test period of these runs: {metric} is not defined.", metric=metric))
        return
    baseline = tables.best_baseline(table)
    if baseline is not None:
        with skeleton.of(overview_figures.height_of(len(table)), t("Comparing user by user …")):
            differences = comparing.differences(runs, baseline["id"], metric)
        st.subheader(words.as_markdown(figures.says_beaten(table, differences)), help=explain("strategy"))
    left, right = st.columns([6, 5])
    with left:
        frame.chart(overview_figures.strategies(table, metric), "overview-recall")
    best = loading.best_trained(runs, metric)
    if baseline is None or best.id == baseline["id"]:
        return
    other = next(run for run in runs if run.id == baseline["id"])
    with right:
        height = overview_figures.height_of(len(table))
        with skeleton.of(height, t("Reading the dataset …")):
            parts = gains(workspace, best, other, k)
        figure = overview_figures.for_whom(parts, names[best.id], names[other.id], metric, height)
        frame.chart(figure, "overview-for-whom")


def gains(workspace: Workspace, run: Run, baseline: Run, k: int) -> pd.DataFrame:
    """What `run` recalls above `baseline` in each part: columns part, held_out_clicks, value, low, high."""
    dataset = loading.dataset(workspace, run.dataset)
    split = loading.split(dataset, workspace, run.config)
    table = _gains(loading.stamps([run, baseline]), k, run, baseline, dataset, split)
    return table.assign(part=[overview_figures.named(row.segment, row.value_of) for row in table.itertuples()])


@st.cache_data(max_entries=16, show_spinner=False)
def _gains(
    stamps: tuple[str, ...], k: int, _run: Run, _baseline: Run, _dataset: Dataset, _split: Split
) -> pd.DataFrame:
    clicks, counts = loading.held_out(_run), count_train(_dataset, _split)
    found = []
    for segment in segments_of(clicks, _dataset.users, _dataset.articles, counts.clicks, counts.clicked.counts()):
        if segment.name in overview_figures.PARTS:
            rows = difference_matrix([clicks], [loading.held_out(_baseline)], [segment], k)
            found.append(rows.rename(columns={segment.name: "value_of"}).assign(segment=segment.name))
    return pd.concat(found, ignore_index=True)


def show_story(workspace: Workspace, run: Run, k: int) -> None:
    with skeleton.of(_STORY, t("Reading the recall lists …")):
        dataset = loading.dataset(workspace, run.dataset)
        split = loading.split(dataset, workspace, run.config)
        recalled = loading.recall(run)
    user = story_user(loading.held_out(run), k)
    if user is None:
        return
    score = words.score_name(run)
    recall = user_tables.of_user(recalled, user)
    clicks = user_tables.held_out_list(dataset, user_tables.of_user(loading.held_out(run), user), recall, k, score)
    user_id = dataset.users["user_id"].iat[user]
    with st.container(border=True):
        left, right = st.columns([2, 5])
        with left:
            st.markdown("**" + t("One user's story") + "**", help=explain("held-out click"))
            before = tables.says_history(user_tables.history(dataset, split, user))
            st.text(t("User {user} {before}", user=user_id, before=before))
            st.page_link(
                "pages/users.py",
                label=t("Look at more users"),
                icon=":material/person_search:",
                query_params={"run": run.id, "user": user_id},
            )
        with right:
            told = {"hits": int(clicks["hit"].sum()), "clicks": words.counted(len(clicks), "article")}
            st.text(
                t(
                    "Then clicked {clicks}; the {k} that {run} recalls hold {hits}:",
                    k=k,
                    run=words.run_name(run),
                    **told,
                )
            )
            shown = [name for name in ("hit", "rank", "title", "category", "reason") if name in clicks]
            title = st.column_config.TextColumn(t("title"), width=250)
            frame.table(clicks[shown], "story-clicks", height=frame.all_rows(clicks), title=title)
    with st.expander(t("What was recalled for this user: {k} articles, best first", k=k)):
        shown = user_tables.recall_list(dataset, split, recall, k, score).drop(columns="article")
        frame.table(shown, "story-recalled", height=frame.all_rows(shown, 10))


def story_user(held_out: pd.DataFrame, k: int) -> int | None:
    """The user with most hits, one with misses too where there is one, of those with few held-out clicks."""
    hit = (held_out["list_rank"] > 0) & (held_out["list_rank"] <= k)
    # a hit among the first five is seen without scrolling
    early = hit & (held_out["list_rank"] <= 5)
    users = pd.DataFrame({"hit": hit, "early": early}).groupby(held_out["user"]).agg(["sum", "size"])
    hits, early, clicks = users[("hit", "sum")], users[("early", "sum")], users[("hit", "size")]
    ordered = pd.DataFrame({"missed": hits < clicks, "early": early > 0, "hits": hits, "early_hits": early})
    few = np.minimum(clicks, _STORY_CLICKS) == clicks
    told = ordered[(hits > 0) & few].sort_values(["missed", "early", "hits", "early_hits"])
    return None if told.empty else int(told.index[-1])


def show_measure(runs: list[Run], k: int) -> None:
    """What the figures measure, and the way to the details."""
    facts = loading.metrics(runs[0])["facts"]
    st.caption(
        t(
            "recall@{k}: the share of a user's clicks of the test period that is in the {k} recalled articles. "
            "{clicks} of {users}, {in_pool} of them on one of the {pool:,} articles that may be recalled; {warm} on "
            "articles that were shown in train (warm share).",
            k=k,
            clicks=words.counted(facts["held_out_clicks"], "held-out click"),
            users=words.counted(facts["users"], "user"),
            in_pool=words.percent(facts["in_pool_share"]),
            warm=words.percent(facts["warm_share"]),
            pool=facts["pool"],
        ),
        help=explain_each("recall@K", "candidate pool", "warm share"),
    )
    st.caption(
        t(
            "Lines: 95 % intervals over users. Grey: baselines, which are not trained. Clearly: the interval of the "
            "difference, user by user, excludes 0."
        ),
        help=explain_each("95 % interval", "baseline", "paired difference", "seed"),
    )
    st.caption(
        t("For whom: the share of a segment's held-out clicks that is recalled, less that of the baseline."),
        help=explain_each("segment", "head, torso, tail", "cold article"),
    )
    st.page_link(
        "pages/compare.py",
        label=t("Compare these runs in detail"),
        icon=":material/balance:",
        query_params={"compared": [run.id for run in runs]},
    )
