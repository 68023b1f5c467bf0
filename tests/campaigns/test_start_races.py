"""Twenty starts at once, from threads of several processes: one run for each request, and one at work at a time."""

import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from dssm_core.runs import cancel_run, list_runs
from dssm_core.workspace import Workspace, new_id
from tests.campaigns.size import cases
from tests.conftest import make_dataset
from tests.datasets import save_dataset
from tests.real_runs import wait

RACERS, PROCESSES = 20, 2
_RACE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from dssm_core.config import Config
from dssm_core.runs import start_run
from dssm_core.workspace import Workspace

workspace, config = Workspace(sys.argv[1], bundled=None), Config(model="random", split={"kind": "random"})
pool, barrier = ThreadPoolExecutor(len(sys.argv[2:])), Barrier(len(sys.argv[2:]))

def start(place, run_id):
    barrier.wait()
    return start_run(workspace, "tiny", config, run_id=run_id).id

print("ready", flush=True)
for line in sys.stdin:
    wanted = line.split()
    print(*pool.map(start, range(len(wanted)), wanted), flush=True)
"""


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path, bundled=None)
    rows = [(f"u{i % 7}", f"a{i % 5}", None, i % 2) for i in range(50)]
    save_dataset(workspace, "tiny", make_dataset(rows))
    return workspace


@pytest.fixture
def racers(workspace):
    """Processes that start the runs whose ids they read, all at once."""
    each = ["thread"] * (RACERS // PROCESSES)
    command = [sys.executable, "-c", _RACE, str(workspace.home), *each]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    yield racers
    for racer in racers:
        racer.stdin.close()
        racer.wait(30)
        racer.stdout.close()


def race(racers, wanted):
    """Start the runs of these ids, one a racer, at once; returns the ids that the starts returned."""
    share = len(wanted) // len(racers)
    for place, racer in enumerate(racers):
        racer.stdin.write(" ".join(wanted[place * share : (place + 1) * share]) + "\n")
        racer.stdin.flush()
    return [run_id for racer in racers for run_id in racer.stdout.readline().split()]


def test_starts_of_the_same_request_at_once_give_one_run(workspace, racers):
    started = set()
    for seed in range(cases(1, 50)):
        rng = random.Random(seed)
        ids = [new_id() for _ in range(rng.randint(1, 4))]
        wanted = [*ids, *rng.choices(ids, k=RACERS - len(ids))]
        rng.shuffle(wanted)
        assert race(racers, wanted) == wanted, f"seed {seed}"
        started |= set(ids)
        runs = [run for run in list_runs(workspace) if not run.preset]  # the baselines that come with one have theirs
        assert Counter(run.id for run in runs) == Counter(started), f"seed {seed}"
        assert max(processes_of(run) for run in runs) <= 1, f"seed {seed}"
        for run in runs:
            cancel_run(run)
            assert run.state().state in ("cancelled", "finished"), f"seed {seed}: {run.state()}"


def test_starts_of_different_requests_at_once_take_turns(workspace, racers):
    ids = [new_id() for _ in range(cases(4, RACERS))]
    wanted = (ids * RACERS)[:RACERS]
    assert race(racers, wanted) == wanted
    runs = [run for run in list_runs(workspace) if run.id in ids]
    assert len(runs) == len(ids)
    spans = []
    for run in runs:
        wait(run, "finished")
        clocks = [event["clock"] for event in run.events()]
        spans.append((clocks[0], clocks[-1]))
    spans.sort()
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def processes_of(run):
    """How many processes were given the run's id."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            count += run.id.encode() in path.read_bytes().split(b"\0")
    return count
