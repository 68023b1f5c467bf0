"""Training at 1,000,000 articles against training at 10,000, on as many positives of as many users."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.side_by_side import print_ratio
from benchmarks.training import LargeLog, rate, warmed

LARGE, SMALL, POSITIVES = 1_000_000, 10_000, 300_000


def main() -> None:
    """Print the ratio."""
    large, small = (warmed(LargeLog(articles).learner(POSITIVES)) for articles in (LARGE, SMALL))
    print_ratio("training_vs_catalogue", lambda: rate(large, POSITIVES), lambda: rate(small, POSITIVES))


if __name__ == "__main__":
    main()
