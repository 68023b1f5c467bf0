"""Widgets of a single choice that lives in the page's address, and those choices that several pages have."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dssm_core.runs import Run
from dssm_core.workspace import Workspace
from lab import address, loading, words
from lab.glossary import explain
from lab.language import t


def select(label: str, options: Sequence, key: str, default: Any = None, where: Any = st, **settings: Any) -> Any:
    """A box to choose one of many from; returns the option. `where`: what it is drawn in, else where the page is at.

    `default` as in `address.one`; `settings` as `st.selectbox` takes them.
    """
    changed = address.one(key, options, default)
    return where.selectbox(label, options, key=key, on_change=changed, persist_state="session", **settings)


def segments(label: str, options: Sequence, key: str, default: Any = None, where: Any = st, **settings: Any) -> Any:
    """The same for a few options, all of them in sight; `settings` as `st.segmented_control` takes them."""
    changed = address.one(key, options, default)
    return where.segmented_control(
        label, options, key=key, on_change=changed, required=True, persist_state="session", **settings
    )


def list_length(ks: list[int], where: Any = st, **settings: Any) -> int:
    """The K of recall@K: one of the lengths that were measured."""
    usual = 50 if 50 in ks else ks[0]
    return segments(t("Length of the list, K"), ks, "k", usual, where, help=explain("recall@K"), **settings)


def dataset(manifests: dict[str, dict], noun: str, where: Any = st) -> str:
    """The id of a dataset. `manifests`: by id; each is told with the count of a `noun`, such as "click"."""
    names = words.dataset_names(list(manifests.values()))
    label = {id: f"{names[id]} · {words.counted(told[f'{noun}s'], noun)}" for id, told in manifests.items()}
    return select(t("Dataset"), list(manifests), "dataset", where=where, format_func=label.get)


def run(workspace: Workspace, runs: list[Run], where: Any = st) -> Run:
    """One of some runs, in the order of `loading.all_runs`."""
    by_id = {run.id: run for run in runs}
    label = words.run_labels(runs, workspace.datasets())
    first = loading.first_shown(runs).id
    return by_id[select(t("Run"), list(by_id), "run", first, where, format_func=label.get)]
