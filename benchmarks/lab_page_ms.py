"""Sampling lab: server time until what a moved knob changes is shown, at full scale, with the usual strategies."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.full_scale import full_scale_home
from benchmarks.page_reruns import TIMES, opened, print_reruns, thirty_runs


def main() -> None:
    """Print the time: popularity's alpha takes 50 values that it never had."""
    with full_scale_home() as home:
        page = opened("pages/sampling.py", dataset=thirty_runs(home)[0].dataset)
        alpha = page.number_input(key="lab popularity negatives.alpha")
        values = np.round(np.linspace(0.2, 0.7, TIMES), 2)
        print_reruns("lab_page_ms", page, (lambda v=v: alpha.set_value(float(v)) for v in values))


if __name__ == "__main__":
    main()
