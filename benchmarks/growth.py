"""How cost grows with the catalogue (10,000 to 1,000,000 articles) and with the log (100,000 to 6,000,000 rows).

Prints a line a point, from which the two growth charts are drawn. Of the catalogue: in-batch training, search by both
indexes, drawing by `funrec_mix`, and the article table's bytes, the median of five. Of the log, once: what the command
line takes to ingest a log with a user for 120 rows and an article for 9.5, and to train and measure a run of it.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.full_scale import ARTICLES, DAYS, ROWS, USERS, command_line, full_scale_home, raw_log
from benchmarks.goals import rounded
from benchmarks.side_by_side import ROUNDS, per_second, unit_vectors
from benchmarks.training import LargeLog, rate, warmed
from dssm_core.config import Config, IndexConfig, with_settings
from dssm_core.demo import FILES, write_demo
from dssm_core.indexes import INDEXES
from dssm_core.negatives import make_strategy
from dssm_core.runs import open_run
from dssm_core.workspace import Workspace

CATALOGUES = (10_000, 100_000, 1_000_000)
LOGS = (100_000, 1_000_000, ROWS)
POSITIVES, QUERIES, K = 100_000, 500, 200


def main() -> None:
    """Print the points of both charts."""
    for articles in CATALOGUES:
        measure_catalogue(articles)
    with full_scale_home() as home:
        for rows in LOGS:
            measure_log(home, rows)


def print_point(growth: str, size: int, cost: str, value: float, unit: str) -> None:
    """Print one point of one line."""
    print(json.dumps({"growth": growth, "cost": cost, "unit": unit, "size": size, "value": rounded(value)}), flush=True)


def measure_catalogue(articles: int) -> None:
    """Everything that a larger catalogue could make dearer."""
    rng = np.random.default_rng(0)
    log = LargeLog(articles)
    learner = warmed(log.learner(POSITIVES))
    seconds = statistics.median(POSITIVES / rate(learner, POSITIVES) for _ in range(ROUNDS))
    print_point("articles", articles, "training", seconds, f"s / {POSITIVES:,} positives")
    table = learner.model.articles.table
    print_point("articles", articles, "article table", 4 * table.shape[0] * table.shape[1] / 1e6, "MB")
    counts = log.data(0).counts
    mix = make_strategy(counts, with_settings(Config(), ["negatives.strategy=funrec_mix"]).negatives)
    everybody = np.arange(1, USERS + 1, dtype=np.int32)
    draws = mix.draw(everybody, everybody, 5, rng).drawn
    print_cost(articles, "drawing", lambda: mix.draw(everybody, everybody, 5, rng), 1e9 / draws, "ns / draw")
    vectors, queries = (unit_vectors(n, rng) for n in (articles, QUERIES))
    for kind in ("exact", "ivf"):
        index = INDEXES[kind](vectors, IndexConfig(kind=kind))
        print_cost(articles, f"{kind} search", lambda i=index: i.search(queries, K), 1e3 / QUERIES, "ms / query")


def print_cost(articles: int, cost: str, work: Callable[[], object], scale: float, unit: str) -> None:
    """Print the median of the seconds that `work` takes, times `scale`."""
    seconds = statistics.median(1 / per_second(1, work) for _ in range(ROUNDS))
    print_point("articles", articles, cost, scale * seconds, unit)


def measure_log(home: Path, rows: int) -> None:
    """Ingest a log of that many rows, train two epochs on it, and measure the run."""
    with tempfile.TemporaryDirectory() as made:
        files = raw_log(home) if rows == ROWS else smaller_log(Path(made), rows)
        sources = zip(("--exposures", "--users", "--articles"), files, strict=True)
        arguments = [word for source in sources for word in source]
        started = time.perf_counter()
        dataset = command_line("ingest", "--home", made, "--format", "yidian", *arguments)["dataset"]
        print_point("rows", rows, "ingest", time.perf_counter() - started, "s")
        run = command_line(
            "train", "--home", made, "--dataset", dataset, "--preset", "in_batch", "--set", "train.epochs=2"
        )
        seconds = run["seconds"]
        epochs = [event for event in open_run(Workspace(made), run["run"]).events() if event["type"] == "epoch"]
    print_point("rows", rows, "split and features", seconds["split"] + seconds["features"], "s")
    print_point("rows", rows, "training with validation", epochs[-1]["seconds"], "s / epoch")
    print_point("rows", rows, "baselines", seconds["baselines"], "s")
    print_point("rows", rows, "evaluation", seconds["evaluate"], "s")


def smaller_log(folder: Path, rows: int) -> list[Path]:
    """A log with as many users and articles for its rows as the full-scale one."""
    write_demo(folder, USERS * rows // ROWS, ARTICLES * rows // ROWS, DAYS, seed=0, exposures=rows)
    return [folder / name for name in FILES]


if __name__ == "__main__":
    main()
