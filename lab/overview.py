"""Overview: what the runs found, one user's story, and where to go next."""

import pandas as pd
import streamlit as st

from dssm_core.comparable import comparison_key
from dssm_core.runs import Run
from dssm_core.workspace import Workspace
from lab import address, comparing, figures, frame, loading, tables, user_tables, words

_WANTED_K = 50


def main() -> None:
    workspace = frame.start("Overview")
    with frame.plain_errors():
        groups = comparable_groups(workspace, frame.finished_runs(workspace))
        show_welcome(found=bool(groups))
        if groups:
            runs = choose_dataset(workspace, groups)
            k = shown_k(runs[0])
            show_finding(runs, f"recall@{k}")
            show_story(workspace, loading.best_trained(runs, f"recall@{k}"), k)


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
    st.title("Which articles does recall find?")
    st.markdown(
        "Train two-tower models on the exposure log of a news recommender, see which of the next day's clicks they "
        "recall, and compare ways to draw negatives on equal terms."
    )
    if not found:
        st.info(
            "No run has finished yet. Make a demo log on the Data page, then train your first model.",
            icon=":material/info:",
        )
    with st.container(horizontal=True):
        if st.button("Use your own logs", icon=":material/upload_file:", type="primary"):
            st.switch_page("pages/data.py")
        if st.button("Train one now", icon=":material/model_training:"):
            st.switch_page("pages/train.py")


def choose_dataset(workspace: Workspace, groups: dict[str, list[Run]]) -> list[Run]:
    """The runs to show: the newest own dataset's unless another is chosen, else the bundled ones."""
    if len(groups) == 1:
        return next(iter(groups.values()))
    names = words.dataset_names(workspace.datasets())
    changed = address.one("shown", list(groups))
    chosen = st.selectbox(
        "Results on",
        list(groups),
        key="shown",
        format_func=lambda id: f"{names[id]} · {words.counted(len(groups[id]), 'run')}",
        on_change=changed,
        persist_state="session",
    )
    return groups[chosen]


def shown_k(run: Run) -> int:
    ks = run.config.eval.k
    return _WANTED_K if _WANTED_K in ks else max(ks)


def show_finding(runs: list[Run], metric: str) -> None:
    metrics = {run.id: loading.metrics(run)["metrics"] for run in runs}
    table = tables.metric_rows(words.run_names(runs), {run.id: run.preset for run in runs}, metrics, metric)
    if table.empty:
        st.text(f"Nobody clicked in the test period of these runs: {metric} is not defined.")
        return
    baseline = tables.best_baseline(table)
    if baseline is not None:
        differences = comparing.differences(runs, baseline["id"], metric)
        st.subheader(words.as_markdown(figures.says_beaten(table, differences)))
    frame.chart(figures.metric_dots(table, metric), "overview-recall")
    facts = loading.metrics(runs[0])["facts"]
    st.caption(
        f"{metric}: the share of a user's clicks of the test period that is in the {metric.split('@')[1]} recalled "
        f"articles. {words.counted(facts['held_out_clicks'], 'held-out click')} of "
        f"{words.counted(facts['users'], 'user')}, {words.percent(facts['in_pool_share'])} of them on one of the "
        f"{facts['pool']:,} articles that may be recalled. Lines: 95 % intervals. Grey: baselines, which are not "
        "trained. Clearly: the interval of the difference, user by user, excludes 0."
    )
    st.page_link(
        "pages/compare.py",
        label="Compare these runs in detail",
        icon=":material/balance:",
        query_params={"compared": [run.id for run in runs]},
    )


def show_story(workspace: Workspace, run: Run, k: int) -> None:
    dataset = loading.dataset(workspace, run.dataset)
    split = loading.split(dataset, workspace, run.config)
    user = story_user(loading.held_out(run), k)
    if user is None:
        return
    st.subheader("Clicked and recalled: one user")
    score = words.score_name(run)
    recall = user_tables.of_user(loading.recall(run), user)
    clicks = user_tables.held_out_list(dataset, user_tables.of_user(loading.held_out(run), user), recall, k, score)
    user_id = dataset.users["user_id"].iat[user]
    before = tables.says_history(user_tables.history(dataset, split, user))
    st.text(
        f"User {user_id} {before} In the test period the user then clicked "
        f"{words.counted(len(clicks), 'article')}; the {k} articles that {words.run_name(run)} recalls hold "
        f"{clicks['hit'].sum()} of them."
    )
    st.markdown("**What the user then clicked**")
    shown = [name for name in ("hit", "rank", "title", "category", "why") if name in clicks]
    frame.table(clicks[shown], "story-clicks", height=frame.all_rows(clicks))
    st.markdown(f"**What was recalled**: {k} articles, best first")
    recalled = user_tables.recall_list(dataset, split, recall, k, score).drop(columns="article")
    frame.table(recalled, "story-recalled", height=frame.all_rows(recalled, 10))
    st.page_link(
        "pages/users.py",
        label="Look at more users",
        icon=":material/person_search:",
        query_params={"run": run.id, "user": user_id},
    )


def story_user(held_out: pd.DataFrame, k: int) -> int | None:
    """The user with most hits, one with misses too where there is one, of those with up to eight held-out clicks."""
    hit = (held_out["list_rank"] > 0) & (held_out["list_rank"] <= k)
    # a hit among the first five is seen without scrolling
    early = hit & (held_out["list_rank"] <= 5)
    users = pd.DataFrame({"hit": hit, "early": early}).groupby(held_out["user"]).agg(["sum", "size"])
    hits, early, clicks = users[("hit", "sum")], users[("early", "sum")], users[("hit", "size")]
    ordered = pd.DataFrame({"missed": hits < clicks, "early": early > 0, "hits": hits, "early_hits": early})
    told = ordered[(hits > 0) & (clicks <= 8)].sort_values(["missed", "early", "hits", "early_hits"])
    return None if told.empty else int(told.index[-1])
