"""Training by our row-wise step against DeepMatch's DSSM through model.fit, on the same positives.

50,000 users, 630,000 articles, fun-rec's fields, dims 16, layers 64-32, in-batch softmax, batch 1,024. Rates are
positives a second, after a first call that compiles. `bound_per_second` is what the machine could do were the step
nothing but its matrix products, at the rate of a large one measured beside them.
"""

import sys
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.goals import print_figure
from benchmarks.side_by_side import ROUNDS, print_ratio
from benchmarks.training import BASE, LargeLog, rate, warmed
from dssm_core.config import Config, with_settings
from dssm_core.deepmatch_learner import DeepMatchLearner

ARTICLES = 630_000
OURS, THEIRS = 300_000, 30_000
"""Positives a round: DeepMatch gets fewer, or a round would take minutes."""
PRODUCT = 2048
"""Rows and columns of the large matrix product."""


def main() -> None:
    """Print the ratio, and our share of the bound."""
    log = LargeLog(ARTICLES)
    ours = warmed(log.learner(OURS))
    theirs = warmed(DeepMatchLearner(log.features, log.data(THEIRS), with_settings(Config(), BASE)))
    bound = operations_per_second() / operations_per_positive(log)
    print_ratio(
        "training_vs_deepmatch",
        lambda: rate(ours, OURS),
        lambda: rate(theirs, THEIRS),
        bound_per_second=round(bound),
    )
    print_figure("training_share_of_bound", [rate(ours, OURS) / bound for _ in range(ROUNDS)])


def operations_per_positive(log: LargeLog) -> int:
    """Floating-point operations in the products of a step, a positive: forward, and twice that backward."""
    config = with_settings(Config(), BASE)
    layers = [*config.tower.hidden, config.tower.dim]
    multiplied = config.train.batch_size * config.tower.dim
    for side in (log.features.users, log.features.articles):
        widths = [config.tower.embedding_dim * len(side.fields), *layers]
        multiplied += sum(one * next_one for one, next_one in pairwise(widths))
    return 3 * 2 * multiplied


def operations_per_second() -> float:
    """Of a large float32 product by TensorFlow on all cores, the best of several."""
    import tensorflow as tf

    matrix = tf.constant(np.random.default_rng(0).random((PRODUCT, PRODUCT), np.float32))
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * PRODUCT**3 / min(seconds)


if __name__ == "__main__":
    main()
