"""The whole job at full scale, as a person does it by the command line: `ingest`, then `train`, each a process.

6,000,000 raw rows, 50,000 users, 630,000 articles → metrics: three epochs, the baselines, exact evaluation of 10,000
users. Seconds from the first command to the end of the second, and the most memory that one of the processes held.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.full_scale import command_line, full_scale_home, raw_log
from benchmarks.goals import print_figure, rounded

ROUNDS = 3
"""Fewer than of other figures: one takes minutes."""


def main() -> None:
    """Print seconds and memory."""
    with full_scale_home() as home:
        log = raw_log(home)
        rounds = [whole_job(log) for _ in range(ROUNDS)]
    stages = {stage: rounded(seconds) for stage, seconds in rounds[-1]["stages"].items()}
    print_figure("whole_job_s", [job["seconds"] for job in rounds], rounds=ROUNDS, seconds_of_stages=stages)
    print_figure("whole_job_peak_mb", [job["peak_mb"] for job in rounds], rounds=ROUNDS)


def whole_job(log: list[Path]) -> dict:
    """Do it in a fresh workspace."""
    exposures, users, articles = log
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        files = ("--exposures", exposures, "--users", users, "--articles", articles)
        dataset = command_line("ingest", "--home", home, "--format", "yidian", *files)["dataset"]
        ingested = time.perf_counter() - started
        settings = ("--set", "train.epochs=3", "eval.users=10000", "index.kind=exact")
        run = command_line("train", "--home", home, "--dataset", dataset, "--preset", "in_batch", *settings)
        seconds = time.perf_counter() - started
    # of commands and of the child that trains, which is gone by now and was waited for by none of them
    peak = max(run["peak_mb"], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)
    return {"seconds": seconds, "peak_mb": peak, "stages": {"ingest": ingested, **run["seconds"]}}


if __name__ == "__main__":
    main()
