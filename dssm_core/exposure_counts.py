"""What is counted of exposures while they are written: how many, how many clicks, on which days."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from dssm_core.dataset import Exposures
from dssm_core.split import local_days

_OFFSET = 30_000
"""Milliseconds that the offset of every time zone since 1970 is a multiple of: within as many no day begins."""


@dataclass
class ExposureCounts:
    """Counts of exposures that come piece by piece; days are cut in `timezone`.

    `days`: the local days of their times; `ends`: the first and the last instant (milliseconds) of each piece.
    """

    timezone: str
    rows: int = 0
    clicks: int = 0
    days: set[int] = field(default_factory=set)
    ends: list[int] = field(default_factory=list)

    def add(self, exposures: Exposures) -> None:
        """Count some exposures."""
        self.rows += len(exposures)
        self.clicks += int(exposures.click.sum())
        if exposures.time is not None and len(exposures):
            instants = pd.unique(exposures.time // _OFFSET) * _OFFSET
            self.days.update(local_days(instants, self.timezone).tolist())
            self.ends += [int(exposures.time.min()), int(exposures.time.max())]

    def add_counted(self, rows: int, clicks: int, days: Iterable[int], ends: Iterable[int]) -> None:
        """Add what was counted elsewhere."""
        self.rows += rows
        self.clicks += clicks
        self.days.update(days)
        self.ends += ends

    def report(self, units: list[str]) -> dict:
        """What the report of a dataset says of the times, which were given in some units; None where there are none."""
        if not self.ends:
            return {"days": None, "time_unit": None, "first_time": None, "last_time": None}
        return {
            "days": len(self.days),
            "time_unit": ", ".join(dict.fromkeys(units)),
            "first_time": min(self.ends),
            "last_time": max(self.ends),
        }
