"""One table of profiles, users or articles, as ingest reads it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.canonical import REQUIRED, InputTable
from dssm_core.cleaning import Verdicts, is_missing, most_probable
from dssm_core.dataset import NO_TIME, UNKNOWN
from dssm_core.ids import Ids
from dssm_core.ingest_plan import Plan
from dssm_core.input_files import Batch
from dssm_core.meter import Meter
from dssm_core.set_aside import SetAside
from dssm_core.stored_files import as_label
from dssm_core.times import TimeColumn

_MISSING = {("articles", "ctime"): NO_TIME, ("articles", "title"): ""}
"""Columns that are no attributes, with what stands where a row has none; a missing attribute is "unknown"."""


class Profiles:
    """Collects one table of profiles: its ids, in order, and its columns, batch by batch."""

    def __init__(self, table: str, plan: Plan, set_aside: SetAside):
        self.table = table
        self.ids = Ids()
        self._key = REQUIRED[table][0]
        self._plan = plan
        self._set_aside = set_aside
        self.times: list[TimeColumn] = []
        self._columns: dict[str, list[pa.Array]] = {"ctime": []} if table == "articles" else {}
        self._profiled = 1

    @property
    def n(self) -> int:
        """How many ids there are, without the unknown one; those that only the log knows are among them."""
        return len(self.ids) - 1

    def read(self, table: InputTable, meter: Meter) -> None:
        """Add the profiles of a file."""
        self._columns = {name: [] for name in table.columns if name != self._key} | self._columns
        file = as_label(table.file.path.name)
        if "ctime" in table.columns and self.table == "articles":
            self.times.append(self._plan.time_column([table], "ctime"))
        with meter.batches(table) as batches:
            for batch in batches:
                self._set_aside.add_unread(self.table, file, batch)
                if len(batch.lines):
                    self._add(file, batch, {name: batch.rows.column(column) for name, column in table.columns.items()})
        self._profiled = len(self.ids)

    def ctimes(self) -> np.ndarray:
        """Creation times of the articles with a profile, the unknown one first: (profiles + 1,) int64."""
        known = [chunk.to_numpy() for chunk in self._columns["ctime"]] or [np.zeros(self._profiled - 1, np.int64)]
        return np.concatenate([np.array([NO_TIME]), *known])

    def whole(self) -> pa.Table:
        """The whole table: the unknown row, the profiles, and rows of unknowns for the ids that only the log knows."""
        columns = {self._key: self.ids.texts.cast(pa.string())}
        for name, chunks in self._columns.items():
            missing = pa.scalar(_MISSING.get((self.table, name), UNKNOWN))
            unprofiled = len(self.ids) - 1 - sum(map(len, chunks))
            columns[name] = pa.chunked_array([pa.repeat(missing, 1), *chunks, pa.repeat(missing, unprofiled)])
        return pa.table(columns)

    def _add(self, file: str, batch: Batch, columns: dict[str, pa.Array]) -> None:
        verdicts = Verdicts(len(batch.lines))
        verdicts.reject(is_missing(columns[self._key]), "missing id")
        if "ctime" in columns and self.table == "articles":
            columns["ctime"] = self._creation_times(columns["ctime"], verdicts)
        kept = np.flatnonzero(verdicts.accepted)
        known = len(self.ids)
        rows = self.ids.number(columns[self._key].take(kept))
        _, first = np.unique(rows, return_index=True)
        repeated = np.ones(len(batch.lines), dtype=bool)
        repeated[kept[first[rows[first] >= known]]] = False
        verdicts.reject(repeated, "duplicate")
        self._set_aside.add_rejected(self.table, file, batch, verdicts)
        for name, chunks in self._columns.items():
            if name in columns:
                chunks.append(self._cleaned(name, columns[name].filter(pa.array(verdicts.accepted))))

    def _creation_times(self, texts: pa.Array, verdicts: Verdicts) -> pa.Array:
        times, ok = self.times[-1].creation_times(texts, self._plan.format.strict_ctime)
        verdicts.reject(~ok, "bad time")
        return pa.array(times)

    def _cleaned(self, name: str, values: pa.Array) -> pa.Array:
        if (self.table, name) in _MISSING:
            return values
        if name in self._plan.format.probabilities:
            return most_probable(values)
        return pc.if_else(pc.equal(values, ""), UNKNOWN, values)


def read_profiles(table: str, plan: Plan, set_aside: SetAside, meter: Meter) -> Profiles:
    """Read the files of `table` ("users" or "articles"), if the plan has any."""
    profiles = Profiles(table, plan, set_aside)
    for opened in plan.tables[table]:
        profiles.read(opened, meter)
    return profiles
