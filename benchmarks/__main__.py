"""Every timing that has a goal, each in a process of its own: `python -m benchmarks [--home FOLDER]`, or `make bench`.

Writes results.json, results.md, told.json, growth.json and the two growth charts beside it. A script that fails is
told, and the figures of the others are kept. FOLDER keeps the full-scale log that the scripts share. `--only` measures
some again, on the same machine, and keeps what was told of the others.
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

from benchmarks.full_scale import HOME
from benchmarks.report import renewed, told_before, write_report

SCRIPTS = (
    "training_vs_deepmatch",
    "training_vs_catalogue",
    "strategies_vs_in_batch",
    "sampling_vs_numpy",
    "ingest_vs_pandas",
    "exact_vs_faiss",
    "ann_vs_exact",
    "metrics_vs_ir_measures",
    "baselines_s",
    "whole_job_s",
    "users_page_ms",
    "lab_page_ms",
    "compare_page_ms",
    "first_paint_s",
    "idle_mb",
    "child_start_s",
    "ray_sweep_vs_plain",
    "growth",
)
"""What is run, in this order; the other scripts of the folder are campaigns of their own."""


def main() -> int:
    """Run the scripts and write down what they told; 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--home", help="keeps the full-scale log from one call to the next")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=SCRIPTS, metavar="SCRIPT", help="of these")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dssm-bench-") as made:
        lines, failed = run_all([HERE / f"{script}.py" for script in options.only], options.home or made)
    before = [] if options.only == SCRIPTS else told_before(HERE)
    write_report(renewed(before, lines), failed, HERE)
    return bool(failed)


def run_all(scripts: list[Path], home: str) -> tuple[list[dict], list[str]]:
    """The JSON lines that the scripts printed, and the names of those that failed."""
    lines, failed = [], []
    for script in scripts:
        told, well = run_script(script, home)
        lines += told
        if not well:
            failed.append(script.stem)
            print(f"{script.stem} failed: see above", file=sys.stderr)
    return lines, failed


def run_script(script: Path, home: str) -> tuple[list[dict], bool]:
    """The JSON lines that a script prints, passed on as they come, and whether it ended well."""
    lines = []
    environment = {**os.environ, HOME: home}
    with subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("{"):
                lines.append({**json.loads(line), "day": str(datetime.date.today())})
    return lines, process.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
