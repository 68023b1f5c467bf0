"""Ingest of a long Yidian log: rows a second, and the most memory that it takes, which must not grow with the rows.

    python benchmarks/ingest_memory.py [ROWS]

There is a user for 20 rows and an article for 40. About 2 % of the rows are dirt of every kind, and 1 % are duplicates.
The ingest runs in a process of its own, so that its peak is its own too. Prints one JSON line.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

sys.path.insert(0, str(Path(__file__).parent.parent))

ROWS = 2_000_000
_BLOCK = 500_000
_START, _DAYS = 1_624_809_600_000, 7
_FILES = ("train_data.txt", "user_info.txt", "doc_info.txt")
_UNLINED = pa.csv.WriteOptions(include_header=False, quoting_style="none", delimiter="\x1f")


def main() -> None:
    """Write a log, ingest it in a child and print what that took."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder), rows, rows // 20, rows // 40, np.random.default_rng(0))
        measured = subprocess.run([sys.executable, __file__, "in", folder], check=True, stdout=subprocess.PIPE).stdout
    print(json.dumps({"name": "ingest_memory", "rows": rows, **json.loads(measured)}))


def ingest_measured(folder: Path) -> None:
    """Ingest the log of a folder and print seconds, seconds of CPU, rows a second, peak memory and what was kept."""
    from dssm_core.free_memory import peak_mb
    from dssm_core.ingest import ingest
    from dssm_core.workspace import Workspace

    files = [folder / name for name in _FILES]
    with tempfile.TemporaryDirectory(dir=folder) as home:
        started, started_cpu = time.perf_counter(), time.process_time()
        report = ingest(Workspace(home, bundled=None), "yidian", *files)
        seconds = time.perf_counter() - started
        cpu_seconds = time.process_time() - started_cpu  # of this process, however busy the machine is
    told = {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 2),
        "rows_per_second": round(report["rows_in"] / seconds),
    }
    kept = {key: report[key] for key in ("accepted", "users", "articles", "set_aside")}
    print(json.dumps({**told, "peak_mb": round(peak_mb()), **kept}))


def write_log(folder: Path, rows: int, users: int, articles: int, rng: np.random.Generator) -> None:
    """Write the three files of a log of that many rows, headerless, as the Yidian logs are."""
    _write_lines(folder / "user_info.txt", (_user_lines(numbers, rng) for numbers in _blocks(users)))
    _write_lines(folder / "doc_info.txt", (_article_lines(numbers, rng) for numbers in _blocks(articles)))
    lines = (_log_lines(len(numbers), users, articles, rng) for numbers in _blocks(rows))
    _write_lines(folder / "train_data.txt", lines)


def _blocks(n: int):
    return (np.arange(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))


def _write_lines(path: Path, blocks) -> None:
    schema = pa.schema([("line", pa.string())])
    with pa.csv.CSVWriter(path, schema, write_options=_UNLINED) as writer:
        for lines in blocks:
            writer.write_table(pa.table([lines], schema))


def _log_lines(n: int, users: int, articles: int, rng: np.random.Generator) -> pa.Array:
    # a few users and articles have most of the rows
    user, article = ((size * rng.random(n) ** 2).astype(np.int64) for size in (users, articles))
    time_ = _START + rng.integers(0, _DAYS * 86_400_000, n)
    numbers = [rng.integers(0, 6, n), rng.integers(0, 50, n), rng.integers(0, 20, n)]
    click = (rng.random(n) < 0.12).astype(np.int64)
    duration = click * rng.integers(-1, 300, n)
    columns = [_text(values) for values in (user, article, time_, *numbers, click, duration)]
    for column, dirt in ((0, ""), (1, ""), (2, "Android"), (6, "上海")):
        columns[column] = pc.if_else(pa.array(rng.random(n) < 0.005), dirt, columns[column])
    lines = pc.binary_join_element_wise(*columns, "\t")
    lines = pc.if_else(pa.array(rng.random(n) < 0.002), pc.binary_join_element_wise(*columns[:3], "\t"), lines)
    shown_again = np.where(rng.random(n) < 0.01, rng.integers(0, n, n), np.arange(n))
    return lines.take(pa.array(shown_again))


def _user_lines(numbers: np.ndarray, rng: np.random.Generator) -> pa.Array:
    n = len(numbers)
    city = _text(rng.integers(0, 400, n))
    age = pa.repeat("A_0_24:0.40,A_25_29:0.06,A_30_39:0.51,A_40+:0.02", n)
    gender = pa.repeat("female:0.36,male:0.64", n)
    return pc.binary_join_element_wise(_text(numbers), city, "Android", "上海", city, age, gender, "\t")


def _article_lines(numbers: np.ndarray, rng: np.random.Generator) -> pa.Array:
    n = len(numbers)
    title = pc.binary_join_element_wise("在长江边上看一场没有人的足球比赛", _text(rng.integers(0, 10**9, n)), "")
    cate = _text(rng.integers(0, 30, n))
    words = pa.repeat("^足球:12.5,比赛:8.1,长江:3.25", n)
    return pc.binary_join_element_wise(_text(numbers), title, str(_START - 1), "3", cate, cate, words, "\t")


def _text(values: np.ndarray) -> pa.Array:
    return pa.array(values).cast(pa.string())


if __name__ == "__main__":
    if sys.argv[1:2] == ["in"]:
        ingest_measured(Path(sys.argv[2]))
    else:
        main()
