"""Data: bring a log, see what was kept and set aside, where the cut lies, and that nothing leaks."""

import pandas as pd
import streamlit as st

from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.split import Split
from dssm_core.workspace import Workspace
from lab import address, bringing, figures, frame, ingest_report, loading, reading, tables, undo, uploads, words
from lab.language import t


def main() -> None:
    workspace = frame.start("Data")
    st.title("Data")
    bring(workspace)
    show_damaged(workspace)
    manifest = choose_dataset(workspace)
    if manifest is None:
        frame.empty("No dataset yet. Make a demo log above: it takes seconds.")
        return
    show_delete(workspace, manifest)
    with frame.plain_errors():
        dataset = loading.dataset(workspace, manifest["id"])
        show_counts(dataset)
        ingest_report.show(workspace, dataset)
        show_split(workspace, dataset)
        show_popularity(dataset)


def bring(workspace: Workspace) -> None:
    made = reading.taken()
    if made:
        address.choose("dataset", made["dataset"])
    if "upload turn" not in st.session_state:
        uploads.remove_abandoned(workspace)
    with st.container(border=True):
        st.subheader("Bring a log")
        source = st.segmented_control(
            "Where from",
            list(bringing.SOURCES),
            default="Demo log",
            required=True,
            key="source",
            persist_state="session",
        )
        try:
            bringing.SOURCES[source](workspace)
        except UserError as error:
            frame.complain(error)
    # below the button that was pressed: what is above may be out of sight
    tell_outcome(made)


def tell_outcome(made: dict | None) -> None:
    """What became of the log that was read last."""
    if made:
        st.success(f"Accepted {made['accepted']:,} of {made['rows_in']:,} rows.", icon=":material/check_circle:")
        st.page_link("pages/train.py", label="Train on it", icon=":material/model_training:")
    if reading.was_cancelled():
        st.info("Cancelled: nothing of it was kept.", icon=":material/cancel:")


def show_damaged(workspace: Workspace) -> None:
    """What is wrong with each dataset that cannot be read, and a way to be rid of it."""
    for dataset_id, reason in workspace.damaged_datasets().items():
        st.error(words.as_markdown(reason), icon=":material/broken_image:")
        if not workspace.is_bundled(workspace.dataset_folder(dataset_id)) and st.button(
            f"Delete the damaged dataset {words.as_markdown(dataset_id)}", icon=":material/delete:"
        ):
            workspace.delete_dataset(dataset_id)
            st.rerun()


def choose_dataset(workspace: Workspace) -> dict | None:
    manifests = {manifest["id"]: manifest for manifest in workspace.datasets()}
    if not manifests:
        return None
    changed = address.one("dataset", list(manifests))
    names = words.dataset_names(list(manifests.values()))
    label = {id: f"{names[id]} · {m['exposures']:,} exposures" for id, m in manifests.items()}
    return manifests[
        st.selectbox(
            "Dataset", list(manifests), key="dataset", format_func=label.get, on_change=changed, persist_state="session"
        )
    ]


def show_counts(dataset: Dataset) -> None:
    clicks = int(dataset.exposures.click.sum())
    counts = {
        "Exposures": f"{len(dataset.exposures):,}",
        "Clicks": f"{clicks:,}",
        "Clicked share": words.percent(clicks / max(1, len(dataset.exposures))),
        "Users": f"{len(dataset.users) - 1:,}",
        "Articles": f"{len(dataset.articles) - 1:,}",
    }
    with st.container(horizontal=True):
        for label, value in counts.items():
            st.metric(label, value, border=True, width=148)


def show_split(workspace: Workspace, dataset: Dataset) -> None:
    st.subheader("Train and test")
    config = split_config(dataset)
    try:
        split = loading.split(dataset, workspace, config)
    except UserError as error:
        frame.complain(error)
        return
    if dataset.exposures.time is not None:
        days = tables.days(dataset, split)
        left, right = st.columns(2)
        with left:
            frame.chart(figures.days(days, "exposures"), "exposures-a-day")
        with right:
            frame.chart(figures.days(days, "clicks"), "clicks-a-day")
        cut = words.day_time(split.cutoff or 0, dataset.timezone) or "no one instant"
        st.caption(words.as_markdown(f"Days are cut in the time zone {dataset.timezone}. Test begins at {cut}."))
        warn_of_left_out(dataset, split)
    st.subheader("Leakage report")
    guards = loading.guards(dataset, workspace, config)
    # a static table wraps its texts, where the other kind would cut them off
    st.table(
        pd.DataFrame(
            [{"guard": guard.name, "count": guard.count, "what it means": guard.text} for guard in guards]
        ).style.format(thousands=","),
        hide_index=True,
    )


def warn_of_left_out(dataset: Dataset, split: Split) -> None:
    kept = len(split.train) + len(split.validation) + len(split.test)
    share = 1 - kept / max(1, len(dataset.exposures))
    if share > 0.5:
        st.warning(
            f"This split leaves out {words.percent(share)} of the exposures. Raise the train days, or choose another "
            "split; on the Train page it is the knob split.",
            icon=":material/warning:",
        )


def split_config(dataset: Dataset) -> Config:
    """The kind of split and its days, as inputs; what a log without times cannot have is not offered."""
    timed = dataset.exposures.time is not None
    kinds = (
        (["time", "leave_last"] if timed else [])
        + ["random"]
        + (["column"] if "split" in dataset.exposures.extra else [])
    )
    with st.container(horizontal=True):
        kind = st.selectbox("Split", kinds, key=f"split kind {timed}", width=180, persist_state="session")
        days = {"test_days": 1, "train_days": 6}
        if kind == "time":
            days = {
                name: st.number_input(
                    name.replace("_", " "), 1, 365, value, key=f"split {name}", width=130, persist_state="session"
                )
                for name, value in days.items()
            }
    return Config(split={"kind": kind, **days})


def show_popularity(dataset: Dataset) -> None:
    st.subheader("Popularity")
    frame.chart(figures.popularity(tables.popularity(dataset), tables.head_share(dataset)), "popularity")


def show_delete(workspace: Workspace, manifest: dict) -> None:
    if manifest["bundled"]:
        st.caption("This dataset ships with the lab and stays.")
        return
    name = manifest["name"] or manifest["id"]
    effect = t("{dataset} goes; runs made from it stay, but no longer show their users' history.", dataset=name)
    undo.ask(workspace, manifest["id"], name, effect, chosen="dataset")


main()
