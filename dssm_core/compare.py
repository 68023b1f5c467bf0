"""Runs side by side, from the tables that each leaves in its folder."""

import json
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd

from dssm_core.comparable import comparison_key
from dssm_core.config import Config, differences, flatten
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.intervals import Interval, bootstrap_means, two_way, two_way_ratios
from dssm_core.metrics import METRICS, per_user_metrics
from dssm_core.misses import REASONS, reasons_at
from dssm_core.narrowing import Outcome, narrowed
from dssm_core.runs import Run
from dssm_core.segments import Segment
from dssm_core.split import make_split
from dssm_core.workspace import Workspace, load_dataset

USERS, USERS_AND_SEEDS = "users only", "users and seeds"
"""What an interval covers: how far a number would move with other users, or with other users and other seeds."""

_OVERLAP_USERS = 1000


def compare_runs(workspace: Workspace, runs: list[Run], narrow: bool = False) -> dict:
    """Metrics of finished runs with intervals, and each run's paired differences from the first.

    Runs that differ by their seed alone are one group, named after its first run, whose intervals cover users and
    seeds. Returns {"groups": {group: [run]}, "runs": {group: {metric: {"value", "low", "high", "covers"}}},
    "differences": [{"run", "metric", "users", "value", "low", "high", "covers"}], "reasons": {run: {reason: share}} in
    lists of "reasons_k", the largest K, "knobs": {key: {run: value as text}} where they differ}. A UserError names runs
    that were not tested on the same clicks, unless `narrow` puts them on common ground first.
    """
    reason = unlike(runs)
    if reason and not narrow:
        raise UserError(f"{reason}; train one of them again with the other's settings, or compare with --narrow")
    outcomes = on_common_ground(workspace, runs) if reason else {}
    held_out = {run.id: outcomes[run.id].held_out if outcomes else run.held_out() for run in runs}
    ks = common_lengths(runs, outcomes)
    per_user = {id: per_user_metrics(clicks, ks) for id, clicks in held_out.items()}
    metrics = [f"{name}@{k}" for name in METRICS for k in ks]
    grouped, config = groups(runs), runs[0].config
    resamples, seed = config.eval.bootstrap, config.split.seed
    values = group_values(per_user, grouped, metrics, resamples, np.random.default_rng(seed))
    apart = group_differences(per_user, grouped, runs[0].id, metrics, resamples, np.random.default_rng(seed))
    return {
        "groups": {group: [run.id for run in some] for group, some in grouped.items()},
        "runs": {
            group: _catalogue(some, outcomes) | _by_metric(values[values["group"] == group])
            for group, some in grouped.items()
        },
        "differences": _nullable(apart.rename(columns={"group": "run"}).drop(columns="seeds")).to_dict("records"),
        "reasons": {
            id: reason_shares(clicks, max(ks)).set_index("reason")["share"].to_dict() for id, clicks in held_out.items()
        },
        "reasons_k": max(ks),
        "knobs": config_differences({run.id: run.config for run in runs}).to_dict("index"),
    }


def _catalogue(group: list[Run], outcomes: dict[str, Outcome]) -> dict:
    """The catalogue's metrics, which are those of one run's whole lists."""
    if len(group) > 1 or outcomes:
        return {}
    return {name: metric for name, metric in group[0].metrics()["metrics"].items() if name.split("@")[0] not in METRICS}


def _by_metric(values: pd.DataFrame) -> dict[str, dict]:
    return _nullable(values).set_index("metric")[["value", "low", "high", "covers"]].to_dict("index")


def unlike(runs: list[Run]) -> str:
    """Why the runs cannot be compared as they are, in a sentence without its full stop; "" where they can."""
    for run in runs[1:]:
        if comparison_key(run.dataset, run.config) != comparison_key(runs[0].dataset, runs[0].config):
            return f"run {run.id} cannot be compared with {runs[0].id}: {_told_apart(runs[0], run)} differ"
    return ""


def _told_apart(one: Run, other: Run) -> str:
    """What keeps two runs from being compared, by name."""
    keys = [key for key in differences(one.config, other.config) if key.startswith(("split.", "pool.", "eval."))]
    keys = [key for key in keys if key != "eval.bootstrap"]
    return ", ".join(["their datasets"] * (one.dataset != other.dataset) + keys)


