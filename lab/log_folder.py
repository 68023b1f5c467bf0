"""The folder of logs that the operator names in $DSSM_LOGS: the only files of this machine that the pages read."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dssm_core.errors import UserError
from lab.uploads import SUFFIXES

VARIABLE = "DSSM_LOGS"
_MOST_OFFERED = 500


def log_folder() -> Path | None:
    """The folder, without symbolic links; None where the operator named none. A UserError where it is not there."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise UserError(f"${VARIABLE} names {named}, which is not a folder: set it to the folder of your logs")
    return folder.resolve()


def offered_files(folder: Path) -> list[str]:
    """The paths within `folder` of the files that look like tables, in order; at most 500."""
    return list(islice(_tables_in(folder), _MOST_OFFERED))


def _tables_in(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        # os.walk goes into what is left here, in this order
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield str((Path(parent) / name).relative_to(folder))


def path_within(folder: Path, typed: str) -> Path:
    """What a typed path means, relative to `folder` or absolute, with symbolic links followed.

    A UserError for a path that is not inside the folder, links and all.
    """
    if "\0" in typed:
        raise UserError("a path cannot hold a NUL character: type it again")
    if ".." in Path(typed).parts:
        raise UserError(f"{typed} goes up by `..`: name one inside {folder}")
    try:
        path = (folder / typed).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise UserError(f"no such file: {typed} is not in {folder}") from None
    if not path.is_relative_to(folder):
        raise UserError(
            f"{typed} is not inside {folder}, the folder of ${VARIABLE}: move it there, or ingest it from the command "
            "line, which takes any path"
        )
    return path
