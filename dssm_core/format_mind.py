"""MIND, the Microsoft news data set: behaviors.tsv and news.tsv, both headerless.

Layout: https://github.com/msnews/msnews.github.io/blob/master/assets/doc/introduction.md and the paper (Wu et al.,
"MIND: A Large-scale Dataset for News Recommendation", ACL 2020). A row of behaviors.tsv is one impression and unfolds
into an exposure for each article of its list. The list was shuffled when it was published, so `expo_position` is a
place in the file alone. Times name no zone; days are cut where the file's own days are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.canonical import InputTable
from dssm_core.derived_file import DerivedFile, FilesInOne, Unfolded, UnfoldedFile, entries_of
from dssm_core.errors import UserError
from dssm_core.ids import Ids
from dssm_core.input_files import BY_LOOKING, Batch, Progress, TextFile, TextOptions, head
from dssm_core.times import us_clock

FOLDERS: tuple[dict[str, tuple[str, ...]], ...] = ({"exposures": ("behaviors.tsv",), "articles": ("news.tsv",)},)
"""The files that each archive unpacks to."""

_NAMES = {
    "exposures": ("impression_id", "user_id", "time", "history", "impressions"),
    "articles": (
        "news_id",
        "category",
        "subcategory",
        "title",
        "abstract",
        "url",
        "title_entities",
        "abstract_entities",
    ),
}
_LABELLED = "-[01]$"
_SOME_LABEL = r"-[01](\s|$)"


def open_mind(path: Path, table: str, mapping: Mapping[str, str], options: TextOptions = BY_LOOKING) -> InputTable:
    """Open behaviors.tsv ("exposures") or news.tsv ("articles"); a UserError for a file of another layout.

    An impression whose list says nothing of clicks, as in the published test set, is set aside whole. Articles' key
    words are the entities found in title and abstract, by confidence.
    """
    start, names = head(path, options.encoding), _NAMES[table]
    widths = {line.count("\t") + 1 for line in start.lines}
    if len(names) not in widths:
        raise UserError(
            f"{path} has {min(widths)} tab-separated columns, expected {len(names)} ({', '.join(names)}), as "
            f"{FOLDERS[0][table][0]} of MIND has"
        )
    header = bool(options.header)
    file = TextFile(path, names, "\t", False, start.blank + header, start.encoding, header)
    return _exposures(file) if table == "exposures" else _articles(file)


def history_told_by(logs: Sequence[InputTable]) -> dict[str, InputTable]:
    """The clicks that logs opened by `open_mind` say went before them, as the table "history".

    A user's history is taken once, from their earliest impression: what a later one has more are clicks of the log
    itself. It has no times, so its clicks are placed on the eve of the log's first day, a second apart and in their
    order, the last at 23:59:59.
    """
    behaviors = _EarliestFile(tuple(log.file.file for log in logs))
    names = ("impression_id", "user_id", "time", "article_id", "clicked_at")
    file = UnfoldedFile(behaviors, names, ("impression_id", "user_id", "time"), _history)
    return {"history": InputTable(file, {"user_id": "user_id", "article_id": "article_id", "expo_time": "clicked_at"})}


def _exposures(file: TextFile) -> InputTable:
    names = ("impression_id", "user_id", "time", "article_id", "click", "position")
    columns = {"user_id": "user_id", "article_id": "article_id", "expo_time": "time", "click": "click"}
    unfolded = UnfoldedFile(file, names, ("impression_id", "user_id", "time"), _impressions)
    return InputTable(unfolded, columns | {"expo_position": "position"})


def _impressions(rows: pa.RecordBatch) -> Unfolded:
    """The articles of each impression, where at least one of them says whether it was clicked."""
    entries, parents, places = _words(rows.column("impressions"))
    labelled = pc.match_substring_regex(entries, _LABELLED)
    reasons = _reasons(len(rows), parents, labelled.to_numpy(zero_copy_only=False))
    kept = ~np.isin(parents, list(reasons))
    entries, labelled = entries.filter(pa.array(kept)), labelled.filter(pa.array(kept))
    columns = {
        "article_id": pc.if_else(labelled, _without_label(entries), entries),
        "click": pc.if_else(labelled, pc.utf8_slice_codeunits(entries, -1), ""),
        "position": pa.array(places[kept]).cast(pa.string()),
    }
    return Unfolded(columns, parents[kept], entries, reasons)


def _words(texts: pa.Array) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """The words of texts, as `entries_of` gives entries."""
    texts = pc.ascii_trim_whitespace(texts)
    if pc.any(pc.match_substring(texts, "  ")).as_py():
        texts = pc.replace_substring_regex(texts, " +", " ")
    return entries_of(texts, " ")


def _without_label(entries: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(entries, 0, -2)


def _reasons(rows: int, parents: np.ndarray, labelled: np.ndarray) -> dict[int, str]:
    shown = np.bincount(parents, minlength=rows)
    told = np.bincount(parents[labelled], minlength=rows)
    reasons = dict.fromkeys(np.flatnonzero(told == 0).tolist(), "no labels")
    return reasons | dict.fromkeys(np.flatnonzero(shown == 0).tolist(), "empty list")


@dataclass(frozen=True)
class _EarliestFile(FilesInOne):
    """Each user's earliest impression in some logs, of those that have a time and labels.

    `until` is the first midnight of the logs, as a text like `time`. Rows are not counted here: the log itself is.
    """

    names: tuple[str, ...] = (*_NAMES["exposures"], "until")

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the files twice: to know the earliest impressions, and to hand them on."""
        earliest, done = _Earliest(), 0
        for batch in self.chained(progress, 0, 2):
            earliest.add(batch.rows)
        places = earliest.places()
        if not len(places):
            return
        for batch in self.chained(progress, 1, 2):
            chosen = pa.array(np.isin(np.arange(done, done + len(batch.rows)), places))
            done += len(batch.rows)
            rows = batch.rows.filter(chosen)
            rows = rows.append_column("until", pa.repeat(earliest.midnight(), len(rows)))
            yield Batch(rows, batch.lines[chosen.to_numpy(zero_copy_only=False)], [])


