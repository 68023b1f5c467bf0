"""Overview: what the runs found, one user's story, and where to go next."""

import pandas as pd
import streamlit as st

from dssm_core.comparable import comparison_key
from dssm_core.runs import Run
from dssm_core.workspace import Workspace
from lab import figures, frame, loading, tables, words

METRIC, K = "recall@50", 50


def main() -> None:
    workspace = frame.start("Overview")
    with frame.plain_errors():
        runs = headline_runs(workspace)
        show_welcome(runs)
        if runs:
            show_finding(runs)
            show_story(workspace, best_trained(runs))


def headline_runs(workspace: Workspace) -> list[Run]:
    """The largest set of finished runs that can be compared: the bundled demo's, else the visitor's own."""
    finished = loading.finished_runs(workspace)
    shown = [run for run in finished if run.bundled] or finished
    groups: dict[str, list[Run]] = {}
    for run in shown:
        groups.setdefault(comparison_key(run.dataset, run.config), []).append(run)
    return max(groups.values(), key=len, default=[])


def best_trained(runs: list[Run]) -> Run:
    """The run whose story is told: the best of those that were trained, else the best."""
    trained = [run for run in runs if run.config.model == "two_tower"] or runs
    return max(trained, key=lambda run: loading.metrics(run)["metrics"].get(METRIC, {}).get("value") or 0)


def show_welcome(runs: list[Run]) -> None:
    st.title("Which articles does recall find?")
    st.markdown(
        "Train two-tower models on the exposure log of a news recommender, see which of the next day's clicks they "
        "recall, and compare ways to draw negatives on equal terms."
    )
    if not runs:
        st.info(
            "No run has finished yet. Make a demo log on the Data page, then train your first model.",
            icon=":material/info:",
        )
    with st.container(horizontal=True):
        if st.button("Use your own logs", icon=":material/upload_file:", type="primary"):
            st.switch_page("pages/data.py")
        if st.button("Train one now", icon=":material/model_training:"):
            st.switch_page("pages/train.py")


def show_finding(runs: list[Run]) -> None:
    names = words.run_names(runs)
    metrics = {run.id: loading.metrics(run)["metrics"] for run in runs}
    table = tables.metric_rows(names, {run.id: run.preset for run in runs}, metrics, METRIC)
    facts = loading.metrics(runs[0])["facts"]
    frame.chart(figures.metric_dots(table, METRIC), "overview-recall")
    st.caption(
        f"{words.counted(facts['held_out_clicks'], 'held-out click')} of {words.counted(facts['users'], 'user')}, "
        f"{words.percent(facts['in_pool_share'])} of them on articles in the candidate pool of {facts['pool']:,}. "
        "Grey: baselines, which nobody trains."
    )
    st.page_link(
        "pages/compare.py",
        label="Compare these runs in detail",
        icon=":material/balance:",
        query_params={"compared": [run.id for run in runs]},
    )


def show_story(workspace: Workspace, run: Run) -> None:
    dataset = loading.dataset(workspace, run.dataset)
    split = loading.split(dataset, workspace, run.config)
    user = story_user(loading.held_out(run))
    if user is None:
        return
    st.subheader("Clicked and recalled: one user")
    clicks = tables.held_out_list(dataset, loading.held_out(run), user, K)
    user_id = dataset.users["user_id"].iat[user]
    st.text(
        f"User {user_id} clicked {words.counted(len(clicks), 'article')} in the test period; "
        f"the {K} articles that {words.run_name(run)} recalls hold {clicks['hit'].sum()} of them."
    )
    left, right = st.columns(2)
    with left:
        st.markdown("**What the user then clicked**")
        frame.table(clicks[["hit", "rank", "title", "why"]], "story-clicks")
    with right:
        st.markdown(f"**What was recalled**, best {K}, hits first")
        recalled = tables.recall_list(dataset, split, loading.recall(run), user, K).sort_values(
            ["hit", "rank"], ascending=[False, True]
        )
        frame.table(
            recalled[[c for c in ("rank", "hit", "title", "category", "age") if c in recalled]], "story-recalled"
        )
    st.page_link(
        "pages/users.py",
        label="Look at more users",
        icon=":material/person_search:",
        query_params={"run": run.id, "user": user_id},
    )


def story_user(held_out: pd.DataFrame) -> int | None:
    """The user with most hits, one with misses too where there is one, of those with up to twelve held-out clicks."""
    hit = (held_out["list_rank"] > 0) & (held_out["list_rank"] <= K)
    users = hit.groupby(held_out["user"]).agg(["sum", "size"])
    mixed = users[(users["sum"] > 0) & (users["size"] <= 12)]
    return (
        None
        if mixed.empty
        else int(mixed.assign(missed=mixed["sum"] < mixed["size"]).sort_values(["missed", "sum"]).index[-1])
    )


main()
