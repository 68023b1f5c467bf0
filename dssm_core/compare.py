"""Runs side by side, from the tables that each leaves in its folder."""

import json

import numpy as np
import pandas as pd

from dssm_core.comparable import comparison_key
from dssm_core.config import Config, differences, flatten
from dssm_core.errors import UserError
from dssm_core.intervals import bootstrap_means, paired_difference
from dssm_core.runs import Run


def compare_runs(runs: list[Run]) -> dict:
    """Metrics of finished runs with intervals, and each run's paired differences from the first.

    Returns {"runs": {run: metrics}, "differences": [{"run", "metric", "users", "value", "low", "high"}], "knobs":
    {key: {run: value as text}} where they differ}. A UserError names runs that were not tested on the same clicks.
    """
    first = runs[0]
    for run in runs[1:]:
        if not comparable(first, run):
            raise UserError(
                f"run {run.id} cannot be compared with {first.id}: {_told_apart(first, run)} differ; "
                "train one of them again with the other's settings"
            )
    per_user = {run.id: run.per_user() for run in runs}
    metrics = [name for name in per_user[first.id].columns if "@" in name]
    rng = np.random.default_rng(first.config.split.seed)
    differences = paired_differences(per_user, first.id, metrics, first.config.eval.bootstrap, rng)
    knobs = config_differences({run.id: run.config for run in runs}).set_index("key")
    return {
        "runs": {run.id: run.metrics()["metrics"] for run in runs},
        "differences": differences.astype(object).where(differences.notna(), None).to_dict("records"),
        "knobs": knobs.to_dict("index"),
    }


def _told_apart(one: Run, other: Run) -> str:
    """What keeps two runs from being compared, by name."""
    keys = [key for key in differences(one.config, other.config) if key.startswith(("split.", "pool.", "eval."))]
    keys = [key for key in keys if key != "eval.bootstrap"]
    return ", ".join(["their datasets"] * (one.dataset != other.dataset) + keys)


def comparable(one: Run, other: Run) -> bool:
    """Whether two runs were tested on the same clicks with the same articles to choose from."""
    return comparison_key(one.dataset, one.config) == comparison_key(other.dataset, other.config)


def paired_differences(
    per_user_by_run: dict[str, pd.DataFrame],
    baseline: str,
    metrics: list[str],
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Mean difference of each other run from run `baseline`, metric by metric, on the users that both have.

    `per_user_by_run`: per_user.parquet by run. Returns columns run, metric, users (those in common), value, low, high
    (95 % paired bootstrap), NaN where undefined. A value above 0: the run is higher than the baseline.
    """
    reference = per_user_by_run[baseline].set_index("user")[metrics]
    tables = []
    for run, per_user in per_user_by_run.items():
        if run != baseline:
            one, other = per_user.set_index("user")[metrics].align(reference, join="inner", axis=0)
            value, low, high = paired_difference(one.to_numpy(float), other.to_numpy(float), resamples, rng)
            columns = {"run": run, "metric": metrics, "users": len(one), "value": value, "low": low, "high": high}
            tables.append(pd.DataFrame(columns))
    empty = pd.DataFrame(columns=["run", "metric", "users", "value", "low", "high"])
    return pd.concat(tables, ignore_index=True) if tables else empty


def list_overlap(recall: pd.DataFrame, other: pd.DataFrame, k: int) -> float:
    """How alike two runs' top-`k` lists are: mean over common users of |A ∩ B| / |A ∪ B|; NaN without common users.

    Both are recall.parquet (user, rank, article). Source of the measure: Jaccard 1901.
    """
    one, two = (table.loc[table["rank"] <= k, ["user", "article"]] for table in (recall, other))
    sizes = pd.DataFrame({"one": one["user"].value_counts(), "two": two["user"].value_counts()}).dropna()
    shared = one.merge(two, on=["user", "article"])["user"].value_counts().reindex(sizes.index, fill_value=0)
    return float((shared / (sizes["one"] + sizes["two"] - shared)).mean())


def recall_curve(held_out: pd.DataFrame, ks: list[int], resamples: int, rng: np.random.Generator) -> pd.DataFrame:
    """Mean recall@k over users for each of `ks`, none above the run's largest K: columns k, value, low, high.

    `held_out`: held_out.parquet (user, list_rank), which has every evaluated user.
    """
    found = [(held_out["list_rank"] > 0) & (held_out["list_rank"] <= k) for k in ks]
    per_user = pd.DataFrame(dict(enumerate(found))).groupby(held_out["user"].to_numpy()).mean()
    value, low, high = bootstrap_means(per_user.to_numpy(float), resamples, rng)
    return pd.DataFrame({"k": ks, "value": value, "low": low, "high": high})


def config_differences(configs: dict[str, Config]) -> pd.DataFrame:
    """The knobs in which runs differ: a column `key` (dotted), then one a run with the value as text."""
    flat = pd.DataFrame({run: _as_text(config) for run, config in configs.items()}, dtype=object)
    differs = flat.nunique(axis=1) > 1
    return flat[differs].rename_axis("key").reset_index()


def _as_text(config: Config) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in flatten(config).items()
    }
