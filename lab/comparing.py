"""What is computed from several runs together, remembered until a run, a filter or a knob of the page changes."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core import compare
from dssm_core.dataset import Dataset
from dssm_core.inspection import NEVER, popularity_deciles
from dssm_core.intervals import two_way
from dssm_core.metrics import METRICS, per_user_metrics
from dssm_core.narrowing import Outcome
from dssm_core.popularity import train_clicks
from dssm_core.runs import Run
from dssm_core.segments import Segment, segment_recall, segment_recall_of_seeds, segments_of
from dssm_core.split import Split
from dssm_core.train_counts import TrainCounts, count_train
from dssm_core.workspace import Workspace
from lab import loading, tables, words
from lab.language import chosen, t

_RESAMPLES = 1000
_CURVE_RESAMPLES = 200
_CURVE_KS = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)
_OVERLAP_USERS = 1000
_CALIBRATION = Path(__file__).parent.parent / "assets" / "calibration.json"
CROSSED = ("article popularity", "article in train", "article age")
"""The segments that the matrix of differences crosses, those of them that a log has."""
_OWN_SEGMENTS = (*CROSSED, "user train clicks")


@dataclass(frozen=True)
class Comparison:
    """The runs that are compared, and what of their tests: all of it, or what narrowing and filters leave.

    `groups`: runs that differ by seed alone, under the id of the first; `names` and `presets` by group. `dataset`: the
    first run's, whose rows the tables below speak of. `filters`: attribute → wanted values, of users and of articles.
    """

    workspace: Workspace
    runs: list[Run]
    dataset: Dataset
    split: Split
    narrow: bool = False
    user_values: dict[str, list[str]] = field(default_factory=dict)
    article_values: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def groups(self) -> dict[str, list[Run]]:
        """The runs by group."""
        return compare.groups(self.runs)

    @cached_property
    def names(self) -> dict[str, str]:
        """A name for every group, no two alike."""
        return words.group_names(self.groups)

    @cached_property
    def presets(self) -> dict[str, str]:
        """The preset of every group."""
        return {group: runs[0].preset for group, runs in self.groups.items()}

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What a cache of something computed from all of it is keyed on: the language too, for names and parts."""
        return (*loading.stamps(self.runs), self._narrowing, chosen())

    @cached_property
    def _narrowing(self) -> str:
        return json.dumps([self.narrow, self.user_values, self.article_values])

    @property
    def filtered(self) -> bool:
        """Whether filters are set."""
        return bool(self.user_values or self.article_values)

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """The runs' tests on common ground; empty where they need none."""
        return _outcomes(loading.stamps(self.runs), self) if self.narrow else {}

    def ks(self) -> list[int]:
        """The lengths of the list that all can be compared at; a UserError where there are none."""
        return compare.common_lengths(self.runs, self.outcomes)

    def longest(self) -> int:
        """The largest K that all lists reach."""
        if self.narrow:
            return min(outcome.longest for outcome in self.outcomes.values())
        return min(max(run.config.eval.k) for run in self.runs)

    def held_out(self, run: Run) -> pd.DataFrame:
        """A run's held-out clicks, those that are left."""
        if not self.narrow and not self.filtered:
            return loading.held_out(run)
        return _held_out(self.key_of(run), run.id, self, run)

    def recall(self, run: Run) -> pd.DataFrame:
        """A run's recall lists."""
        return self.outcomes[run.id].recall if self.narrow else loading.recall(run)

    def key_of(self, run: Run) -> tuple[str, ...]:
        """What a cache of something computed from one of the runs is keyed on, beside its id."""
        return self.key if self.narrow else (loading.stamp(run.folder), self._narrowing)


def differences(runs: list[Run], baseline: str, metric: str) -> pd.DataFrame:
    """Paired differences of one metric of single runs from the run `baseline`: columns run, metric, users, value, low,
    high."""
    return _differences(loading.stamps(runs), baseline, metric, runs)


