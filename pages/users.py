"""Users: who they are, what was recalled for them, and why a held-out click was missed."""

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core.dataset import Dataset
from dssm_core.runs import Run
from dssm_core.split import Split
from dssm_core.workspace import Workspace
from lab import address, frame, loading, tables, words


def main() -> None:
    workspace = frame.start("Users")
    st.title("Users")
    with frame.plain_errors():
        runs = loading.finished_runs(workspace)
        if not runs:
            frame.empty(
                "No run has finished yet, so there is no recall list to look at.",
                ("pages/train.py", "Train one", ":material/model_training:"),
            )
            return
        run, beside, k = choose_runs(workspace, runs)
        dataset = loading.dataset(workspace, run.dataset)
        split = loading.split(dataset, workspace, run.config)
        user = choose_user(dataset, run, k)
        if user is not None:
            show_user(dataset, split, user)
            show_lists(workspace, dataset, [run, *([beside] if beside else [])], user, k)


def choose_runs(workspace: Workspace, runs: list[Run]) -> tuple[Run, Run | None, int]:
    by_id = {run.id: run for run in runs}
    first, second, third = st.columns([3, 3, 2])
    changed = address.one("run", list(by_id), loading.first_shown(runs).id)
    label = words.run_labels(runs, workspace.datasets())
    chosen = by_id[
        first.selectbox(
            "Run", list(by_id), key="run", format_func=label.get, on_change=changed, persist_state="session"
        )
    ]
    others = ["", *(run.id for run in runs if run.dataset == chosen.dataset and run.id != chosen.id)]
    changed = address.one("beside", others)
    beside = second.selectbox(
        "Beside it",
        others,
        key="beside",
        format_func=lambda id: label[id] if id else "no second run",
        on_change=changed,
        persist_state="session",
    )
    ks = sorted(chosen.config.eval.k)
    changed = address.one("k", ks, 50 if 50 in ks else ks[0])
    with third:
        k = st.segmented_control(
            "Length of the list, K", ks, key="k", on_change=changed, required=True, persist_state="session"
        )
    return chosen, by_id.get(beside), k


def choose_user(dataset: Dataset, run: Run, k: int) -> int | None:
    """The row of the chosen user; None where the run has evaluated nobody."""
    per_user = loading.per_user(run)
    if per_user.empty:
        st.info("Nobody clicked in this run's test period: there is no user to look at.")
        return None
    hits = hits_by_user(loading.held_out(run), per_user, k)
    ids = per_user["user_id"].astype(str).tolist()
    changed = address.one("user", ids, ids[int(hits["hits"].to_numpy().argmax())])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "User",
            ids,
            key="user",
            on_change=changed,
            filter_mode="contains",
            help="Type to search for an id",
            persist_state="session",
            width=300,
        )
        place = ids.index(chosen)
        jump("Next with a miss", ids, next_where(hits["hits"] < hits["held_out"], place), ":material/close:")
        jump("Next with a hit", ids, next_where(hits["hits"] > 0, place), ":material/check:")
        jump("Any user", ids, int(np.random.default_rng().integers(len(ids))), ":material/shuffle:")
    with_hit = int((hits["hits"] > 0).sum())
    st.caption(f"{with_hit:,} of {len(ids):,} users with held-out clicks have a hit in their {k} articles.")
    return dataset.user_row(chosen)


def hits_by_user(held_out: pd.DataFrame, per_user: pd.DataFrame, k: int) -> pd.DataFrame:
    """Columns hits (within the first K) and held_out, in the order of `per_user`."""
    hit = (held_out["list_rank"] > 0) & (held_out["list_rank"] <= k)
    return (
        hit.groupby(held_out["user"])
        .agg(hits="sum", held_out="size")
        .reindex(per_user["user"], fill_value=0)
        .reset_index(drop=True)
    )


def next_where(wanted: pd.Series, place: int) -> int | None:
    """The first place after `place` where `wanted` is true, going round; None where it is true nowhere."""
    places = np.flatnonzero(wanted.to_numpy())
    return int(places[np.searchsorted(places, place, side="right") % len(places)]) if len(places) else None


def jump(label: str, ids: list[str], to: int | None, icon: str) -> None:
    target = ids[to] if to is not None else None
    st.button(label, icon=icon, disabled=target is None, on_click=address.choose, args=("user", target))


def show_user(dataset: Dataset, split: Split, user: int) -> None:
    history = tables.history(dataset, split, user)
    profile = tables.profile(dataset, user)
    left, right = st.columns([1, 2])
    with left:
        st.subheader("Profile")
        if profile:
            frame.table(pd.DataFrame({"attribute": list(profile), "value": list(profile.values())}), "profile")
        else:
            st.text("Nothing is known of this user but their clicks.")
    with right:
        st.subheader(f"History: {words.counted(len(history), 'click')} in train")
        if len(history):
            frame.table(history, "history", height=frame.all_rows(history, 8))
        else:
            st.text("No click in train: a cold user.")


def show_lists(workspace: Workspace, dataset: Dataset, runs: list[Run], user: int, k: int) -> None:
    names = words.run_names(runs)
    for column, run in zip(st.columns(len(runs)), runs, strict=True):
        with column:
            held_out = tables.held_out_list(
                dataset, loading.held_out(run), loading.recall(run), user, k, words.score_name(run)
            )
            st.subheader("Held-out clicks" if len(runs) == 1 else words.as_markdown(names[run.id]))
            if held_out.empty:
                st.text("This run was not evaluated on this user.")
                continue
            found = f"{held_out['hit'].sum()} of {words.counted(len(held_out), 'held-out click')}"
            st.text(f"{found} in the {k} recalled articles{at_ranks(held_out)}.")
            frame.table(held_out, f"held-out-{run.id}", height=frame.all_rows(held_out))
            st.subheader(f"Recall list: {k} articles")
            show_recalled(workspace, dataset, run, user, k)


def at_ranks(held_out: pd.DataFrame) -> str:
    ranks = sorted(held_out.loc[held_out["hit"], "rank"].astype(int))
    return f", at rank {', '.join(map(str, ranks))}" if ranks else ""


def show_recalled(workspace: Workspace, dataset: Dataset, run: Run, user: int, k: int) -> None:
    split = loading.split(dataset, workspace, run.config)
    recalled = tables.recall_list(dataset, split, loading.recall(run), user, k, words.score_name(run))
    frame.table(recalled, f"recalled-{run.id}", height=frame.all_rows(recalled, 20))
    if split.cutoff and any(name in recalled for name in tables.AGES):
        st.caption("Age: when the test began; below 0, the article was created during the test.")
    st.download_button(
        "Download the list as CSV",
        tables.csv(recalled),
        f"recall-{run.id}.csv",
        "text/csv",
        icon=":material/download:",
        key=f"csv-{run.id}",
        on_click="ignore",
    )


main()
