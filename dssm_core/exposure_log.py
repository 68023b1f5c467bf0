"""The rows of a log, as ingest reads them from one file or many: each is accepted, or set aside with a reason."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.cleaning import NO_VALUE, SPLITS, Verdicts, is_missing, to_clicks, to_optional_integers
from dssm_core.dataset import NO_TIME
from dssm_core.ids import Ids
from dssm_core.ingest_plan import Plan
from dssm_core.input_files import Batch
from dssm_core.line_set import LineSet
from dssm_core.set_aside import SetAside
from dssm_core.spill import Columns
from dssm_core.times import TimeColumn

OPTIONAL_NUMBERS = ("expo_position", "duration", "net_status", "flush_nums")
"""Columns of the log that are kept as whole numbers where they are given."""


@dataclass(frozen=True)
class Cleaned:
    """A batch of the log with what its rows say: `values` by column, and `verdicts` so far."""

    batch: Batch
    user_ids: pa.Array
    article_ids: pa.Array
    verdicts: Verdicts
    values: Columns


class ExposureLog:
    """Takes the rows of a log: numbers the ids of those that are accepted and hands them on, sets the others aside.

    `times` are the plan's columns of times. `users` and `articles` number the ids; `ctimes` ((profiles + 1,) int64) are
    those of the articles that come first. `keep` is called with the columns of accepted rows, the number of their file
    and their lines among them. `last_lines`: of every file the last line met.
    """

    def __init__(
        self,
        plan: Plan,
        times: Sequence[TimeColumn | None],
        users: Ids,
        articles: Ids,
        ctimes: np.ndarray,
        set_aside: SetAside,
        keep: Callable[[Columns], None],
    ):
        self.last_lines = [0 for _ in plan.clicks]
        self._plan, self._times = plan, times
        self._users, self._articles = users, articles
        self._ctimes = np.append(ctimes, NO_TIME)  # the last is that of every article without a profile
        self._set_aside = set_aside
        self._keep = keep
        self._has_split = len(plan.parts) > 1 or "split" in plan.logs[0].columns
        self._has_history = bool(plan.tables["history"]) or any("history" in log.columns for log in plan.logs)
        self._numbers = [name for name in OPTIONAL_NUMBERS if all(name in log.columns for log in plan.logs)]

    def cleaned(self, number: int, batch: Batch) -> Cleaned:
        """What can be said of some rows of the plan's file of clicks of a number without any others.

        The logs' files come first, then the histories.
        """
        columns = {name: batch.rows.column(column) for name, column in self._plan.clicks[number].columns.items()}
        verdicts = Verdicts(len(batch.lines))
        verdicts.reject(is_missing(columns["user_id"]) | is_missing(columns["article_id"]), "missing id")
        values = {"file": np.full(len(batch.lines), number, np.int32), "line": batch.lines}
        if "expo_time" in columns:
            values["time"], ok = self._times[self._plan.log_numbers[number]].instants(columns["expo_time"])
            verdicts.reject(~ok, "bad time")
        values["click"], ok = self._clicks(number, batch, columns)
        verdicts.reject(~ok, "bad click")
        if self._has_history:
            values["history"], ok = self._histories(number, columns)
            verdicts.reject(~ok, "bad history")
        if self._has_split:
            values["split"], ok = self._splits(number, columns)
            verdicts.reject(~ok, "bad split")
        for name in self._numbers:
            values[name] = (
                to_optional_integers(columns[name]) if name in columns else np.full(len(batch.lines), NO_VALUE)
            )
        return Cleaned(batch, columns["user_id"], columns["article_id"], verdicts, values)

    def add(self, number: int, cleaned: Cleaned) -> None:
        """Take the rows of a batch, in the order of the log."""
        batch, verdicts, values = cleaned.batch, cleaned.verdicts, cleaned.values
        values["user"] = self._users.find(cleaned.user_ids)
        values["article"] = self._articles.find(cleaned.article_ids)
        if "time" in values:
            verdicts.reject(self._too_early(values["article"], values["time"]), "created after exposure")
        self._set_aside.add_unread("exposures", self._plan.names[number], batch)
        self._set_aside.add_rejected("exposures", self._plan.names[number], batch, verdicts)
        self._keep(self._accepted(cleaned))
        self.last_lines[number] = max(self.last_lines[number], int(batch.lines.max(initial=0)))

    def _clicks(self, number: int, batch: Batch, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        every = np.ones(len(batch.lines), dtype=bool)
        if number >= len(self._plan.logs):
            return every, every
        if self._plan.rule:
            files = {part.column: batch.rows.column(part.column) for part in self._plan.rule.comparisons}
            return self._plan.rule.clicked(files), every
        return to_clicks(columns["click"]) if "click" in columns else (every, every)

    def _histories(self, number: int, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        """Whether each row is from before the log, and whether it says so or not where it should."""
        if "history" in columns:
            return to_clicks(columns["history"])
        rows = len(columns["user_id"])
        return np.full(rows, number >= len(self._plan.logs)), np.ones(rows, dtype=bool)

    def _splits(self, number: int, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers into `SPLITS`, and whether each row names one of them."""
        if len(self._plan.parts) > 1:
            rows = len(columns["user_id"])
            name = "test" if self._plan.log_numbers[number] == 1 else "train"
            return np.full(rows, SPLITS.index(name), np.int8), np.ones(rows, dtype=bool)
        found = pc.fill_null(pc.index_in(columns["split"], pa.array(SPLITS)), -1).to_numpy()
        return found.astype(np.int8), found >= 0

    def _too_early(self, article: np.ndarray, time: np.ndarray) -> np.ndarray:
        return self._ctimes.take(article, mode="clip") > time

    def _accepted(self, cleaned: Cleaned) -> Columns:
        accepted = np.flatnonzero(cleaned.verdicts.accepted)
        kept = {name: array[accepted] for name, array in cleaned.values.items()}
        for ids, numbers, texts in (
            (self._users, kept["user"], cleaned.user_ids),
            (self._articles, kept["article"], cleaned.article_ids),
        ):
            unmet = numbers == 0
            numbers[unmet] = ids.number(texts.take(pa.array(accepted[unmet])))
        return kept


def set_duplicates_aside(plan: Plan, number: int, batches: Iterable[Batch], repeated: LineSet, into: SetAside) -> None:
    """Duplicates are known only once all rows are: their texts are found in the batches of their file, read again."""
    for batch in batches:
        chosen = repeated.contains(batch.lines)
        reasons = np.full(int(chosen.sum()), "duplicate")
        into.add("exposures", plan.names[number], reasons, batch.lines[chosen], batch.texts(chosen))
