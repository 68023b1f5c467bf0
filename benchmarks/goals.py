"""The figures that `make bench` measures, what each is to reach, and how a script tells one."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`sign` is ">=", "<=" or "<", and `bound` in `unit`; `what` says what is measured, against what."""

    unit: str
    sign: str
    bound: float
    what: str

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether a figure reaches the goal."""
        return {">=": value >= self.bound, "<=": value <= self.bound, "<": value < self.bound}[self.sign]


GOALS = {
    "training_vs_deepmatch": Goal("x", ">=", 25, "training of dssm, 630,000 articles, against DeepMatch's model.fit"),
    "training_vs_catalogue": Goal("x", ">=", 0.85, "the same at 1,000,000 articles, against 10,000"),
    "strategies_vs_in_batch": Goal("x", ">=", 0.5, "training with the slowest strategy or loss, against in_batch"),
    "sampling_vs_numpy": Goal("x", ">=", 2000, "draws of funrec_mix, against numpy.random.choice a user"),
    "ingest_vs_pandas": Goal("x", "<=", 2.5, "time to ingest 6,000,000 rows, against pandas.read_csv of the file"),
    "ingest_peak_mb": Goal("MB", "<", 1500, "most memory of that ingest"),
    "exact_vs_faiss": Goal("x", ">=", 1.0, "exact top 200 of 630,000 x 32, queries/s, against FAISS IndexFlatIP"),
    "ann_vs_exact": Goal("x", ">=", 20, "the same by ivf, at 99 % of the exact list or more, against exact"),
    "ann_share_of_exact": Goal("", ">=", 0.99, "how much of the exact list it returns"),
    "ann_build_s": Goal("s", "<", 10, "building that index"),
    "metrics_vs_ir_measures": Goal(
        "x", ">=", 5, "metrics and 1,000 bootstraps, 50,000 users, against ir-measures' alone"
    ),
    "baselines_s": Goal("s", "<", 60, "random, popular, recent_popular and item_knn at full scale, together"),
    "whole_job_s": Goal("s", "<", 300, "raw logs to metrics at full scale: 3 epochs, 10,000 users evaluated exactly"),
    "whole_job_peak_mb": Goal("MB", "<", 6000, "most memory of that job"),
    "users_page_ms": Goal("ms", "<", 150, "Users, another user, full scale: 95th percentile of 50"),
    "lab_page_ms": Goal("ms", "<", 1000, "Sampling lab, a knob moved, full scale: 95th percentile of 50"),
    "compare_page_ms": Goal(
        "ms", "<", 500, "Compare, 30 runs, another view or baseline, full scale: 95th percentile of 50"
    ),
    "first_paint_s": Goal("s", "<", 3, "from the start of streamlit run to the first painted Overview"),
    "idle_mb": Goal("MB", "<", 350, "memory of the server after that"),
    "child_start_s": Goal("s", "<", 12, "from the start of a training to its first step, the bundled demo's log"),
    "child_start_full_s": Goal("s", "<", 12, "the same at full scale"),
    "ray_sweep_vs_plain": Goal("x", "<=", 1.15, "time of a sweep of 6 runs on Ray with 2 workers, against without"),
}
"""Every figure by its name, in the order of results.md. A script may tell more than one."""


def print_figure(name: str, rounds: Sequence[float], /, **details: object) -> None:
    """Print the median of what the rounds measured, with the least and the most, as one JSON line.

    `details` stand beside it in results.md alone. A figure of no goal may be printed too.
    """
    print_value(name, statistics.median(rounds), min(rounds), max(rounds), **details)


def print_value(name: str, value: float, low: float, high: float, /, **details: object) -> None:
    """Print a figure that is not a median of rounds, such as a percentile, with the least and the most."""
    goal = GOALS.get(name)
    figure = {
        "name": name,
        "value": rounded(value),
        "unit": goal.unit if goal else "",
        "low": rounded(low),
        "high": rounded(high),
        "goal": str(goal) if goal else None,
        "met": goal.met(value) if goal else None,
    }
    print(json.dumps(figure | details), flush=True)


def rounded(value: float) -> float:
    """A number to four digits, and whole from 1,000 on."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
