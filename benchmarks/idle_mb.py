"""Memory of the idle server: what it and its children hold once the Overview was painted and nobody is there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import time

import psutil

from benchmarks.goals import print_figure
from benchmarks.server_start import browser, painted_server
from benchmarks.side_by_side import ROUNDS

_IDLE_SECONDS = 2


def main() -> None:
    """Print the megabytes (10⁶ bytes) that are resident."""
    with browser() as chromium:
        print_figure("idle_mb", [idle_mb(chromium) for _ in range(ROUNDS)])


def idle_mb(chromium) -> float:
    """Of a fresh server."""
    with painted_server(chromium) as (_, server):
        time.sleep(_IDLE_SECONDS)
        return sum(process.memory_info().rss for process in family(server)) / 1e6


def family(server: psutil.Process) -> list[psutil.Process]:
    """The server and whatever it started."""
    return [server, *server.children(recursive=True)]


if __name__ == "__main__":
    main()
