"""What is computed from several runs together, remembered until one of them changes."""

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core import compare
from dssm_core.runs import Run
from lab import loading, tables, words

_RESAMPLES = 1000


def differences(runs: list[Run], baseline: str, metric: str) -> pd.DataFrame:
    """Paired differences of one metric from the run `baseline`, as compare.paired_differences gives them."""
    return _differences(loading.stamps(runs), baseline, metric, runs)


def recall_curves(runs: list[Run]) -> pd.DataFrame:
    """Recall at many K, as tables.recall_curves gives it."""
    return _recall_curves(loading.stamps(runs), runs)


def overlap(runs: list[Run], k: int) -> pd.DataFrame:
    """How alike the lists are, as tables.overlap gives it."""
    return _overlap(loading.stamps(runs), k, runs)


@st.cache_data(max_entries=50, show_spinner="Comparing user by user …")
def _differences(stamps: tuple[str, ...], baseline: str, metric: str, _runs: list[Run]) -> pd.DataFrame:
    per_user = {run.id: loading.per_user(run) for run in _runs if metric in loading.per_user(run)}
    return compare.paired_differences(per_user, baseline, [metric], _RESAMPLES, np.random.default_rng(0))


@st.cache_data(max_entries=20, show_spinner="Counting hits …")
def _recall_curves(stamps: tuple[str, ...], _runs: list[Run]) -> pd.DataFrame:
    names = words.run_names(_runs)
    held_out = {names[run.id]: loading.held_out(run) for run in _runs}
    longest = {names[run.id]: max(run.config.eval.k) for run in _runs}
    return tables.recall_curves(held_out, longest, {names[run.id]: run.preset for run in _runs})


@st.cache_data(max_entries=20, show_spinner="Comparing the lists …")
def _overlap(stamps: tuple[str, ...], k: int, _runs: list[Run]) -> pd.DataFrame:
    names = words.run_names(_runs)
    return tables.overlap({names[run.id]: loading.recall(run) for run in _runs}, k)
