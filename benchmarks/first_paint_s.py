"""First paint: seconds from the start of `streamlit run app.py` to the Overview's chart in headless Chromium."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.goals import print_figure
from benchmarks.server_start import browser, painted_server
from benchmarks.side_by_side import ROUNDS


def main() -> None:
    """Print the seconds."""
    with browser() as chromium:
        print_figure("first_paint_s", [seconds_to_paint(chromium) for _ in range(ROUNDS)])


def seconds_to_paint(chromium) -> float:
    """Of a fresh server; the browser is warm."""
    with painted_server(chromium) as (seconds, _):
        return seconds


if __name__ == "__main__":
    main()
