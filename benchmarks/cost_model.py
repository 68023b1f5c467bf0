"""What a job costs as a function of its size: fitted on small logs, held against a log that it has not seen.

    python -m benchmarks.cost_model [--home FOLDER] [--ingest ROWS] [--again]

Measures every stage on `SMALL` logs, fits its seconds as so much for each row, user, article and so on, foretells the
full-scale log and then measures that too. Writes cost_model.json, and the tables of docs/scale.md from it. FOLDER keeps
the logs; `--ingest 20000000` foretells and measures the ingest of so long a log besides; `--again` only fits and writes
anew what was measured before.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.costs import compared, error, model_of
from benchmarks.full_scale import ARTICLES, DAYS, HOME, ROWS, USERS, full_scale_home, raw_log
from benchmarks.report import machine
from benchmarks.scale_tables import write_tables
from dssm_core.demo import FILES, write_demo

SMALL = (
    (250_000, 2_083, 26_250),
    (1_000_000, 8_333, 105_000),
    (2_000_000, 16_667, 210_000),
    (500_000, 100_000, 25_000),
    (1_000_000, 50_000, 20_000),
    (1_000_000, 20_000, 400_000),
)
"""Rows, users and articles of the logs that are fitted: three as dense as the full-scale one, and three that tell its
rows, users and articles apart."""
MANY_IDS = (1_000_000, 500_000, 500_000)
"""The same of a log that is only ingested: its ids take more memory than all else."""
CATALOGUES = (20_000, 50_000, 100_000, 200_000)
"""Vectors of the indexes that are fitted, and the most, which is foretold, is the full-scale catalogue."""
ROUNDS = 2
"""Of which the least counts, of seconds and of processor seconds apart: all else that the machine does adds to both."""


def measure(home: Path, ingest_rows: int) -> dict:
    """Everything, the small sizes and the large one."""
    folders = [log_of(home, *size) for size in SMALL]
    raw_log(home)
    small = [least([point("job", folder) for _ in range(ROUNDS)]) for folder in folders]
    large = least([point("job", home / "log") for _ in range(ROUNDS)])
    measured = {
        "small": small,
        "large": large,
        "many ids": ingested(home, *MANY_IDS),
        "small indexes": [least([point("index", size) for _ in range(ROUNDS)]) for size in CATALOGUES],
        "large index": least([point("index", ARTICLES) for _ in range(ROUNDS)]),
        "sharded tables": json_of("benchmarks.sharded_tables"),
    }
    if ingest_rows:
        size = ingest_rows, USERS * ingest_rows // ROWS, ARTICLES * ingest_rows // ROWS
        measured["long ingest"] = ingested(home, *size)
    return measured


def ingested(home: Path, *size: int) -> dict:
    """The point of a log that is only ingested."""
    folder = log_of(home, *size)
    with tempfile.TemporaryDirectory() as made:
        return least([point("ingest", made, folder) for _ in range(ROUNDS)])


def log_of(home: Path, rows: int, users: int, articles: int) -> Path:
    """The folder of a log of that size, made if it is not there."""
    folder = home / f"log of {rows} rows, {users} users, {articles} articles"
    if not all((folder / name).exists() for name in FILES):
        write_demo(folder, users, articles, DAYS, seed=0, exposures=rows)
    return folder


def point(*arguments: object) -> dict:
    """What cost_points tells, and a word of it on stderr."""
    print("measuring", *arguments, file=sys.stderr, flush=True)
    return json_of("benchmarks.cost_points", *arguments)


def json_of(module: str, *arguments: object) -> dict:
    """The last line that a script of this folder prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


def least(rounds: list[dict]) -> dict:
    """One point of several: of each stage the least seconds, processor seconds and memory."""
    stages = {
        stage: {unit: min(one["stages"][stage][unit] for one in rounds) for unit in taken}
        for stage, taken in rounds[0]["stages"].items()
    }
    return {**rounds[0], "stages": stages}


def main() -> None:
    """Measure, fit, hold against the large size, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost_model", description=__doc__.splitlines()[0])
    parser.add_argument("--home", help="keeps the logs from one call to the next")
    parser.add_argument("--ingest", type=int, default=0, metavar="ROWS", help="measure the ingest of so many rows too")
    parser.add_argument("--again", action="store_true", help="fit and write what was measured before")
    asked = parser.parse_args()
    file = HERE / "cost_model.json"
    if asked.again:
        measured = json.loads(file.read_text(encoding="utf-8"))["measured"]
    else:
        if asked.home:
            os.environ[HOME] = asked.home
        with full_scale_home() as home:
            measured = measure(home, asked.ingest)
            measured |= {"machine": machine(str(datetime.date.today())), "cores": len(os.sched_getaffinity(0))}
    model = model_of(measured)
    result = {"measured": measured, "model": model, "compared": compared(measured, model)}
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    write_tables(result)
    print_errors(result["compared"])


def print_errors(held: dict) -> None:
    """Foretold, measured and error, a line each."""
    for stage, units in held["stages"].items():
        print(f"{stage:24}", *(f"{unit:8}{_told(pair)}   " for unit, pair in units.items()))
    for what in ("indexes", "memory"):
        for name, pair in held[what].items():
            print(f"{what + ': ' + name:24} {_told(pair)}")


def _told(pair: dict[str, float]) -> str:
    off = f"{error(pair):+.0%}" if pair["measured"] else ""
    return f"{pair['foretold']:9.2f} foretold {pair['measured']:9.2f} measured {off:6}"


if __name__ == "__main__":
    main()
