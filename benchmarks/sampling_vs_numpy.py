"""`funrec_mix`, 50,000 users × 5 of 630,000 articles, against a numpy.random.choice(p=…) a user.

The plain way excludes own clicks too, by drawing again; it is timed on 50 users a round. Rates are draws a second.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.side_by_side import USERS, large_counts, print_ratio
from dssm_core.config import NegativesConfig
from dssm_core.negatives import make_strategy

ARTICLES, K, PLAIN_USERS = 630_000, 5, 50


def main() -> None:
    """Print the ratio."""
    rng = np.random.default_rng(0)
    _, _, counts = large_counts(ARTICLES, rng)
    mix = make_strategy(counts, NegativesConfig(strategy="funrec_mix", k=K))
    ranked = make_strategy(counts, NegativesConfig(strategy="ralm")).probability
    users = np.arange(1, USERS + 1)

    def ours() -> float:
        started = time.perf_counter()
        drawn = mix.draw(users, users, K, rng).drawn
        return drawn / (time.perf_counter() - started)

    def theirs() -> float:
        started = time.perf_counter()
        for user in range(1, PLAIN_USERS + 1):
            own = counts.clicked.of(user)
            drawn = rng.choice(len(ranked), K, p=ranked)
            while np.isin(drawn, own).any():
                drawn = rng.choice(len(ranked), K, p=ranked)
            rng.choice(counts.exposed.of(user))
        return PLAIN_USERS * (K + 1) / (time.perf_counter() - started)

    print_ratio("sampling_vs_numpy", ours, theirs)


if __name__ == "__main__":
    main()
