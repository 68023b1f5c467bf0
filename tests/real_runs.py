"""What tests of real child processes share: waiting for them, looking for what they left, comparing their results."""

import json
import time
from pathlib import Path

from dssm_core.processes import is_locked
from dssm_core.runs import ACTIVE, Run

SECONDS = 240
"""How long a child may take to do anything on a busy machine."""


def wait(run, *states, seconds=SECONDS):
    """Wait for one of the states of a run or sweep, and return it with its reason."""
    end = time.monotonic() + seconds
    while (state := run.state()).state not in states:
        assert state.state in ACTIVE and time.monotonic() < end, f"{state}, not {states}: {log(run)}"
        time.sleep(0.02)
    return state


def wait_for_event(run, kind, epoch=0):
    """Wait for an event of a kind (of that epoch or a later one), or for the end of the run."""
    end = time.monotonic() + SECONDS
    while not any(event["type"] == kind and event.get("epoch", 0) >= epoch for event in run.events()):
        if not is_locked(run.folder):
            return
        assert time.monotonic() < end, log(run)
        time.sleep(0.02)


def wait_until_gone(folder, seconds=SECONDS):
    """Wait until no process holds the folder's lock."""
    end = time.monotonic() + seconds
    while is_locked(folder):
        assert time.monotonic() < end, f"{folder} is still locked"
        time.sleep(0.02)


def log(run):
    """The end of a child's output."""
    path = run.folder / "log.txt"
    return path.read_text()[-3000:] if path.exists() else ""


def session(number):
    """The processes of a session, but for those that are dead and not yet waited for."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, facts = path.read_text().rpartition(")")
        except OSError:  # it ended meanwhile
            continue
        state, _, _, its_session = facts.split()[:4]
        if int(its_session) == number and state != "Z":
            members.append(name)
    return members


def lost_epochs(run):
    """How many whole epochs, told as done, were done again by a process that resumed the run; in all."""
    told = lost = 0
    for event in map(json.loads, (run.folder / "events.jsonl").read_text().splitlines()):
        if event["type"] == "epoch":
            told = max(told, event["epoch"])
        if event["type"] == "train":
            lost += max(0, told - event["epoch"])
            told = event["epoch"]
    return lost


def measured(run: Run):
    """All of metrics.json but how long it took."""
    metrics = run.metrics()
    facts = {key: value for key, value in metrics["facts"].items() if key != "positives_per_second"}
    facts["index"] = {key: value for key, value in facts["index"].items() if "per_second" not in key}
    return metrics["metrics"], facts, metrics.get("reasons")
