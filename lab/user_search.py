"""Finds users by a part of their id or of an attribute, among those that a run was evaluated on."""

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core.dataset import Dataset
from dssm_core.runs import Run
from lab import loading

MOST_OFFERED = 1000
"""As many ids are put into a select box: more make the page slow, and nobody scrolls so far."""


def people(run: Run, k: int) -> pd.DataFrame:
    """The evaluated users, ascending: columns user, user_id, held_out, hits (in the first `k`)."""
    return _people(loading.stamp(run.folder), k, run)


def matching(dataset: Dataset, run: Run, k: int, text: str) -> pd.DataFrame:
    """Those of `people` whose id, or one of whose attributes, holds a text, whatever its case; all for an empty one."""
    if not text.strip():
        return people(run, k)
    return _matching(loading.stamp(run.folder), k, text.strip(), run, dataset)


def row_of(dataset: Dataset, user_id: str) -> int | None:
    """The row of a user of the dataset, evaluated or not; None for an unknown id."""
    rows = np.flatnonzero((dataset.users["user_id"] == user_id).to_numpy()) if user_id else []
    return int(rows[0]) if len(rows) else None


@st.cache_resource(max_entries=16, show_spinner=False)
def _people(stamp: str, k: int, _run: Run) -> pd.DataFrame:
    per_user, held_out = loading.per_user(_run), loading.held_out(_run)
    users = per_user["user"].to_numpy()
    hit = (held_out["list_rank"] > 0) & (held_out["list_rank"] <= k)
    place = np.searchsorted(users, held_out["user"].to_numpy())
    table = per_user[["user", "user_id", "held_out"]].astype({"user_id": str})
    return table.assign(hits=np.bincount(place, hit, len(users)).astype(np.int64))


@st.cache_resource(max_entries=64, show_spinner=False)
def _matching(stamp: str, k: int, text: str, _run: Run, _dataset: Dataset) -> pd.DataFrame:
    found = people(_run, k)
    table = _dataset.users.iloc[found["user"].to_numpy()]
    holds = np.zeros(len(found), bool)
    for column in table.columns:
        holds |= table[column].astype(str).str.contains(text, case=False, regex=False).to_numpy(bool)
    return found[holds].reset_index(drop=True)