def on_common_ground(workspace: Workspace, runs: list[Run]) -> dict[str, Outcome]:
    """Finished runs' outcomes by run id, in the rows of the first one's dataset, narrowed to what all share."""
    datasets = {id: load_dataset(workspace, id) for id in {run.dataset for run in runs}}
    return narrowed({run.id: _outcome(run, datasets[run.dataset], datasets[runs[0].dataset]) for run in runs})


def _outcome(run: Run, own: Dataset, first: Dataset) -> Outcome:
    pool = make_split(own, run.config.split, run.config.pool).pool
    return Outcome(run.held_out(), run.recall(), pool, max(run.config.eval.k)).in_rows_of(own, first)


def common_lengths(runs: list[Run], outcomes: dict[str, Outcome]) -> list[int]:
    """The K that every run has measured and, where they were narrowed, that every list still reaches, ascending.

    A UserError where there is none.
    """
    ks = sorted(set.intersection(*(set(run.config.eval.k) for run in runs)))
    longest = min((outcome.longest for outcome in outcomes.values()), default=max(ks, default=0))
    # lists that were narrowed can be measured at any length that they reach
    known = [k for k in ks if k <= longest] or ([longest] if outcomes else [])
    if not known:
        raise UserError("these runs share no length of the recall list: evaluate them again with the same eval.k")
    return known


