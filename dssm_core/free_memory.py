"""How much memory may still be taken: what the machine has left, or what a container's bound leaves of it."""

import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from dssm_core.errors import UserError

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_OWN_STATUS = Path("/proc/self/status")


def free_bytes(given_back: int = 0, cgroups: Path = _CGROUPS, own_groups: Path = _OWN_GROUPS) -> int:
    """Bytes that processes started here may take, or what $DSSM_FREE_BYTES says instead.

    The least of what the machine can give without swapping and of what the control groups (version 1 and 2) that this
    process is in leave: a container's bound is often far below the machine's memory. `given_back` bytes that are taken
    now count as free. A UserError where $DSSM_FREE_BYTES is no number.
    """
    text = os.environ.get("DSSM_FREE_BYTES", "")
    if text and not text.isdecimal():
        raise UserError(f"DSSM_FREE_BYTES is {text!r}: expected a whole number of bytes")
    if text:
        return int(text)
    return given_back + min([psutil.virtual_memory().available, *_left_by_groups(cgroups, own_groups)])


def held_bytes(process: int | None = None) -> int:
    """Bytes of memory that a process holds, this one unless a number is given; 0 where there is none of that number."""
    try:
        return psutil.Process(process).memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def peak_mb(own_status: Path = _OWN_STATUS) -> float:
    """The most memory that this process has held, in MB of 10⁶ bytes."""
    # getrusage would tell of the parent too, where a child is started by vfork
    told = re.search(r"VmHWM:\s+(\d+) kB", own_status.read_text()) if own_status.exists() else None
    if told:
        return int(told[1]) * 1024 / 1e6
    # in KiB on Linux, of which some sandboxes have no such line, and in bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def in_words(number: float) -> str:
    """An amount of memory as people say it: "5.2 GB", "310 MB"."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def _left_by_groups(cgroups: Path, own_groups: Path) -> Iterator[int]:
    """What each bounded group on the way from this process's own up to the outermost leaves."""
    for line in own_groups.read_text().splitlines() if own_groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names, roots = _VERSION_2, (cgroups,)
        elif "memory" in controllers.split(","):
            names, roots = _VERSION_1, (cgroups / "memory", cgroups)
        else:
            continue
        for root in roots:
            for group in (Path(path), *Path(path).parents):
                # a container sees its own group as the root, whatever its path is outside
                yield from _left_by(root / str(group).lstrip("/"), *names)


_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")


def _left_by(group: Path, limit_name: str, usage_name: str, reclaimed_name: str) -> Iterator[int]:
    """What a group's bound leaves, if it has one: files that were read and can be dropped do not count as used."""
    try:
        limit = (group / limit_name).read_text().strip()
        usage = int((group / usage_name).read_text())
        stat = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        return
    if limit.isdecimal():
        yield max(0, int(limit) - usage + int(stat.get(reclaimed_name, 0)))
