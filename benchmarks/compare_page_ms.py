"""Compare: server time with 30 runs until another view, or the difference from another run, is shown, at full scale."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.full_scale import full_scale_home
from benchmarks.page_reruns import TIMES, opened, print_reruns, thirty_runs


def main() -> None:
    """Print the time. Each view was looked at once before, as its first look reads what later ones remember."""
    with full_scale_home() as home:
        runs = [run.id for run in thirty_runs(home)]
        page = opened("pages/compare.py", compared=runs, k="50")
        views = page.segmented_control(key="view").options
        for view in views:
            page.query_params.update(view=view)
            page.run()

        def change(i: int) -> None:
            page.query_params.update(view=views[i % len(views)], baseline=runs[i // len(views) % len(runs)])

        print_reruns("compare_page_ms", page, (lambda i=i: change(i) for i in range(TIMES)), runs=len(runs))


if __name__ == "__main__":
    main()
