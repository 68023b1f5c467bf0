"""Top 200 of 2,000 users over 630,000 × 32 vectors by the default approximate index, ivf, against exact; in queries/s.

The vectors are those of a run on the full-scale log; both sides use all cores. How much of the exact list is returned,
and how long the index takes to build, are told beside.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.full_scale import full_scale_home, full_vectors
from benchmarks.goals import print_figure
from benchmarks.side_by_side import ROUNDS, per_second, print_ratio
from dssm_core.config import IndexConfig
from dssm_core.indexes import INDEXES, compare_with_exact

USERS, K = 2_000, 200
DEFAULT = IndexConfig(kind="ivf")


def main() -> None:
    """Print the three figures."""
    with full_scale_home() as home:
        articles, users = full_vectors(home)
    queries = np.random.default_rng(0).permutation(users)[:USERS]
    exact = INDEXES["exact"](articles, DEFAULT)
    ivf, seconds = built(articles)
    print_ratio(
        "ann_vs_exact",
        lambda: per_second(USERS, lambda: ivf.search(queries, K)),
        lambda: per_second(USERS, lambda: exact.search(queries, K)),
        articles=len(articles),
        probes=DEFAULT.probes,
    )
    print_figure("ann_share_of_exact", [compare_with_exact(ivf, exact, queries, K, USERS)["share_of_exact"]])
    print_figure("ann_build_s", [seconds, *(built(articles)[1] for _ in range(ROUNDS - 1))])


def built(articles: np.ndarray):
    """The index, and the seconds that it took."""
    started = time.perf_counter()
    return INDEXES["ivf"](articles, DEFAULT), time.perf_counter() - started


if __name__ == "__main__":
    main()
