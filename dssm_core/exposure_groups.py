"""Rows of a log that are accepted, all of some users: sorted, and without those that say the same as another."""

from dataclasses import dataclass

import numpy as np

from dssm_core.cleaning import SPLITS, duplicates
from dssm_core.dataset import Exposures
from dssm_core.exposure_writer import MAIN_COLUMNS
from dssm_core.ordering import stable_order
from dssm_core.spill import Columns


@dataclass(frozen=True)
class Group:
    """Sorted rows of some users, `rows` in all; of the duplicates among them only their files and lines are kept."""

    rows: int
    exposures: Exposures
    repeated_files: np.ndarray
    repeated_lines: np.ndarray

    @classmethod
    def of(cls, columns: Columns) -> "Group":
        """Sort all rows of some users, given in the order in which the log has each user's."""
        order = stable_order(*_keys(columns))
        columns = {name: values[order] for name, values in columns.items()}
        files, lines = columns.pop("file"), columns.pop("line")
        repeated = _repeated(columns)
        exposures = _exposures({name: values[~repeated] for name, values in columns.items()})
        return cls(len(order), exposures, files[repeated], lines[repeated])

    def __len__(self) -> int:
        return self.rows


def _repeated(columns: Columns) -> np.ndarray:
    """Whether each of some sorted rows is a duplicate: only those beside one of the same user and time may be."""
    like_next = np.logical_and.reduce([values[1:] == values[:-1] for values in _keys(columns)])
    suspects = np.flatnonzero(np.append(like_next, False) | np.append(False, like_next))
    user, article, time, click = (columns[name][suspects] if name in columns else None for name in MAIN_COLUMNS)
    repeated = np.zeros(len(columns["user"]), dtype=bool)
    repeated[suspects] = duplicates(user, article, time, click)
    return repeated


def _keys(columns: Columns) -> list[np.ndarray]:
    return [columns[name] for name in ("user", "time") if name in columns]


def _exposures(columns: Columns) -> Exposures:
    main = {name: columns.pop(name, None) for name in MAIN_COLUMNS}
    if "split" in columns:
        columns["split"] = np.array(SPLITS, dtype=object)[columns["split"]]
    return Exposures(**main, extra=columns)
