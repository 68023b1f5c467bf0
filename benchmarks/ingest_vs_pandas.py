"""Ingest of a long Yidian log with all its checks, against pandas.read_csv of its exposures alone: seconds ÷ seconds.

The log has 6,000,000 rows, 50,000 users and 630,000 articles, with profiles; about 3 % of the rows are set aside. Each
side runs in a process of its own, in turn, on the same file, its imports not counted. `read_csv` skips the rows that
have too few fields: without being told to it refuses the file. Prints the ratio, and the most memory that an ingest
took.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.goals import print_figure, rounded
from benchmarks.ingest_memory import write_log
from benchmarks.side_by_side import ROUNDS

ROWS, USERS, ARTICLES = 6_000_000, 50_000, 630_000
_INGEST = Path(__file__).with_name("ingest_memory.py")


def main() -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory(prefix="dssm-bench-") as folder:
        write_log(Path(folder), ROWS, USERS, ARTICLES, np.random.default_rng(0))
        rounds = [(_measured(_INGEST, folder), _measured(__file__, folder)) for _ in range(ROUNDS)]
    ours, theirs = ([side["seconds"] for side in sides] for sides in zip(*rounds, strict=True))
    details = {f"{side}_s": rounded(statistics.median(of)) for side, of in (("ours", ours), ("theirs", theirs))}
    print_figure("ingest_vs_pandas", [a / b for a, b in zip(ours, theirs, strict=True)], **details)
    print_figure("ingest_peak_mb", [ingested["peak_mb"] for ingested, _ in rounds])


def _measured(script: Path | str, folder: str) -> dict:
    told = subprocess.run([sys.executable, script, "in", folder], check=True, stdout=subprocess.PIPE)
    return json.loads(told.stdout)


def _read_by_pandas(log: Path) -> None:
    """Read the exposures of a log and print the seconds that it took."""
    import pandas as pd
    import pyarrow.csv  # noqa: F401  (read_csv would import it meanwhile)

    started = time.perf_counter()
    pd.read_csv(log, sep="\t", header=None, engine="pyarrow", on_bad_lines="skip")
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["in"]:
        _read_by_pandas(Path(sys.argv[2]) / "train_data.txt")
    else:
        main()