def board(comparison: Comparison, baseline: str, metric: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Values of all groups, their differences from group `baseline`, and the value of every run (columns group, run,
    value) for one metric."""
    return _board(comparison.key, baseline, metric, comparison)


def curves(comparison: Comparison) -> pd.DataFrame:
    """Recall at many K: columns group, run (its name), preset, k, value, low, high, seeds_low, seeds_high."""
    return _curves(comparison.key, comparison)


def segments(comparison: Comparison) -> list[Segment]:
    """Every way to part the held-out clicks that are left."""
    return _segments(comparison.key, comparison)


def by_segment(comparison: Comparison, segment: Segment, k: int) -> pd.DataFrame:
    """Recall of each group in each part: columns id, run, part (as people see it), held_out_clicks, recall, low,
    high."""
    return _by_segment(comparison.key, segment.name, k, comparison, segment)


def reasons(comparison: Comparison, k: int, segment: Segment | None = None) -> pd.DataFrame:
    """Shares of the reasons of each group, its runs together: columns group, run (its name), part (as people see it),
    reason, clicks, share."""
    return _reasons(comparison.key, k, segment.name if segment else "", comparison, segment)


def segment_name(segment: str) -> str:
    """What a way to part the clicks is called: those of attributes by the attribute's own name."""
    if segment in _OWN_SEGMENTS:
        return t(segment)
    side, attribute = segment.split(" ", 1)
    return attribute_name(side, attribute)


def attribute_name(side: str, attribute: str) -> str:
    """What an attribute of one `side`, "user" or "article", is called: its name is of the data, and not translated."""
    if side == "user":
        return t("user {attribute}", attribute=attribute)
    return t("article {attribute}", attribute=attribute)


def _part_name(segment: str, part: str) -> str:
    """What a part is called; those of attributes, and counts, are of the data."""
    return t(part) if segment in CROSSED else part


def matrix(comparison: Comparison, group: str, baseline: str, k: int) -> pd.DataFrame:
    """Differences of recall between two groups, as compare.difference_matrix gives them."""
    return _matrix(comparison.key, group, baseline, k, comparison)


def popularity(comparison: Comparison, k: int) -> pd.DataFrame:
    """By decile of train exposures: columns decile, articles, clicks (share of the held-out ones) and one a group, the
    share of the places in its first run's lists."""
    return _popularity(comparison.key, k, comparison)


def overlap(comparison: Comparison, k: int) -> pd.DataFrame:
    """How alike the lists of the groups' first runs are, by name, as compare.overlaps gives it."""
    return _overlap(comparison.key, k, comparison)


def epochs(comparison: Comparison) -> pd.DataFrame:
    """Every epoch of the groups' first runs: columns group, run (its name), preset, epoch, negative, positive (mean
    cosines), false_negatives; NaN where a run does not tell."""
    return _epochs(comparison.key, comparison)


def leaderboard(comparison: Comparison, baseline: str, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of one metric, as tables.leaderboard gives it, and the value of every run (group, run, value)."""
    values, apart, single = board(comparison, baseline, metric)
    return tables.leaderboard(values, apart, comparison.names, comparison.presets, baseline), single


def says_intervals(board: pd.DataFrame) -> list[str]:
    """What the intervals cover, and how often they err where that was measured."""
    told = [t("Differences are taken user by user. In brackets: 95 % intervals.")]
    measured = calibration()
    covers = set(board["difference_covers"].dropna())
    if compare.USERS in covers:
        told.append(
            t(
                "An interval of single runs covers users only: another seed of the same config may fall outside it. "
                "A sweep of three seeds or more covers both."
            )
        )
        if measured:
            told.append(
                t(
                    "In A/A checks, runs that differed by their seed alone were called different in {share:.0%} of "
                    "{pairs} pairs, on {users:,} users; the fewer users, the wider the intervals and the rarer "
                    "that is.",
                    share=measured["users_only"],
                    pairs=measured["pairs"],
                    users=measured["users"],
                )
            )
    if compare.USERS_AND_SEEDS in covers and measured:
        told.append(
            t(
                "Intervals over users and seeds called equal configs different in {share:.1%} of {pairs} pairs of "
                "groups, where 5 % is due.",
                share=measured["users_and_seeds"],
                pairs=measured["pairs"],
            )
        )
    return told


def configs(comparison: Comparison) -> tuple[pd.DataFrame, list[str]]:
    """The knobs in which groups differ, a row a group; and the groups that were trained."""
    groups, names = comparison.groups, comparison.names
    trained = [group for group, runs in groups.items() if runs[0].model == "two_tower"]
    shown = trained if trained and not comparison.narrow else list(groups)
    differing = compare.config_differences({names[group]: groups[group][0].config for group in shown})
    differing = differing.drop(index="seed", errors="ignore")
    return (tables.configs(differing) if len(differing) else pd.DataFrame()), trained


def calibration() -> dict | None:
    """How often equal strategies were called different in A/A checks, where that was measured."""
    return json.loads(_CALIBRATION.read_text(encoding="utf-8")) if _CALIBRATION.exists() else None


@st.cache_data(max_entries=50, show_spinner=False)
def _differences(stamps: tuple[str, ...], baseline: str, metric: str, _runs: list[Run]) -> pd.DataFrame:
    some = [run for run in _runs if metric in loading.per_user(run)]
    per_user = {run.id: loading.per_user(run) for run in some}
    alone = {run.id: [run] for run in some}
    table = compare.group_differences(per_user, alone, baseline, [metric], _RESAMPLES, np.random.default_rng(0))
    return table.rename(columns={"group": "run"})


@st.cache_resource(max_entries=4, show_spinner=False)
def _outcomes(stamps: tuple[str, ...], _comparison: Comparison) -> dict[str, Outcome]:
    return compare.on_common_ground(_comparison.workspace, _comparison.runs)


@st.cache_resource(max_entries=128, show_spinner=False)
def _held_out(key: tuple[str, ...], run: str, _comparison: Comparison, _run: Run) -> pd.DataFrame:
    clicks = _comparison.outcomes[_run.id].held_out if _comparison.narrow else loading.held_out(_run)
    return compare.filtered(clicks, _comparison.dataset, _comparison.user_values, _comparison.article_values)


@st.cache_resource(max_entries=256, show_spinner=False)
def _per_user(key: tuple[str, ...], ks: tuple[int, ...], run: str, _comparison: Comparison, _run: Run) -> pd.DataFrame:
    return per_user_metrics(_comparison.held_out(_run), list(ks))


@st.cache_data(max_entries=64, show_spinner=False)
def _board(
    key: tuple[str, ...], baseline: str, metric: str, _comparison: Comparison
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    groups, ks = _comparison.groups, tuple(_comparison.ks())
    per_user = {run.id: _per_user(_comparison.key_of(run), ks, run.id, _comparison, run) for run in _comparison.runs}
    values = compare.group_values(per_user, groups, [metric], _RESAMPLES, np.random.default_rng(0))
    apart = compare.group_differences(per_user, groups, baseline, [metric], _RESAMPLES, np.random.default_rng(0))
    single = [
        {"group": group, "run": run.id, "value": per_user[run.id][metric].mean()}
        for group, runs in groups.items()
        for run in runs
    ]
    return values, apart, pd.DataFrame(single)


@st.cache_data(max_entries=16, show_spinner=False)
def _curves(key: tuple[str, ...], _comparison: Comparison) -> pd.DataFrame:
    longest = _comparison.longest()
    ks = [k for k in _CURVE_KS if k < longest] + [longest]
    tables = [_curve(_comparison, group, ks) for group in _comparison.groups]
    return pd.concat(tables, ignore_index=True)


def _curve(comparison: Comparison, group: str, ks: list[int]) -> pd.DataFrame:
    runs = comparison.groups[group]
    seeds = np.stack([compare.recall_by_user(comparison.held_out(run), ks) for run in runs])
    if len(runs) > 1:
        interval = dict(zip(("value", "low", "high"), two_way(seeds), strict=True))
    else:
        clicks = comparison.held_out(runs[0])
        interval = compare.recall_curve(clicks, ks, _CURVE_RESAMPLES, np.random.default_rng(0)).to_dict("list")
    each = seeds.mean(axis=1)
    spread = {"seeds_low": each.min(axis=0), "seeds_high": each.max(axis=0)}
    named = {"group": group, "run": comparison.names[group], "preset": comparison.presets[group], "k": ks}
    return pd.DataFrame({**named, **interval, **spread})


@st.cache_resource(max_entries=16, show_spinner=False)
def _segments(key: tuple[str, ...], _comparison: Comparison) -> list[Segment]:
    clicks, dataset = _comparison.held_out(_comparison.runs[0]), _comparison.dataset
    counts = _train_counts(_comparison)
    per_user = train_clicks(dataset, _comparison.split).counts()
    return list(segments_of(clicks, dataset.users, dataset.articles, counts.clicks, per_user))


def _train_counts(comparison: Comparison) -> TrainCounts:
    folder = comparison.workspace.dataset_folder(comparison.dataset.id)
    key = loading.split_key(comparison.runs[0].config)
    return _counted(loading.stamp(folder), key, comparison.dataset, comparison.split)


@st.cache_resource(max_entries=4, show_spinner=False)
def _counted(stamp: str, key: str, _dataset: Dataset, _split: Split) -> TrainCounts:
    return count_train(_dataset, _split)


@st.cache_data(max_entries=64, show_spinner=False)
def _by_segment(key: tuple[str, ...], name: str, k: int, _comparison: Comparison, _segment: Segment) -> pd.DataFrame:
    rows = []
    for group, runs in _comparison.groups.items():
        for row in _of_seeds(_comparison, runs, _segment, k):
            metric = row[f"recall@{k}"]
            told = {"id": group, "run": _comparison.names[group], "part": _part_name(name, row["value"])}
            told |= {"held_out_clicks": row["held_out_clicks"], "recall": metric["value"]}
            rows.append({**told, "low": metric["low"], "high": metric["high"]})
    return pd.DataFrame(rows, columns=["id", "run", "part", "held_out_clicks", "recall", "low", "high"])


def _of_seeds(comparison: Comparison, runs: list[Run], segment: Segment, k: int) -> list[dict]:
    if len(runs) == 1:
        return _stored_or_counted(comparison, runs[0], segment, k)
    return segment_recall_of_seeds(segment, [comparison.held_out(run) for run in runs], k)


def _stored_or_counted(comparison: Comparison, run: Run, segment: Segment, k: int) -> list[dict]:
    stored = loading.metrics(run)["segments"]
    if not comparison.narrow and not comparison.filtered and any(f"recall@{k}" in row for row in stored):
        return [row for row in stored if row["segment"] == segment.name]
    clicks = comparison.held_out(run)
    return segment_recall([segment], clicks, [k], _CURVE_RESAMPLES, np.random.default_rng(0))


@st.cache_data(max_entries=64, show_spinner=False)
def _reasons(
    key: tuple[str, ...], k: int, name: str, _comparison: Comparison, _segment: Segment | None
) -> pd.DataFrame:
    tables = []
    for group, runs in _comparison.groups.items():
        each = [compare.reason_shares(_comparison.held_out(run), k, _segment) for run in runs]
        means = {column: np.mean([table[column] for table in each], axis=0) for column in ("clicks", "share")}
        mean = each[0].assign(**means, group=group, run=_comparison.names[group])
        tables.append(mean.assign(part=[_part_name(name, part) for part in mean["part"]]))
    return pd.concat(tables, ignore_index=True)


@st.cache_data(max_entries=64, show_spinner=False)
def _matrix(key: tuple[str, ...], group: str, baseline: str, k: int, _comparison: Comparison) -> pd.DataFrame:
    crossed = [segment for segment in segments(_comparison) if segment.name in CROSSED]
    one, other = ([_comparison.held_out(run) for run in _comparison.groups[id]] for id in (group, baseline))
    return compare.difference_matrix(one, other, crossed, k)


@st.cache_data(max_entries=32, show_spinner=False)
def _popularity(key: tuple[str, ...], k: int, _comparison: Comparison) -> pd.DataFrame:
    decile = popularity_deciles(_train_counts(_comparison))
    clicks = _comparison.held_out(_comparison.runs[0])
    shares = {"clicks": _shares(decile, clicks["article"])}
    for group, runs in _comparison.groups.items():
        shares[group] = _recalled(_comparison.key_of(runs[0]), k, runs[0].id, _comparison, runs[0], decile)
    articles = np.bincount(decile, minlength=NEVER + 1)
    table = pd.DataFrame({"decile": np.arange(NEVER + 1), "articles": articles, **shares})
    return table[(table["decile"] > 0) & (table["articles"] > 0)].reset_index(drop=True)


@st.cache_data(max_entries=256, show_spinner=False)
def _recalled(
    key: tuple[str, ...], k: int, run: str, _comparison: Comparison, _run: Run, _decile: np.ndarray
) -> np.ndarray:
    recall = _comparison.recall(_run)
    mine = recall[(recall["rank"] <= k) & recall["user"].isin(_comparison.held_out(_run)["user"].unique())]
    return _shares(_decile, mine["article"])


def _shares(decile: np.ndarray, articles: pd.Series) -> np.ndarray:
    counted = np.bincount(decile[articles.to_numpy()], minlength=NEVER + 1)
    # decile 0 holds what was not in the train pool: created after the cutoff, never exposed in train
    counted[NEVER] += counted[0]
    return counted / max(1, counted.sum())


@st.cache_data(max_entries=32, show_spinner=False)
def _overlap(key: tuple[str, ...], k: int, _comparison: Comparison) -> pd.DataFrame:
    firsts = [runs[0] for runs in _comparison.groups.values()]
    users = np.sort(_comparison.held_out(firsts[0])["user"].unique())
    some = users[np.linspace(0, len(users) - 1, min(_OVERLAP_USERS, len(users))).astype(np.int64)]
    lists = {run.id: _lists_of(_comparison.key_of(run), run.id, _comparison, run, some) for run in firsts}
    table = compare.overlaps(lists, k)
    return table.rename(index=_comparison.names, columns=_comparison.names)


@st.cache_data(max_entries=128, show_spinner=False)
def _lists_of(key: tuple[str, ...], run: str, _comparison: Comparison, _run: Run, _users: np.ndarray) -> pd.DataFrame:
    """The lists of a sample of users: all that comparing lists needs, a small part of the file."""
    recall = _comparison.recall(_run)
    return recall.loc[recall["user"].isin(_users), ["user", "rank", "article"]]


@st.cache_data(max_entries=32, show_spinner=False)
def _epochs(key: tuple[str, ...], _comparison: Comparison) -> pd.DataFrame:
    rows = []
    for group, runs in _comparison.groups.items():
        for event in runs[0].events():
            if event["type"] == "epoch":
                told = {"group": group, "run": _comparison.names[group], "preset": _comparison.presets[group]}
                told |= {"epoch": event["epoch"], "false_negatives": event.get("false_negatives")}
                told |= {side: _mean_cosine(event.get(f"{side}_scores")) for side in ("negative", "positive")}
                rows.append(told)
    columns = ["group", "run", "preset", "epoch", "false_negatives", "negative", "positive"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(columns[4:], float))


def _mean_cosine(histogram: dict | None) -> float:
    if not histogram:
        return np.nan
    edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"], float)
    return float(((edges[1:] + edges[:-1]) / 2 * counts).sum() / max(1.0, counts.sum()))


def metrics_of(k: int) -> list[str]:
    """The metrics that runs are compared by at one K."""
    return [f"{name}@{k}" for name in METRICS]
