"""The baselines at full scale, as a run computes and evaluates them: seconds of all together, of a warm dataset."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.full_scale import full_dataset, full_scale_home
from benchmarks.goals import print_figure, rounded
from benchmarks.side_by_side import ROUNDS
from dssm_core.baselines import BASELINES
from dssm_core.config import Config
from dssm_core.evaluation import evaluate
from dssm_core.split import make_split
from dssm_core.workspace import load_dataset

MEASURED = ("random", "popular", "recent_popular", "item_knn")


def main() -> None:
    """Print the seconds, and those of each."""
    with full_scale_home() as home:
        dataset = load_dataset(*full_dataset(home))
    config = Config()
    split = make_split(dataset, config.split, config.pool)

    def seconds(baseline: str) -> float:
        started = time.perf_counter()
        recommender = BASELINES[baseline](dataset, split, config, np.random.default_rng(0))
        evaluate(recommender, dataset, split, config)
        return time.perf_counter() - started

    rounds = [{baseline: seconds(baseline) for baseline in MEASURED} for _ in range(ROUNDS)]
    each = {baseline: rounded(float(np.median([taken[baseline] for taken in rounds]))) for baseline in MEASURED}
    print_figure("baselines_s", [sum(taken.values()) for taken in rounds], **each)


if __name__ == "__main__":
    main()
