"""What each stage of one job takes: seconds, processor seconds and memory, with the counts that they depend on.

    python -m benchmarks.cost_points job FOLDER      the job over the log of a folder, as JSON
    python -m benchmarks.cost_points index ARTICLES  the approximate index over that many vectors, as JSON

The job is that of whole_job_s.py: ingest; in-batch training of three epochs; the baselines; exact evaluation of at most
10,000 users. Ingest and the run are processes of their own, as on the command line.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))

import faiss
import numpy as np
import psutil

from benchmarks.side_by_side import unit_vectors
from dssm_core.config import Config, IndexConfig, with_settings
from dssm_core.demo import FILES
from dssm_core.free_memory import peak_mb
from dssm_core.indexes import INDEXES
from dssm_core.ingest import ingest
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.readiness import Counted
from dssm_core.runs import Run, describe_run
from dssm_core.workspace import Workspace, load_dataset, new_id

EPOCHS, K, QUERIES = 3, 200, 1000
CODE_BYTES, FETCHED = 16, 4 * K
"""Of a compressed vector, and how many of them are fetched to be put in order by the whole vectors."""
JOB = (f"train.epochs={EPOCHS}", "eval.users=10000", "index.kind=exact")
START = "start of both processes"
_CLEAR_REFS = Path("/proc/self/clear_refs")


def job_config() -> Config:
    """The config of the run."""
    return with_settings(find_preset("in_batch").config, JOB)


@dataclass
class Stages:
    """What each stage took, told by the events of a run as they come."""

    taken: dict[str, dict[str, float]] = field(default_factory=dict)
    _stage: str = ""

    def report(self, event: dict) -> None:
        """End one stage and begin the next, at the events that say so."""
        kind = event["type"]
        if kind in ("stage", "libraries", "baseline"):
            self.begin({"stage": event.get("stage"), "baseline": event.get("baseline"), "libraries": kind}[kind])

    def begin(self, stage: str) -> None:
        """The stage before ends; before the first, the process was starting."""
        if not self.taken and not self._stage:
            started = time.time() - psutil.Process().create_time()
            self.taken[START] = {"seconds": started, "cpu": time.process_time(), "mb": peak_mb()}
        self.end()
        self._stage, self._begun = stage, (time.perf_counter(), time.process_time())
        _forget_peak()

    def end(self) -> None:
        """No stage follows."""
        if self._stage:
            seconds, cpu = time.perf_counter() - self._begun[0], time.process_time() - self._begun[1]
            self.taken[self._stage] = {"seconds": seconds, "cpu": cpu, "mb": peak_mb()}


def _forget_peak() -> None:
    """From now on the peak is that of what follows; where the system has no such thing it is that of all so far."""
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5")


def measure_ingest(home: Path, folder: Path) -> dict:
    """Ingest the log of a folder; what it took, the dataset's id and how large it is."""
    stages = Stages()
    stages.begin("ingest")
    report = ingest(Workspace(home, bundled=None), "yidian", *(folder / name for name in FILES))
    stages.end()
    counts = {"exposures": report["accepted"], **{side: {"rows": report[side]} for side in ("users", "articles")}}
    return {"stages": stages.taken, "dataset": report["dataset"], "counts": counts}


def measure_run(home: Path, dataset_id: str) -> dict:
    """Train and measure a run of the dataset; what each stage took, and how large everything was."""
    workspace, config, stages = Workspace(home, bundled=None), job_config(), Stages()
    run = Run(workspace.new_run_folder(new_id()))
    describe_run(run.folder, dataset_id, config, "cost", "in_batch")
    carry_out(workspace, run, stages.report)
    stages.end()
    dataset = load_dataset(workspace, dataset_id)
    counted = Counted(dataset)
    scale, split = counted.scale(config), counted.split(config)
    test_clicks = dataset.exposures.click[split.test].sum()
    recall = run.per_user()["recall@50"]
    return {
        "stages": stages.taken,
        "counts": {**asdict(scale), "tested": len(recall), "test_clicks": test_clicks},
        "recall": {"mean": float(recall.mean()), "deviation": float(recall.std())},
    }


def measure_job(folder: Path) -> dict:
    """Both, each in a process of its own and in a workspace that goes after it."""
    with tempfile.TemporaryDirectory() as home:
        ingested = _in_child("ingest", home, str(folder))
        run = _in_child("run", home, ingested["dataset"])
    stages = {**ingested["stages"], **run["stages"]}
    stages[START] = {key: ingested["stages"][START][key] + run["stages"][START][key] for key in stages[START]}
    return {**run, "stages": stages}


def measure_index(articles: int) -> dict:
    """Build the approximate index over that many vectors, search it, the exact one and a compressed one."""
    rng = np.random.default_rng(0)
    vectors, queries = (unit_vectors(n, rng) for n in (articles, QUERIES))
    stages, config = Stages(), IndexConfig(kind="ivf")
    stages.begin("ivf build")
    ivf = INDEXES["ivf"](vectors, config)
    stages.begin("ivf search")
    positions, _ = ivf.search(queries, K)
    exact = INDEXES["exact"](vectors, IndexConfig())
    stages.begin("exact search")
    wanted, _ = exact.search(queries, K)
    stages.begin("ivf-pq build")
    compressed = compressed_index(vectors, ivf.lists.nlist, config.probes)
    stages.begin("ivf-pq search")
    _, fetched = compressed.search(queries, FETCHED)
    stages.end()
    shares = {
        "ivf": share_of(wanted, positions),
        "ivf-pq": share_of(wanted, fetched[:, :K]),
        "ivf-pq, in order by the whole vectors": share_of(wanted, fetched),
    }
    return {"stages": stages.taken, "counts": {"pool": articles, "queries": QUERIES}, "share of exact": shares}


def compressed_index(vectors: np.ndarray, clusters: int, probes: int) -> faiss.IndexIVFPQ:
    """FAISS's IVF-PQ: of each vector its cluster and `CODE_BYTES` codes (Jégou et al., 2011)."""
    dim = vectors.shape[1]
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(dim), dim, clusters, CODE_BYTES, 8, faiss.METRIC_INNER_PRODUCT)
    for clustering in (index.cp, index.pq.cp):  # as in our own index, on a sample
        clustering.niter, clustering.max_points_per_centroid = 10, 64
    index.train(vectors)
    index.add(vectors)
    index.nprobe = probes
    return index


def share_of(wanted: np.ndarray, found: np.ndarray) -> float:
    """How much of the exact lists (q, k) is among what was found (q, m)."""
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(wanted, found, strict=True)]))


def _in_child(*arguments: str) -> dict:
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main(what: str, *of: str) -> None:
    """Measure, and print what was measured as one JSON line."""
    measured = {
        "job": lambda: measure_job(Path(of[0])),
        "ingest": lambda: measure_ingest(Path(of[0]), Path(of[1])),
        "run": lambda: measure_run(Path(of[0]), of[1]),
        "index": lambda: measure_index(int(of[0])),
    }[what]()
    print(json.dumps(measured, default=int), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