class _Earliest:
    """Finds the first instant of a log and the row of every user's earliest impression, batch by batch."""

    def __init__(self):
        self._users = Ids()
        self._seconds = self._rows = np.zeros(0, np.int64)
        self._done = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Look at the next rows of the logs."""
        clock = us_clock(rows.column("time"))
        told = pc.match_substring_regex(rows.column("impressions"), _SOME_LABEL)
        usable = pc.and_(pc.and_(told, clock.is_valid()), pc.not_equal(rows.column("user_id"), ""))
        user = self._users.number(rows.column("user_id").filter(usable))
        seconds = clock.filter(usable).cast(pa.int64()).to_numpy()
        row = self._done + np.flatnonzero(usable.to_numpy(zero_copy_only=False))
        self._done += len(rows)
        self._grow()
        order = np.lexsort((row, seconds, user))
        users, first = np.unique(user[order], return_index=True)
        earlier = seconds[order[first]] < self._seconds[users]
        users, chosen = users[earlier], order[first][earlier]
        self._seconds[users], self._rows[users] = seconds[chosen], row[chosen]

    def places(self) -> np.ndarray:
        """The rows of the earliest impressions, counted from 0 over all files: (users,) int64."""
        return self._rows[1:]

    def midnight(self) -> str:
        """The midnight that the first day of the log begins with."""
        day = self._seconds.min().astype("datetime64[s]").astype("datetime64[D]")
        return day.item().strftime("%m/%d/%Y 12:00:00 AM")

    def _grow(self) -> None:
        new = len(self._users) - len(self._rows)
        self._seconds = np.concatenate([self._seconds, np.full(new, np.iinfo(np.int64).max)])
        self._rows = np.concatenate([self._rows, np.full(new, -1)])


def _history(rows: pa.RecordBatch) -> Unfolded:
    """The clicks of each history, placed before midnight, a second apart, in their order."""
    entries, parents, places = _words(rows.column("history"))
    lengths = np.bincount(parents, minlength=len(rows))
    midnights = us_clock(rows.column("until")).to_numpy()
    clock = midnights[parents] - (lengths[parents] - places + 1).astype("timedelta64[s]")
    times = pc.strftime(pa.array(clock.astype("datetime64[s]")), "%m/%d/%Y %I:%M:%S %p")
    return Unfolded({"article_id": entries, "clicked_at": times}, parents, entries, {})


def _articles(file: TextFile) -> InputTable:
    columns = {
        "article_id": "news_id",
        "title": "title",
        "cate": "category",
        "sub_cate": "subcategory",
        "key_words": "key_words",
    }
    return InputTable(DerivedFile(file, (*file.names, "key_words"), _with_key_words), columns)


def _with_key_words(rows: pa.RecordBatch) -> tuple[list[pa.Array], dict[int, str]]:
    entities = zip(rows.column("title_entities").to_pylist(), rows.column("abstract_entities").to_pylist(), strict=True)
    return [*rows.columns, pa.array([_key_words(*texts) for texts in entities], pa.string())], {}


def _key_words(*texts: str) -> str:
    """Entities as key words with their confidence, `^label:confidence,…`; a text that is no JSON of them has none."""
    confidence: dict[str, float] = {}
    for text in texts:
        for label, value in _entities(text):
            confidence[label] = max(value, confidence.get(label, 0))
    return "^" + ",".join(f"{label}:{value}" for label, value in confidence.items()) if confidence else ""


def _entities(text: str) -> list[tuple[str, float]]:
    try:
        found = [(str(entity["Label"]), float(entity["Confidence"])) for entity in json.loads(text or "[]")]
        "".join(label for label, _ in found).encode()  # halves of surrogate pairs, which no column can hold
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return []
    return found
