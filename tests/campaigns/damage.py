"""Damages a copy of a workspace, a seed at a time, and asks everything that opens its files: a line of JSON a seed.

`python -m tests.campaigns.damage HOME FIRST LAST`, in a process of its own so that its death is seen.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dssm_core import manifest
from dssm_core.answers import recall_user
from dssm_core.compare import compare_runs
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.export import export_run, read_vectors
from dssm_core.index_loss import IndexLoss
from dssm_core.runs import Run, RunState, list_runs, open_run
from dssm_core.sweeps import Sweep, list_sweeps
from dssm_core.workspace import Workspace, load_dataset

PAGE = 4096
UNSEALED = ("runs/stopped", "sweeps/some")
"""What has no manifest: a changed digit in it cannot be noticed."""


def main(home: Path, seeds: range) -> None:
    """Damage and ask for every seed, and print what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound"
        shutil.copytree(home, sound)
        expected = answers(sound)
        for seed in seeds:
            hurt_home = Path(folder) / str(seed)
            shutil.copytree(home, hurt_home)
            print(json.dumps(outcome(hurt_home, seed, expected)), flush=True)
            shutil.rmtree(hurt_home)


def outcome(home: Path, seed: int, expected: dict[str, str]) -> dict:
    """What was damaged, and each question whose answer is neither right nor a sentence."""
    rng = np.random.default_rng(seed)
    kind = list(KINDS)[seed % len(KINDS)]
    paths = KINDS[kind](home, rng)
    hurt = {str(path.parent.relative_to(home)) for path in paths}
    # every other seed leaves a file unread until somebody asks for it, as large ones are, and remembers what it saw
    manifest._SMALL, manifest._SETTLED_NS = ((0, -1), (1 << 20, 2_000_000_000))[seed // len(KINDS) % 2]
    told = {"seed": seed, "kind": kind, "files": [str(path.relative_to(home)) for path in paths], "wrong": {}}
    for question, answer in answers(home).items():
        fine = answer == expected[question] or (not hurt.isdisjoint(needs(question)) and answer.startswith("told"))
        if not fine and not set(needs(question)) & hurt & set(UNSEALED):
            told["wrong"][question] = answer
    manifest._SMALL = 1 << 20  # what nobody asked for, such as weights, is still to be noticed
    told["undetected"] = sorted(hurt - set(UNSEALED) - {"index_loss"} - noticed(home))
    return told


def noticed(home: Path) -> set[str]:
    """The folders that are not listed as whole."""
    workspace = Workspace(home, bundled=None)
    runs = {f"runs/{run.id}" for run in list_runs(workspace) if run.state().state in ("damaged", "interrupted")}
    return runs | {f"datasets/{dataset}" for dataset in workspace.damaged_datasets()}


def answers(home: Path) -> dict[str, str]:
    """Each question's answer: a digest, or "told: " and the sentence; anything else ends the process."""
    return {question: _answer(ask) for question, ask in questions(Workspace(home, bundled=None))}


def needs(question: str) -> list[str]:
    """The folders that a question is about."""
    return question.split(":")[0].split(" ")


def questions(workspace: Workspace) -> Iterator[tuple[str, Callable]]:
    """Everything that opens stored files, each named after the folders that it needs."""
    for name in ("tasty", "demo"):
        place = f"datasets/{name}"
        yield f"{place}: load", lambda name=name: _parts(load_dataset(workspace, name))
        yield f"{place}: set aside", lambda name=name: _set_aside(workspace.dataset_folder(name))
    for name in ("taught", "popular", "stopped"):
        run, place = partial(open_run, workspace, name), f"runs/{name}"
        yield f"{place}: listed", lambda run=run: [_state(some) for some in list_runs(workspace) if some == run()]
        for part in ("name", "dataset", "preset", "model", "created", "config"):
            yield f"{place}: {part}", lambda run=run, part=part: (_state(run()), getattr(run(), part))[1]
        for part in ("metrics", "recall", "held_out", "per_user", "events", "log_tail"):
            yield f"{place}: {part}", lambda run=run, part=part: getattr(run(), part)()
        for side in ("users", "articles"):
            yield f"{place}: {side}", lambda run=run, side=side: read_vectors(run(), side)
    taught, popular = (partial(open_run, workspace, name) for name in ("taught", "popular"))
    yield "runs/taught runs/popular: compare", lambda: compare_runs(workspace, [taught(), popular()])
    yield "runs/taught datasets/tasty: recall", lambda: recall_user(workspace, taught(), "u007", 5)
    yield "runs/taught datasets/tasty: recall anew", lambda: recall_user(workspace, taught(), "u007", 40)
    yield "runs/taught datasets/tasty: export", lambda: _exported(taught(), load_dataset(workspace, "tasty"))
    yield "runs/taught index_loss: index loss", lambda: _measured(IndexLoss(workspace, taught(), 20))
    yield "sweeps/some runs/taught: sweep", lambda: [(some.name, _state(some)) for some in list_sweeps(workspace)]


def _set_aside(folder: Path) -> pd.DataFrame | None:
    if not manifest.holds(folder, "set_aside.parquet"):
        return None
    with manifest.checked(folder, "set_aside.parquet") as path:
        return pd.read_parquet(path)


def _state(some: Run | Sweep) -> RunState:
    state = some.state()
    # a run that lost its manifest was not finished as far as anyone can tell
    if state.state == "damaged" or (state.state == "interrupted" and some.id != "stopped"):
        raise UserError(state.reason)
    return state


def _measured(loss: IndexLoss) -> list[dict]:
    if not loss.rows():
        raise UserError("nothing was measured")
    return loss.rows()


def _answer(ask: Callable) -> str:
    try:
        return hashlib.sha256(_bytes(ask())).hexdigest()
    except UserError as error:
        return f"told: {error}"


def _bytes(value: object) -> bytes:
    if isinstance(value, pd.DataFrame):
        return repr(list(value.columns)).encode() + pd.util.hash_pandas_object(value).to_numpy().tobytes()
    if isinstance(value, tuple | list) and any(isinstance(part, pd.DataFrame | np.ndarray) for part in value):
        return b"".join(map(_bytes, value))
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()


def _parts(dataset: Dataset) -> list:
    exposures = dataset.exposures
    return [exposures.user, exposures.article, exposures.time, exposures.click, dataset.users, dataset.articles]


def _exported(run, dataset: Dataset) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [path.name for path in export_run(run, dataset, Path(folder))]


def _files(home: Path) -> list[Path]:
    """The files that are read: no locks, whose names are all that counts; log.txt is shown as it is."""
    found = (path for path in home.glob("*/**/*") if path.is_file())
    return sorted(path for path in found if path.name not in ("lock", "log.txt") and not path.name.startswith("."))


def _one(home: Path, rng: np.random.Generator) -> Path:
    files = [path for path in _files(home) if path.stat().st_size]
    return files[rng.integers(len(files))]


def _changed(
    change: Callable[[bytes, np.random.Generator], bytes],
) -> Callable[[Path, np.random.Generator], list[Path]]:
    def damage(home: Path, rng: np.random.Generator) -> list[Path]:
        while True:
            path = _one(home, rng)
            before = path.read_bytes()
            after = change(before, rng)
            if after != before:
                path.write_bytes(after)
                return [path]

    return damage


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    changed[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(content) + 1)
    return content[:place] + rng.bytes(int(rng.integers(1, 20))) + content[place:]


def _delete(content: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(content))
    return content[:place] + content[place + int(rng.integers(1, 20)) :]


def _truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def _zero_page(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(-(-len(content) // PAGE))) * PAGE
    zeros = len(content[start : start + PAGE])
    return content[:start] + bytes(zeros) + content[start + zeros :]


def _append(content: bytes, rng: np.random.Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 100)))


def _swap(home: Path, rng: np.random.Generator) -> list[Path]:
    """Two files that stand for each other: half the time of the same name, as a mixed-up restore would."""
    one = _one(home, rng)
    before = one.read_bytes()
    others = [path for path in _files(home) if path.read_bytes() != before]
    namesakes = [path for path in others if path.name == one.name]
    chosen = namesakes if namesakes and rng.random() < 0.5 else others
    other = chosen[rng.integers(len(chosen))]
    one.write_bytes(other.read_bytes())
    other.write_bytes(before)
    return [one, other]


def _lose(home: Path, rng: np.random.Generator) -> list[Path]:
    path = _one(home, rng)
    path.unlink()
    return [path]


KINDS = {
    "flip": _changed(_flip),
    "insert": _changed(_insert),
    "delete": _changed(_delete),
    "truncate": _changed(_truncate),
    "zero page": _changed(_zero_page),
    "append": _changed(_append),
    "swap": _swap,
    "lose": _lose,
}
"""Ways to damage a workspace: each takes its folder and a generator and returns the files that it changed."""


if __name__ == "__main__":
    main(Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3])))
