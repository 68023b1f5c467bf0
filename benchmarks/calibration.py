"""A/A checks: how often equal configs are called different, by four ways to put an interval on a difference.

Trains a pool of 60 small runs that differ by their seed alone, draws 200 pairs of disjoint groups from it, and counts
the intervals that exclude 0; 5 % is due. A second pool of another preset tells the power: how often a real difference
is seen. Writes assets/calibration.json, which the Compare page quotes. Takes about ten minutes.

`python benchmarks/calibration.py [HOME]`: HOME keeps the runs, so that a second call goes on from there.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from dssm_core.config import with_settings
from dssm_core.demo import ingest_demo
from dssm_core.intervals import bootstrap_means, two_way
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run, open_run
from dssm_core.stored_files import write_json
from dssm_core.workspace import Workspace

RUNS, PAIRS, METRIC = 60, 200, "recall@50"
EQUAL, OTHER, OTHER_RUNS = "in_batch", "popularity", 12
USERS, ARTICLES = 8000, 1500
SETTINGS = (
    "pool.max_age_days=2",
    "eval.k=10,50",
    "eval.users=6000",
    "eval.bootstrap=100",
    "tower.dim=32",
    "train.batch_size=512",
    "train.epochs=4",
)


def main(home: str | None) -> None:
    """Train what is missing, check, and write down the rates."""
    with tempfile.TemporaryDirectory() as made:
        workspace = Workspace(home or made, bundled=None)
        known = [manifest["id"] for manifest in workspace.datasets()]
        dataset = (
            known[0] if known else ingest_demo(workspace, users=USERS, articles=ARTICLES, days=7, seed=1)["dataset"]
        )
        pool = np.stack([measured(workspace, dataset, EQUAL, seed) for seed in range(RUNS)])
        other = np.stack([measured(workspace, dataset, OTHER, seed) for seed in range(OTHER_RUNS)])
    rates = check(pool, other)
    write_json(ROOT / "assets" / "calibration.json", rates)
    print(rates)


def measured(workspace: Workspace, dataset: str, preset: str, seed: int) -> np.ndarray:
    """The metric of every user in a run of a preset and a seed: (users,)."""
    run_id = f"{preset}-{seed:02}"
    if run_id not in (folder.name for folder in workspace.run_folders()):
        config = with_settings(find_preset(preset).config, [*SETTINGS, f"seed={seed}"])
        folder = workspace.new_run_folder(run_id)
        describe_run(folder, dataset, config, run_id, preset)
        carry_out(workspace, Run(folder), EventLog(folder / "events.jsonl"))
    return open_run(workspace, run_id).per_user()[METRIC].to_numpy()


def check(pool: np.ndarray, other: np.ndarray) -> dict:
    """The rates of `pool` (runs, users) against itself, and against `other`: what is in calibration.json."""
    rng = np.random.default_rng(0)
    rates = {
        "metric": METRIC,
        "preset": EQUAL,
        "runs": len(pool),
        "pairs": PAIRS,
        "users": pool.shape[1],
        "mean": float(pool.mean()),
        "seed_deviation": float(pool.mean(axis=1).std(ddof=1)),
        "users_only": share_apart(pool, pool, 1, users_only, rng),
    }
    for seeds in (3, 5):
        name = "" if seeds == 3 else f"_{seeds}_seeds"
        rates[f"users_only_of_means{name or '_3_seeds'}"] = share_apart(pool, pool, seeds, users_only, rng)
        rates[f"plain_bootstrap{name or '_3_seeds'}"] = share_apart(pool, pool, seeds, plain_bootstrap, rng)
        rates[f"users_and_seeds{name}"] = share_apart(pool, pool, seeds, users_and_seeds, rng)
    rates["power_against"] = {"preset": OTHER, "mean": float(other.mean())}
    rates["power_against"] |= {"users_and_seeds": share_apart(pool, other, 3, users_and_seeds, rng)}
    return rates


def share_apart(pool: np.ndarray, other: np.ndarray, seeds: int, apart, rng: np.random.Generator) -> float:
    """The share of the pairs of groups of `seeds` runs that `apart` calls different."""
    called = 0
    for _ in range(PAIRS):
        one = rng.permutation(len(pool))[: 2 * seeds]
        two = one[seeds:] if other is pool else rng.permutation(len(other))[:seeds]
        called += apart(pool[one[:seeds]], other[two], rng)
    return called / PAIRS


def users_only(one: np.ndarray, two: np.ndarray, rng: np.random.Generator) -> bool:
    """A paired bootstrap over users of the seeds' means."""
    difference = one.mean(axis=0) - two.mean(axis=0)
    return _excludes_0(*bootstrap_means(difference[:, None], 400, rng)[1:])


def plain_bootstrap(one: np.ndarray, two: np.ndarray, rng: np.random.Generator) -> bool:
    """Percentiles of resampled users and resampled seeds of each side."""
    means = []
    for _ in range(400):
        users = rng.integers(0, one.shape[1], one.shape[1])
        sides = [side[rng.integers(0, len(side), len(side))][:, users].mean() for side in (one, two)]
        means.append(sides[0] - sides[1])
    return _excludes_0(*np.percentile(means, [2.5, 97.5]))


def users_and_seeds(one: np.ndarray, two: np.ndarray, rng: np.random.Generator) -> bool:
    """Ours: see `intervals.two_way`."""
    return _excludes_0(*two_way(one[:, :, None], two[:, :, None])[1:])


def _excludes_0(low, high) -> bool:
    return bool(np.all(low > 0) or np.all(high < 0))


if __name__ == "__main__":
    main(*(sys.argv[1:2] or [None]))