def groups(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs that differ by their seed alone, together, under the id of the first; in the order given.

    A run that repeats another with its seed stands alone: it would pass for a seed that scatters nothing.
    """
    found: dict[tuple[str, int], list[Run]] = {}
    times: Counter[str] = Counter()
    for run in runs:
        config = {**flatten(run.config), "dataset": run.dataset, "preset": run.preset}
        seed = json.dumps(config, sort_keys=True)
        same = json.dumps({**config, "seed": None}, sort_keys=True)
        found.setdefault((same, times[seed]), []).append(run)
        times[seed] += 1
    return {some[0].id: some for some in found.values()}


def group_values(
    per_user_by_run: dict[str, pd.DataFrame],
    groups: dict[str, list[Run]],
    metrics: list[str],
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Mean of each metric of each group: columns group, metric, users, seeds, value, low, high (95 %), covers.

    `per_user_by_run`: `per_user_metrics` by run id. Groups are measured on the users that all their runs have.
    """
    return _by_group(per_user_by_run, groups, list(groups), None, metrics, resamples, rng)


def group_differences(
    per_user_by_run: dict[str, pd.DataFrame],
    groups: dict[str, list[Run]],
    baseline: str,
    metrics: list[str],
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Mean paired difference of each other group from group `baseline`, metric by metric, on the users of both.

    Columns as of `group_values`. The interval covers users and seeds where every trained side has two runs or more;
    else it is a paired bootstrap over the users of the seeds' means, which knows nothing of seeds. NaN where undefined.
    """
    others = [group for group in groups if group != baseline]
    return _by_group(per_user_by_run, groups, others, groups[baseline], metrics, resamples, rng)


_COLUMNS = ["group", "metric", "users", "seeds", "value", "low", "high", "covers"]


def _by_group(
    per_user_by_run: dict[str, pd.DataFrame],
    groups: dict[str, list[Run]],
    wanted: list[str],
    baseline: list[Run] | None,
    metrics: list[str],
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Intervals over users and seeds one by one; those over users alone together, since they share the resamples."""
    sides = {group: _aligned(per_user_by_run, groups[group], baseline, metrics) for group in wanted}
    covers = {group: covered(groups[group], baseline) for group in wanted}
    intervals = {group: two_way(*sides[group][1:]) for group in wanted if covers[group] == USERS_AND_SEEDS}
    intervals |= _over_users({group: sides[group] for group in wanted if group not in intervals}, resamples, rng)
    rows = [
        pd.DataFrame(
            {"group": group, "metric": metrics, "users": len(sides[group][0]), "seeds": len(groups[group])}
            | dict(zip(("value", "low", "high"), intervals[group], strict=True))
            | {"covers": covers[group]}
        )
        for group in wanted
    ]
    return pd.concat(rows, ignore_index=True)[_COLUMNS] if rows else pd.DataFrame(columns=_COLUMNS)


def covered(group: list[Run], baseline: list[Run] | None = None) -> str:
    """What the interval of a group, or of its difference from another, covers: USERS or USERS_AND_SEEDS.

    Baselines are not trained: one run of them stands for all seeds.
    """
    trained = [some for some in (group, baseline or []) if some and some[0].model == "two_tower"]
    return USERS_AND_SEEDS if trained and all(len(some) > 1 for some in trained) else USERS


def _aligned(
    per_user_by_run: dict[str, pd.DataFrame], group: list[Run], baseline: list[Run] | None, metrics: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Common users (u,), the values of a group (seeds, u, m) and of the baseline, None without one."""
    tables = {run.id: per_user_by_run[run.id].set_index("user")[metrics] for run in [*group, *(baseline or [])]}
    first, *rest = (table.index for table in tables.values())
    for index in rest:
        first = first if first.equals(index) else first.intersection(index)
    stacked = {id: table.loc[first].to_numpy(float) for id, table in tables.items()}
    values = np.stack([stacked[run.id] for run in group])
    return first.to_numpy(), values, np.stack([stacked[run.id] for run in baseline]) if baseline else None


def _over_users(
    sides: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]], resamples: int, rng: np.random.Generator
) -> dict[str, Interval]:
    """Bootstrap intervals over users of each group's mean or difference; groups with the same users in one go."""
    same_users: dict[bytes, list[str]] = {}
    for group, (users, _, _) in sides.items():
        same_users.setdefault(users.tobytes(), []).append(group)
    found: dict[str, Interval] = {}
    for together in same_users.values():
        means = [
            values.mean(axis=0) - (0 if baseline is None else baseline.mean(axis=0))
            for _, values, baseline in (sides[group] for group in together)
        ]
        interval = bootstrap_means(np.hstack(means), resamples, rng)
        parts = (np.split(part, len(together)) for part in interval)
        found |= dict(zip(together, zip(*parts, strict=True), strict=True))
    return found


def filtered(
    held_out: pd.DataFrame, dataset: Dataset, user_values: dict[str, list[str]], article_values: dict[str, list[str]]
) -> pd.DataFrame:
    """The held-out clicks whose user and whose article have one of the wanted values of each attribute named."""
    kept = np.ones(len(held_out), bool)
    for table, column, wanted in ((dataset.users, "user", user_values), (dataset.articles, "article", article_values)):
        for name, values in wanted.items():
            kept &= table[name].isin(values).to_numpy()[held_out[column].to_numpy()]
    return held_out[kept].reset_index(drop=True)


def difference_matrix(
    held_out: list[pd.DataFrame], baseline: list[pd.DataFrame], segments: list[Segment], k: int
) -> pd.DataFrame:
    """Recall@k of a group less that of another in each cell of crossed segments, pooled over its clicks.

    Each side has a table for each of its seeds. All hold the same clicks in the same order, which `segments` part. A
    row a cell that has clicks: a column a segment (its value), held_out_clicks, users, value, low, high (95 %, paired
    by user, over users and the seeds of each side that has several).
    """
    _, owner = np.unique(held_out[0]["user"].to_numpy(), return_inverse=True)
    shape = tuple(len(segment.values) for segment in segments)
    inside = np.all([segment.codes >= 0 for segment in segments], axis=0)
    cell = np.ravel_multi_index([segment.codes[inside] for segment in segments], shape)
    cells, column = np.unique(cell, return_inverse=True)
    size = (owner.max(initial=-1) + 1, len(cells))
    place = owner[inside] * len(cells) + column

    def counted(wanted: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(place, wanted, minlength=size[0] * size[1]).reshape(size)

    clicks = counted()
    hits, theirs = (np.stack([counted(_in_first(table, k)[inside]) for table in side]) for side in (held_out, baseline))
    value, low, high = two_way_ratios(hits, clicks, theirs)
    names = np.unravel_index(cells, shape)
    labels = {
        segment.name: np.array(segment.values, object)[codes] for segment, codes in zip(segments, names, strict=True)
    }
    numbers = {"held_out_clicks": clicks.sum(axis=0), "users": (clicks > 0).sum(axis=0)}
    return pd.DataFrame({**labels, **numbers, "value": value, "low": low, "high": high})


def reason_shares(held_out: pd.DataFrame, k: int, segment: Segment | None = None) -> pd.DataFrame:
    """Why clicks were missed in lists of `k`: columns part, reason, clicks, share (of the part's clicks).

    A row for each of REASONS, of all clicks (part "all") or of each value of a segment of them that has any.
    """
    found = pd.Categorical(reasons_at(held_out, k), REASONS).codes
    codes = np.zeros(len(held_out), np.int64) if segment is None else segment.codes
    parts = ("all",) if segment is None else segment.values
    inside = codes >= 0
    counts = np.bincount(codes[inside] * len(REASONS) + found[inside], minlength=len(parts) * len(REASONS))
    counts = counts.reshape(len(parts), len(REASONS))
    some = counts.sum(axis=1) > 0
    table = {"part": np.repeat(np.array(parts, object)[some], len(REASONS)), "reason": list(REASONS) * int(some.sum())}
    shares = counts[some] / counts[some].sum(axis=1, keepdims=True)
    return pd.DataFrame({**table, "clicks": counts[some].ravel(), "share": shares.ravel()})


def overlaps(recalls: dict[str, pd.DataFrame], k: int) -> pd.DataFrame:
    """How alike the top-`k` lists of each two runs are: a square table, run × run, of the mean over users of
    |A ∩ B| / |A ∪ B|; NaN without common users.

    `recalls`: recall.parquet (user, rank, article) by run. At most 1,000 of the users that all have are looked at,
    spread evenly, which tells a mean to about a point. Source of the measure: Jaccard 1901.
    """
    top = {run: table.loc[table["rank"] <= k, ["user", "article"]] for run, table in recalls.items()}
    users = _some_common_users(list(top.values()))
    listed = [table[table["user"].isin(users)] for table in top.values()]
    places = [np.searchsorted(users, table["user"].to_numpy()) for table in listed]
    keys = [(place.astype(np.int64) << 32) + table["article"] for place, table in zip(places, listed, strict=True)]
    known, column = np.unique(np.concatenate(keys), return_inverse=True)
    held = np.zeros((len(keys), len(known)), bool)
    held[np.repeat(np.arange(len(keys)), list(map(len, keys))), column] = True
    starts = np.searchsorted(known >> 32, np.arange(len(users)))
    table = pd.DataFrame(np.eye(len(keys)), index=list(recalls), columns=list(recalls))
    for one, other in combinations(range(len(keys)), 2):
        table.iloc[one, other] = table.iloc[other, one] = _jaccard(held[one], held[other], starts)
    return table


def _some_common_users(tables: list[pd.DataFrame]) -> np.ndarray:
    users = tables[0]["user"].unique()
    for table in tables[1:]:
        users = users[np.isin(users, table["user"].unique())]
    return np.sort(users)[np.linspace(0, len(users) - 1, min(_OVERLAP_USERS, len(users))).astype(np.int64)]


def _jaccard(one: np.ndarray, other: np.ndarray, starts: np.ndarray) -> float:
    """Mean over users of the share of what either holds that both hold; `starts`: where each user's places begin."""
    if not len(starts):
        return np.nan
    both, either = (np.add.reduceat(found.astype(np.int32), starts) for found in (one & other, one | other))
    return float((both / either).mean())


def recall_curve(held_out: pd.DataFrame, ks: list[int], resamples: int, rng: np.random.Generator) -> pd.DataFrame:
    """Mean recall@k over users for each of `ks`, none above the run's largest K: columns k, value, low, high.

    `held_out`: held_out.parquet (user, list_rank), which has every evaluated user.
    """
    value, low, high = bootstrap_means(recall_by_user(held_out, ks), resamples, rng)
    return pd.DataFrame({"k": ks, "value": value, "low": low, "high": high})


def recall_by_user(held_out: pd.DataFrame, ks: list[int]) -> np.ndarray:
    """Recall@k of every user, ascending, at each of `ks`: (users, ks) float64."""
    _, owner = np.unique(held_out["user"].to_numpy(), return_inverse=True)
    clicks = np.bincount(owner)
    return np.column_stack([np.bincount(owner, _in_first(held_out, k), len(clicks)) / clicks for k in ks])


def _in_first(held_out: pd.DataFrame, k: int) -> np.ndarray:
    """Whether each click is among the first `k` of its list: (m,) bool."""
    rank = held_out["list_rank"].to_numpy()
    return (rank > 0) & (rank <= k)


def config_differences(configs: dict[str, Config]) -> pd.DataFrame:
    """The knobs in which runs differ: a row a key (dotted), a column a run, the values as text."""
    flat = pd.DataFrame({run: _as_text(config) for run, config in configs.items()}, dtype=object)
    differs = flat.nunique(axis=1) > 1
    return flat[differs]


def _as_text(config: Config) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in flatten(config).items()
    }


def _nullable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with None where a number is undefined, as JSON has it."""
    return table.astype(object).where(table.notna(), None)
