"""Training with every other strategy and loss against `in_batch`, on the same positives.

50,000 users, 630,000 articles. Strategies that draw take five negatives a click. Rates are positives a second, after a
first call that compiles; each ratio is taken in pairs, one after the other. The figure is that of the slowest; all are
told beside it.
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.goals import print_figure, rounded
from benchmarks.side_by_side import ROUNDS
from benchmarks.training import LargeLog, rate, warmed
from dssm_core.losses import LOSSES
from dssm_core.negatives import STRATEGIES

ARTICLES = 630_000
POSITIVES = 100_000
VARIANTS = {
    **{f"strategy {name}": (f"negatives.strategy={name}",) for name in STRATEGIES if name != "in_batch"},
    **{
        f"loss {name}": ("negatives.strategy=uniform", f"loss.kind={name}")
        for name in LOSSES
        if not name.endswith("softmax")
    },
    "loss bpr in the batch": ("negatives.strategy=in_batch", "loss.kind=bpr"),
    "a learned temperature": ("negatives.strategy=in_batch", "loss.learn_temperature=true"),
}


def main() -> None:
    """Print a ratio for each, then the figure."""
    log = LargeLog(ARTICLES)
    in_batch = warmed(log.learner(POSITIVES, "negatives.strategy=in_batch"))
    ratios = {
        name: _ratios(warmed(log.learner(POSITIVES, *settings)), in_batch, name) for name, settings in VARIANTS.items()
    }
    slowest = min(ratios, key=lambda name: statistics.median(ratios[name]))
    medians = {name: rounded(statistics.median(values)) for name, values in ratios.items()}
    print_figure("strategies_vs_in_batch", ratios[slowest], slowest=slowest, each=medians)


def _ratios(variant, in_batch, name: str) -> list[float]:
    ratios = [rate(variant, POSITIVES) / rate(in_batch, POSITIVES) for _ in range(ROUNDS)]
    print(f"{name}: {statistics.median(ratios):.2f}", file=sys.stderr, flush=True)
    return ratios


if __name__ == "__main__":
    main()
