"""EB-NeRD, the Ekstra Bladet news data set: behaviors.parquet, history.parquet and articles.parquet.

Layout: https://recsys.eb.dk/dataset/ and the paper (Kruse et al., "EB-NeRD: A Large-Scale Dataset for News
Recommendation", 2024). A row of behaviors.parquet is one impression and unfolds into an exposure for each article in
view; a row of history.parquet holds a user's clicks of the weeks before, with their times. Times name no zone; they are
taken as the publisher's, Europe/Copenhagen: the periods of the data set are cut at 07:00 of these clocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.canonical import InputTable
from dssm_core.derived_file import FilesInOne, Unfolded, UnfoldedFile, entries_of
from dssm_core.format_generic import missing_column
from dssm_core.ids import Ids
from dssm_core.input_files import BY_LOOKING, Batch, ParquetFile, Progress, TextOptions, open_file

FOLDERS: tuple[dict[str, tuple[str, ...]], ...] = (
    {
        "exposures": ("behaviors.parquet",),
        "history": ("history.parquet",),
        "articles": ("articles.parquet", "../articles.parquet"),
    },
)
"""The files that each archive unpacks to; the articles lie beside the folders of its parts."""

_EXPOSURES = {"user_id": "user_id", "article_id": "article_id", "expo_time": "impression_time"}
_HISTORY = {"user_id": "user_id", "article_id": "article_id", "expo_time": "clicked_at"}
_NEEDED = {
    "exposures": ("impression_id", "user_id", "impression_time", "article_ids_inview", "article_ids_clicked"),
    "history": ("user_id", "article_id_fixed", "impression_time_fixed"),
    "articles": ("article_id",),
}
_USERS_AT_ONCE = 4096
"""So many histories are read at a time: they are of hundreds of clicks each."""
_USERS = {
    "user_id": "user_id",
    "device": "device_type",
    "age": "age",
    "gender": "gender",
    "postcode": "postcode",
    "is_subscriber": "is_subscriber",
    "is_sso_user": "is_sso_user",
}
_ARTICLES = {
    "article_id": "article_id",
    "title": "title",
    "ctime": "published_time",
    "cate": "category_str",
    "sub_cate": "subcategory",
    "key_words": "topics",
    "article_type": "article_type",
    "premium": "premium",
    "sentiment_label": "sentiment_label",
}
"""What is known of an article when it appears; how often it was seen and read in the end is not."""


def open_ebnerd(path: Path, table: str, mapping: Mapping[str, str], options: TextOptions = BY_LOOKING) -> InputTable:
    """Open behaviors.parquet ("exposures"), history.parquet ("history") or articles.parquet ("articles").

    An article clicked but not in view is an exposure too, after those in view. Raises a UserError for a file of another
    layout, such as the test set's behaviors, which tell no clicks.
    """
    file = open_file(path, options)
    for name in _NEEDED[table]:
        if name not in file.names:
            raise missing_column(name, file)
    return {"exposures": _exposures, "history": _history, "articles": _articles}[table](file)


def users_told_by(logs: Sequence[InputTable]) -> dict[str, InputTable]:
    """The users of logs opened by `open_ebnerd`, as the table "users": each with the attributes of their first row."""
    files = tuple(log.file.file for log in logs)
    columns = {name: column for name, column in _USERS.items() if all(column in file.names for file in files)}
    files = tuple(replace(file, names=tuple(columns.values())) for file in files)
    return {"users": InputTable(_FirstRows(files, tuple(columns.values())), columns)}


def _exposures(file: ParquetFile) -> InputTable:
    names = ("impression_id", "user_id", "impression_time", "article_id", "click", "position")
    shared = ("impression_id", "user_id", "impression_time")
    return InputTable(
        UnfoldedFile(file, names, shared, _impressions), _EXPOSURES | {"click": "click", "expo_position": "position"}
    )


def _history(file: ParquetFile) -> InputTable:
    file = replace(file, names=_NEEDED["history"], at_once=_USERS_AT_ONCE)
    return InputTable(UnfoldedFile(file, ("user_id", "article_id", "clicked_at"), ("user_id",), _clicks), _HISTORY)


def _articles(file: ParquetFile) -> InputTable:
    columns = {name: column for name, column in _ARTICLES.items() if column in file.names}
    return InputTable(replace(file, names=tuple(columns.values())), columns)


def _impressions(rows: pa.RecordBatch) -> Unfolded:
    """The articles in view of each impression, and those clicked that were not in view."""
    shown, of_shown, places = _listed(rows, "article_ids_inview")
    clicked, of_clicked, _ = _listed(rows, "article_ids_clicked")
    articles = pa.concat_arrays([shown, clicked])
    parents = np.concatenate([of_shown, of_clicked])
    numbers = articles.dictionary_encode().indices.to_numpy()
    pairs = parents * len(articles) + numbers
    in_view, was_clicked = pairs[: len(shown)], pairs[len(shown) :]
    kept = np.concatenate([np.ones(len(shown), dtype=bool), ~np.isin(was_clicked, in_view)])
    order = np.flatnonzero(kept)[np.argsort(parents[kept], kind="stable")]
    click = pa.array(np.isin(pairs, was_clicked)[order].astype(np.int8)).cast(pa.string())
    positions = pa.concat_arrays([pa.array(places).cast(pa.string()), pa.repeat("", len(clicked))])
    articles = articles.take(pa.array(order))
    columns = {"article_id": articles, "click": click, "position": positions.take(pa.array(order))}
    nothing = np.flatnonzero(np.bincount(parents, minlength=len(rows)) == 0)
    entries = pc.binary_join_element_wise(articles, click, "\t")
    return Unfolded(columns, parents[order], entries, dict.fromkeys(nothing.tolist(), "empty list"))


def _clicks(rows: pa.RecordBatch) -> Unfolded:
    """The clicks of each history, where it has as many times as articles."""
    articles, parents, _ = _listed(rows, "article_id_fixed")
    times, of_times, _ = _listed(rows, "impression_time_fixed")
    counts, timed = (np.bincount(of, minlength=len(rows)) for of in (parents, of_times))
    reasons = dict.fromkeys(np.flatnonzero(counts != timed).tolist(), "ragged row")
    reasons |= dict.fromkeys(np.flatnonzero((counts == 0) & (timed == 0)).tolist(), "empty list")
    whole = counts == timed
    articles, times = articles.filter(pa.array(whole[parents])), times.filter(pa.array(whole[of_times]))
    entries = pc.binary_join_element_wise(articles, times, "\t")
    return Unfolded({"article_id": articles, "clicked_at": times}, parents[whole[parents]], entries, reasons)


def _listed(rows: pa.RecordBatch, name: str) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """The entries of a column of lists, which a Parquet file's texts join by `|`, as `entries_of` gives them."""
    return entries_of(rows.column(name), "|")


@dataclass(frozen=True)
class _FirstRows(FilesInOne):
    """The first row of every user in some logs; the others, and rows without a user, are not counted here."""

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Read the files from their beginning; raises what reading them raises."""
        users = Ids()
        for batch in self.chained(progress):
            known = len(users)
            numbers, first = np.unique(users.number(batch.rows.column("user_id")), return_index=True)
            chosen = np.sort(first[numbers >= known])
            yield Batch(batch.rows.take(pa.array(chosen)), batch.lines[chosen], [])
