"""The tables of a public data set, found in the folder that its archive unpacks to."""

from collections.abc import Sequence
from pathlib import Path

from dssm_core.errors import UserError

Layout = dict[str, tuple[str, ...]]
"""For each table ("exposures", …) the paths at which a folder may have it, the likeliest first."""


def tables_in(folder: Path, layouts: Sequence[Layout]) -> dict[str, Path]:
    """The files of the tables in a folder, by the first of the layouts whose exposures are there.

    Raises a UserError, with what was expected, where there are none.
    """
    for layout in layouts:
        found = {table: _first(folder, paths) for table, paths in layout.items()}
        if found["exposures"]:
            return {table: path for table, path in found.items() if path}
    expected = ", ".join(path for layout in layouts for path in layout["exposures"])
    raise UserError(f"the folder {folder} has none of {expected}: name the file of exposures itself")


def _first(folder: Path, paths: Sequence[str]) -> Path | None:
    return next((folder / path for path in paths if (folder / path).is_file()), None)
