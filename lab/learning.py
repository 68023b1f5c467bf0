"""What Learn shows, computed from the bundled demo and remembered: its log, its runs, and each lesson's numbers.

The demo never changes while the server runs, so everything is keyed on the knobs of the lesson alone.
"""

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core import lessons
from dssm_core.compare import group_differences, groups
from dssm_core.config import NegativesConfig
from dssm_core.health import health
from dssm_core.lessons import LessonLog, Measured, Towers, TwoWays
from dssm_core.metrics import per_user_metrics
from dssm_core.negatives import STRATEGIES
from dssm_core.recipe_mistakes import read_by_name, read_by_parameters, scaled
from dssm_core.recommender import RecallLists
from dssm_core.runs import Run
from dssm_core.segments import segment_recall, segments_of
from dssm_core.train_counts import count_train
from dssm_core.workspace import BUNDLED, Workspace
from lab import loading

BEST = "recommended"
"""The preset whose vectors the lessons look at."""
LONGEST = 50
"""The length of the demo's lists."""
_RESAMPLES = 500
_CACHED_K = 1
"""The negatives that the lesson's cache was first filled with."""


def demo() -> Workspace:
    """The bundled demo as a workspace of its own, whatever the lab's own workspace holds."""
    return Workspace(BUNDLED, bundled=None)


@st.cache_resource(show_spinner=False)
def runs() -> dict[str, Run]:
    """The demo's runs by preset or baseline."""
    return {run.preset or run.model: run for run in loading.finished_runs(demo())}


@st.cache_resource(show_spinner=False)
def log() -> LessonLog:
    """The demo's log with its held-out clicks."""
    run = runs()[BEST]
    dataset = loading.dataset(demo(), run.dataset)
    return LessonLog(dataset, loading.split(dataset, demo(), run.config), loading.held_out(run))


@st.cache_resource(show_spinner=False)
def trained() -> tuple[Towers, RecallLists]:
    """The vectors of the best run, and its lists with their cosines."""
    (_, users), (_, articles) = (loading.vectors(runs()[BEST], side) for side in ("users", "articles"))
    return Towers(users, articles), log().lists(users, articles, LONGEST)


@st.cache_resource(max_entries=16, show_spinner=False)
def towers(k: int, shifted: bool = False) -> Towers:
    """Linear towers trained now with `k` negatives a step."""
    return lessons.trained_towers(log(), k, shifted)


def _recalls(some: Towers, k: int) -> np.ndarray:
    return log().recalls(log().lists(some.users, some.articles, k), k)


@st.cache_data(max_entries=16, show_spinner=False)
def with_negatives(k: int) -> tuple[np.ndarray, float, Measured]:
    """Cosines of pairs of users, their mean over all pairs, and recall@50 of towers trained with `k` negatives."""
    some = towers(k)
    vectors = some.users[1:]
    (recall,) = lessons.measured(_recalls(some, LONGEST))
    return lessons.pair_cosines(vectors), health(vectors)["mean_cosine"], recall


def facts() -> dict:
    """How many held-out clicks there are, of how many users, and their shares in the pool and on warm articles."""
    return loading.metrics(runs()[BEST])["facts"]


def stored(preset: str, metric: str) -> Measured:
    """A metric of one of the demo's runs, with its interval."""
    return loading.metrics(runs()[preset])["metrics"][metric]


@st.cache_data(max_entries=32, show_spinner=False)
def by_segment(presets: tuple[str, ...], segment: str, k: int) -> pd.DataFrame:
    """Recall of some runs in each part of a segmentation: columns id, run, part, held_out_clicks, recall, low, high."""
    rows = []
    for preset in presets:
        clicks = loading.held_out(runs()[preset])
        counts = _counts()
        parts = segments_of(clicks, log().dataset.users, log().dataset.articles, counts.clicks, counts.clicked.counts())
        wanted = [part for part in parts if part.name == segment]
        for row in segment_recall(wanted, clicks, [k], _RESAMPLES, np.random.default_rng(0)):
            told = {"id": preset, "run": preset, "part": row["value"], "held_out_clicks": row["held_out_clicks"]}
            ends = row[f"recall@{k}"]
            rows.append(told | {"recall": ends["value"], "low": ends["low"], "high": ends["high"]})
    return pd.DataFrame(rows).astype(dict.fromkeys(("recall", "low", "high"), float))


@st.cache_resource(show_spinner=False)
def _counts():
    return count_train(log().dataset, log().split)


