"""Exact top 200 of 2,000 users over 630,000 × 32 vectors: our exact index against FAISS's IndexFlatIP, in queries/s.

The vectors are those of a run on the full-scale log; both sides use all cores.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import faiss
import numpy as np

from benchmarks.full_scale import full_scale_home, full_vectors
from benchmarks.side_by_side import per_second, print_ratio
from dssm_core.config import IndexConfig
from dssm_core.indexes import INDEXES

USERS, K = 2_000, 200


def main() -> None:
    """Print the ratio."""
    with full_scale_home() as home:
        articles, users = full_vectors(home)
    queries = np.random.default_rng(0).permutation(users)[:USERS]
    ours = INDEXES["exact"](articles, IndexConfig())
    theirs = faiss.IndexFlatIP(articles.shape[1])
    theirs.add(articles)
    print_ratio(
        "exact_vs_faiss",
        lambda: per_second(USERS, lambda: ours.search(queries, K)),
        lambda: per_second(USERS, lambda: theirs.search(queries, K)),
        articles=len(articles),
    )


if __name__ == "__main__":
    main()
