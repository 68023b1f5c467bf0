"""The shell line that does what a page does, so that it can be copied, kept and repeated."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from dssm_core.config import Config, settings_between
from dssm_core.presets import PRESETS
from dssm_core.sweeps import LOCAL, Engine
from dssm_core.workspace import Workspace

_PROGRAM = ("python", "-m", "dssm_core")
_DEFAULT_HOME = Path("workspace")


def line(workspace: Workspace | None, command: str, *arguments: object, **options: object) -> str:
    """The line of a command: `line(workspace, "evaluate", run.id, k="10,50")`, quoted for a shell.

    An option is written as its keyword, `test_exposures` as --test-exposures and `k` as -k. A list repeats its values,
    True is a flag, and None, False, "" and [] are left out. `--home` is there unless the workspace is ./workspace, the
    default of a shell without $DSSM_HOME, or None: any; of a URL it has no credentials.
    """
    written = [*_PROGRAM, command, *map(str, arguments)]
    for name, value in options.items():
        written += _option(name, value)
    return shlex.join([*written, *_home(workspace)])


def train(workspace: Workspace | None, dataset: str, preset: str, config: Config, name: str = "") -> str:
    """The line that trains a config: its preset, and what differs from it.

    A preset that is not of this version is left out; all that differs from the defaults is then written.
    """
    known = preset if preset in PRESETS else ""
    start = PRESETS[known].config if known else Config()
    return line(
        workspace, "train", dataset=dataset, preset=known, set=settings_between(start, config), name=name.strip()
    )


def sweep(
    workspace: Workspace,
    dataset: str,
    presets: Sequence[str],
    seeds: int,
    *,
    settings: Sequence[str] = (),
    positives: int | None = None,
    jobs: int = 1,
    engine: Engine = LOCAL,
    name: str = "",
) -> str:
    """The line that starts a sweep, of what `start_sweep` takes."""
    options = {"dataset": dataset, "presets": ",".join(presets), "seeds": seeds, "set": settings}
    options |= {"positives": positives, "jobs": None if jobs == 1 else jobs}
    if engine != LOCAL:
        options |= {"engine": engine.kind, "address": engine.address, "cpus": engine.cpus, "gpus": engine.gpus or None}
    return line(workspace, "sweep", **options, name=name.strip())


def _option(name: str, value: object) -> Iterator[str]:
    flag = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
    if value is True:
        yield flag
    elif isinstance(value, list | tuple):
        yield from _repeated(flag, [str(one) for one in value])
    elif value is not None and value is not False and value != "":
        yield from _repeated(flag, [str(value)])


def _repeated(flag: str, values: list[str]) -> Iterator[str]:
    plain = [value for value in values if not value.startswith("-")]
    if plain:
        yield from (flag, *plain)
    # what begins with a dash would be read as another option
    yield from (f"{flag}={value}" for value in values if value.startswith("-"))


def _home(workspace: Workspace | None) -> list[str]:
    if workspace is None or workspace.place == str(_DEFAULT_HOME.absolute()):
        return []
    return ["--home", workspace.shown]