@st.cache_data(max_entries=32, show_spinner=False)
def difference(preset: str, baseline: str, metric: str) -> Measured:
    """The paired difference of a metric between two of the demo's runs (run − baseline)."""
    two = [runs()[preset], runs()[baseline]]
    per_user = {run.id: loading.per_user(run) for run in two}
    table = group_differences(
        per_user, groups(two), two[1].id, [metric], _RESAMPLES, np.random.default_rng(0)
    ).set_index("group")
    return table.loc[two[0].id, ["value", "low", "high"]].to_dict()


@st.cache_data(max_entries=16, show_spinner=False)
def annoy(trees: int, k: int, search_ks: tuple[int, ...]) -> pd.DataFrame:
    """What Annoy loses on the best run's vectors."""
    return lessons.annoy_loss(log(), trained()[0], k, trees, list(search_ks))


@st.cache_data(max_entries=32, show_spinner=False)
def with_fewer_users(presets: tuple[str, ...], k: int, users: int) -> tuple[dict[str, Measured], Measured]:
    """Recall@K of some runs on the first of the measured users in a fixed random order; and the difference of the
    first run from the second."""
    order = np.random.default_rng(1).permutation(len(log().users))[:users]
    by_user = [_per_user(preset)[f"recall@{k}"].to_numpy()[order] for preset in presets]
    *each, apart = lessons.measured(*by_user, by_user[0] - by_user[1])
    return dict(zip(presets, each, strict=True)), apart


def _per_user(preset: str) -> pd.DataFrame:
    return loading.per_user(runs()[preset])


@st.cache_data(max_entries=16, show_spinner=False)
def farthest_first(k: int) -> TwoWays:
    """Lists of 50 cut at `k`, nearest and farthest first."""
    return lessons.farthest_first(log(), trained()[1], k)


@st.cache_data(show_spinner=False)
def order_metrics(metrics: tuple[str, ...]) -> tuple[dict[str, Measured], dict[str, Measured]]:
    """Metrics of lists of 50, nearest first and farthest first."""
    both = trained()[1], lessons.turned(trained()[1])
    tables = [per_user_metrics(log().ranked(lists), [LONGEST])[list(metrics)] for lists in both]
    nearest, farthest = (dict(zip(metrics, lessons.measured(*table.to_numpy().T), strict=True)) for table in tables)
    return nearest, farthest


@st.cache_data(max_entries=16, show_spinner=False)
def distances_as_scores(k: int) -> TwoWays:
    """The best run merged with item_knn, by cosine and by distance."""
    other = log().lists_of(loading.recall(runs()["item_knn"]), LONGEST)
    return lessons.distances_as_scores(log(), trained()[1], other, k)


@st.cache_data(max_entries=64, show_spinner=False)
def own_click_shares(dropped: int) -> pd.DataFrame:
    """Each user's expected share of negatives that they clicked, drawn by popularity rank."""
    q = STRATEGIES["ralm"](_counts(), NegativesConfig()).probability
    return lessons.own_click_shares(log(), q, dropped)


@st.cache_data(show_spinner=False)
def shifted_numbers() -> tuple[TwoWays, float]:
    """Towers trained on right and on shifted attributes, and the share of exposures that get a wrong category."""
    right, shifted = (_recalls(towers(20, shifted), LONGEST) for shifted in (False, True))
    return TwoWays.of(right, shifted), lessons.wrong_profiles(log(), "cate")


@st.cache_data(max_entries=16, show_spinner=False)
def cached(k: int) -> TwoWays:
    """Towers that ask for `k` negatives, through a cache of the parameters and through one of the name alone."""
    recalls = []
    for read in (read_by_parameters, read_by_name):
        cache: dict = {}
        read(cache, "negatives", towers, k=_CACHED_K)
        recalls.append(_recalls(read(cache, "negatives", towers, k=k), LONGEST))
    return TwoWays.of(*recalls)


@st.cache_data(max_entries=64, show_spinner=False)
def title_scale(longest_test: int) -> tuple[int, int, float]:
    """The longest title of train and of test in letters, and how much of the scale 0..1 train fills when it is fitted
    on both; `longest_test`: the length of one more title in the test, 0 for none."""
    train, test = lessons.title_lengths(log())
    both = np.concatenate([train, test, [longest_test] if longest_test else []])
    return int(train.max()), int(test.max()), float(np.ptp(scaled(train, both)))
