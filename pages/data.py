"""Data: bring a log, see what was kept and set aside, where the cut lies, and that nothing leaks."""

import pandas as pd
import streamlit as st

from dssm_core import commands
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.leakage import Guard
from dssm_core.split import Split
from dssm_core.workspace import Workspace
from lab import (
    address,
    bringing,
    choices,
    figures,
    frame,
    ingest_report,
    loading,
    reading,
    skeleton,
    tables,
    undo,
    uploads,
    words,
)
from lab.complaint import complain
from lab.glossary import explain
from lab.language import t, told

KINDS = (
    "time: the last days are the test. leave_last: each user's last click is. random: a share of the pairs of user and "
    "article is. column: as the log says itself. Train has each as the knob split.kind."
)
"""What the kinds of split are."""


def main() -> None:
    workspace = frame.start("Data")
    st.title(t("Data"))
    with frame.plain_errors():
        bring(workspace)
        show_damaged(workspace)
        manifest = choose_dataset(workspace)
        if manifest is None:
            frame.empty(t("No dataset yet. Make a demo log above: it takes seconds."))
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            show_delete(workspace, manifest)
            folder = workspace.home / "exports" / manifest["id"]
            frame.command(commands.line(workspace, "export", manifest["id"], to=folder), f"export {manifest['id']}")
        with skeleton.of(500, t("Reading the dataset …")):
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
        st.subheader(t("Bring a log"))
        source = choices.segments(t("Where from"), list(bringing.SOURCES), "source", format_func=t)
        try:
            bringing.SOURCES[source](workspace)
        except UserError as error:
            complain(error)
    # below the button that was pressed: what is above may be out of sight
    tell_outcome(made)


def tell_outcome(made: dict | None) -> None:
    """What became of the log that was read last."""
    if made:
        accepted = t("Accepted {accepted:,} of {rows:,} rows.", accepted=made["accepted"], rows=made["rows_in"])
        st.success(accepted, icon=":material/check_circle:")
        st.page_link("pages/train.py", label=t("Train on it"), icon=":material/model_training:")
    if reading.was_cancelled():
        st.info(t("Cancelled: nothing of it was kept."), icon=":material/cancel:")


def show_damaged(workspace: Workspace) -> None:
    """What is wrong with each dataset that cannot be read, and a way to be rid of it."""
    for dataset_id, reason in workspace.damaged_datasets().items():
        st.error(words.as_markdown(told(reason)), icon=":material/broken_image:")
        ask_to_delete(workspace, dataset_id, dataset_id)


def choose_dataset(workspace: Workspace) -> dict | None:
    manifests = {manifest["id"]: manifest for manifest in workspace.datasets()}
    if not manifests:
        return None
    return manifests[choices.dataset(manifests, "exposure")]


def show_counts(dataset: Dataset) -> None:
    clicks = int(dataset.exposures.click.sum())
    counts = {
        t("Exposures"): (f"{len(dataset.exposures):,}", explain("exposure")),
        t("Clicks"): (f"{clicks:,}", explain("positive")),
        t("Clicked share"): (words.percent(clicks / max(1, len(dataset.exposures))), None),
        t("Users"): (f"{len(dataset.users) - 1:,}", None),
        t("Articles"): (f"{len(dataset.articles) - 1:,}", None),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in counts.items():
            st.metric(label, value, help=meaning, border=True, width=148)


def show_split(workspace: Workspace, dataset: Dataset) -> None:
    st.subheader(t("Train and test"), help=explain("held-out click"))
    config = split_config(dataset)
    try:
        with skeleton.of(400, t("Cutting train and test …")):
            split = loading.split(dataset, workspace, config)
    except UserError as error:
        complain(error)
        return
    if dataset.exposures.time is not None:
        days = tables.days(dataset, split)
        left, right = st.columns(2)
        exposures, clicks = figures.days(days, "exposures"), figures.days(days, "clicks")
        figures.align(exposures, clicks)
        with left:
            frame.chart(exposures, "exposures-a-day")
        with right:
            frame.chart(clicks, "clicks-a-day")
        st.caption(words.as_markdown(says_cut(dataset, split)))
        warn_of_left_out(dataset, split)
    with skeleton.of(400, t("Checking for leaks …")):
        guards = loading.guards(dataset, workspace, config)
    show_guards(guards)


def says_cut(dataset: Dataset, split: Split) -> str:
    if split.cutoff is None:
        return t("Days are cut in the time zone {zone}. Test begins at no one instant.", zone=dataset.timezone)
    cut = words.day_time(split.cutoff, dataset.timezone)
    return t("Days are cut in the time zone {zone}. Test begins at {cut}.", zone=dataset.timezone, cut=cut)


def show_guards(guards: list[Guard]) -> None:
    st.subheader(t("Leakage report"), help=explain("leakage"))
    rows = [
        {t("guard"): guard_name(guard), t("count"): guard.count, t("what it means"): t(guard.text)} for guard in guards
    ]
    # a static table wraps its texts, where the other kind would cut them off
    st.table(pd.DataFrame(rows).style.format(thousands=","), hide_index=True)


def guard_name(guard: Guard) -> str:
    _, left_out, reason = guard.name.partition("left out: ")
    return t("left out: {reason}", reason=t(reason)) if left_out else t(guard.name)


def warn_of_left_out(dataset: Dataset, split: Split) -> None:
    kept = len(split.train) + len(split.validation) + len(split.test)
    share = 1 - kept / max(1, len(dataset.exposures))
    if share > 0.5:
        st.warning(
            t(
                "This split leaves out {share} of the exposures. Raise the train days, or choose another split; on the "
                "Train page it is the knob split.",
                share=words.percent(share),
            ),
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
        kind = choices.select(t("Split"), kinds, "split", width=180, help=t(KINDS))
        days = {"test_days": 1, "train_days": 6}
        if kind == "time":
            days = {name: days_of(name, usual) for name, usual in days.items()}
    return Config(split={"kind": kind, **days})


def days_of(name: str, usual: int) -> int:
    label = t("test days") if name == "test_days" else t("train days")
    kept = {"bind": "query-params", "persist_state": "session"}
    return st.number_input(label, 1, 365, usual, key=f"split {name}", width=130, **kept)


def show_popularity(dataset: Dataset) -> None:
    st.subheader(t("Popularity"), help=explain("head, torso, tail"))
    frame.chart(figures.popularity(tables.popularity(dataset), tables.head_share(dataset)), "popularity")


def show_delete(workspace: Workspace, manifest: dict) -> None:
    if manifest["bundled"]:
        st.caption(t("This dataset ships with the lab and stays."), width="content")
        return
    ask_to_delete(workspace, manifest["id"], manifest["name"] or manifest["id"], chosen="dataset")


def ask_to_delete(workspace: Workspace, dataset_id: str, name: str, chosen: str | None = None) -> None:
    effect = t("{dataset} goes; runs made from it stay, but no longer show their users' history.", dataset=name)
    undo.ask(workspace, dataset_id, name, effect, chosen)


main()
