import resource
import subprocess
import sys

import numpy as np
import psutil
import pytest

from dssm_core.errors import UserError
from dssm_core.free_memory import free_bytes, held_bytes, in_words, peak_mb

GB = 10**9
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


@pytest.fixture(autouse=True)
def a_machine_of_16_gb(monkeypatch):
    monkeypatch.delenv("DSSM_FREE_BYTES", raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 16 * GB}))


@pytest.fixture
def free(tmp_path):
    """A function (own groups' text) → what is free, of control groups under tmp_path."""

    def found(own: str, given_back: int = 0) -> int:
        (tmp_path / "own").write_text(own)
        return free_bytes(given_back, tmp_path / "cgroup", tmp_path / "own")

    return found


def bound(folder, names, limit, usage, files=0):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip((*names[:2], "memory.stat"), (limit, usage, f"anon 5\n{names[2]} {files}"), strict=True):
        (folder / name).write_text(f"{value}\n")


def test_without_any_bound_it_is_what_the_machine_has_left(free, tmp_path):
    assert free("0::/some/where\n") == 16 * GB
    bound(tmp_path / "cgroup/some/where", V2, "max", GB)
    assert free("0::/some/where\n") == 16 * GB
    assert free_bytes(0, tmp_path, tmp_path / "no such file") == 16 * GB


def test_a_bound_of_version_2_leaves_what_it_does_not_use_but_for_files_that_can_be_dropped(free, tmp_path):
    bound(tmp_path / "cgroup/some/where", V2, 4 * GB, 3 * GB, GB // 2)
    assert free("0::/some/where\n") == 1.5 * GB


def test_a_bound_of_version_1_leaves_what_it_does_not_use_but_for_files_that_can_be_dropped(free, tmp_path):
    bound(tmp_path / "cgroup/memory/deep", V1, 4 * GB, 3 * GB, GB // 2)
    assert free("9:cpu,cpuacct:/deep\n4:memory:/deep\n0::/\n") == 1.5 * GB


def test_version_1_without_a_bound_says_so_by_a_huge_number(free, tmp_path):
    bound(tmp_path / "cgroup/memory", V1, 9223372036854771712, 3 * GB)
    assert free("4:memory:/\n") == 16 * GB


def test_the_bound_of_an_outer_group_counts_too(free, tmp_path):
    bound(tmp_path / "cgroup/outer", V2, 3 * GB, GB)
    bound(tmp_path / "cgroup/outer/inner", V2, 8 * GB, GB)
    assert free("0::/outer/inner\n") == 2 * GB


def test_a_container_that_sees_its_own_group_as_the_root_is_bounded_by_it(free, tmp_path):
    bound(tmp_path / "cgroup", V2, 3 * GB, GB)
    assert free("0::/../../elsewhere\n") == 2 * GB


def test_a_group_that_uses_more_than_its_bound_leaves_nothing(free, tmp_path):
    bound(tmp_path / "cgroup/full", V2, GB, 2 * GB)
    assert free("0::/full\n") == 0


def test_what_is_said_to_be_free_counts_instead(monkeypatch):
    monkeypatch.setenv("DSSM_FREE_BYTES", "123")
    assert free_bytes() == 123
    monkeypatch.setenv("DSSM_FREE_BYTES", "8 GB")
    with pytest.raises(UserError, match="DSSM_FREE_BYTES is '8 GB': expected a whole number of bytes"):
        free_bytes()


def test_what_will_be_given_back_is_free_too(free, tmp_path):
    assert free("0::/\n", GB) == 17 * GB
    bound(tmp_path / "cgroup", V2, 3 * GB, GB)
    assert free("0::/\n", GB) == 3 * GB


def test_a_process_that_is_gone_holds_nothing():
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert held_bytes(gone.pid) == 0


def test_what_a_process_holds_grows_with_what_it_takes():
    code = (
        "from dssm_core.free_memory import held_bytes; before = held_bytes(); "
        "taken = b'x' * 50_000_000; print(held_bytes() - before >= len(taken))"
    )
    # in a process of its own: what earlier tests leave behind is given back whenever it pleases
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


@pytest.mark.parametrize(
    ("number", "words"), [(310_400_000, "310 MB"), (5_240_000_000, "5.2 GB"), (2.5e12, "2,500.0 GB"), (0, "0 MB")]
)
def test_memory_in_words(number, words):
    assert in_words(number) == words


def test_the_most_that_a_process_held_is_no_less_than_it_holds_and_not_its_parents():
    block = np.ones(30_000_000)
    code = "from dssm_core.free_memory import held_bytes, peak_mb; print(peak_mb(), held_bytes() / 1e6)"
    peak, held = map(
        float, subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split()
    )
    assert held * 0.99 <= peak < block.nbytes / 1e6


@pytest.mark.parametrize("text", [None, "Name:\tpython\nVmRSS:\t  100 kB\n"], ids=["no /proc", "no such line"])
def test_where_the_system_does_not_keep_the_most_the_processes_own_count_is_taken(tmp_path, text):
    status = tmp_path / "status"
    if text:
        status.write_text(text)
    unit = 1 if sys.platform == "darwin" else 1024
    assert peak_mb(status) == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
