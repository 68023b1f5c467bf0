"""Ingest in a process of its own, whose memory is measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ingest_memory import write_log

CHILD = """
import sys
from functools import partial
from pathlib import Path

import dssm_core.local_ingest
from benchmarks.ingest_memory import ingest_measured
from dssm_core.spill import spilled

dssm_core.local_ingest.spilled = partial(spilled, rows=1 << 16)  # so that even a short log is many times longer
ingest_measured(Path(sys.argv[1]))
"""


def peak_mb(folder, rows):
    """The peak of an ingest of that many rows of always the same users and articles."""
    folder.mkdir()
    write_log(folder, rows, 5_000, 2_500, np.random.default_rng(rows))
    command = [sys.executable, "-c", CHILD, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1], text=True)
    return json.loads(done.stdout)["peak_mb"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it")
def test_the_memory_of_an_ingest_does_not_grow_with_the_rows(tmp_path):
    few, many = peak_mb(tmp_path / "few", 400_000), peak_mb(tmp_path / "many", 1_200_000)
    # the 800,000 rows more take 47 MB as numbers, and more than twice that to sort
    assert many - few < 60, f"{few} MB grew to {many} MB"
