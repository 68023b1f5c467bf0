"""Turns users and articles into rows of embedding tables: what the towers see. Fitted on train alone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.config import FeaturesConfig
from dssm_core.dataset import UNKNOWN, Dataset
from dssm_core.errors import UserError, unknown_name
from dssm_core.split import Split

MAX_VALUES = 6
"""How many values of a field with several (such as sub_cate `a/b`) are embedded; the rest are left out."""

_PADDING = 0
_UNTRAINED_ATTRIBUTES = ("key_words",)


@dataclass(frozen=True)
class Field:
    """One field of a side: which columns of `Side.slots` it takes and which rows of the embedding table.

    `values[i]` is the value behind table row `first_row + i`; values[0] is "unknown". It takes `width` columns of the
    slots.
    """

    name: str
    values: list[str]
    first_row: int
    width: int


@dataclass(frozen=True)
class Side:
    """The fields of all users, or of all articles, as rows of one embedding table.

    `slots` (rows of the dataset's table, Σ widths) int32 are rows of the embedding table, 0 for padding; `weights`,
    float32 of the same shape, is 1 / number of values at each value of a field and 0 at padding, so that a field with
    several values is their mean. `table_rows` is the number of rows of the embedding table.
    """

    fields: tuple[Field, ...]
    slots: np.ndarray
    weights: np.ndarray
    table_rows: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of `slots` per field."""
        return tuple(field.width for field in self.fields)


@dataclass(frozen=True)
class Features:
    """Both sides."""

    users: Side
    articles: Side


def make_features(dataset: Dataset, split: Split, config: FeaturesConfig) -> Features:
    """Fit the vocabularies on train and encode every user and article of the dataset.

    An id or attribute value seen fewer than `min_count` times in the train exposures is "unknown". Raises a UserError
    for an attribute that the dataset does not have, or when a side is left without any field.
    """
    exposures = dataset.exposures
    seen_users = np.bincount(exposures.user[split.train], minlength=len(dataset.users))
    seen_articles = np.bincount(exposures.article[split.train], minlength=len(dataset.articles))
    user_attributes = _chosen(config.user_attributes, dataset.user_attributes, "user")
    article_attributes = _chosen(config.article_attributes, dataset.article_attributes, "article")
    user_columns = {"user_id": _single(dataset.users["user_id"])} if config.user_id else {}
    user_columns |= {name: _single(dataset.users[name]) for name in user_attributes}
    article_columns = {"article_id": _single(dataset.articles["article_id"])} if config.article_id else {}
    article_columns |= {name: _several(dataset.articles[name]) for name in article_attributes}
    return Features(
        _side("user", user_columns, seen_users, config.min_count),
        _side("article", article_columns, seen_articles, config.min_count),
    )


def _chosen(wanted: list[str] | None, known: list[str], side: str) -> list[str]:
    if wanted is None:
        return [name for name in known if name not in _UNTRAINED_ATTRIBUTES]
    for name in wanted:
        if name not in known:
            raise unknown_name(f"{side} attribute", name, known)
    return wanted


def _single(column: pd.Series) -> pa.ListArray:
    values = pa.array(column, type=pa.string())
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), values)


def _several(column: pd.Series) -> pa.ListArray:
    """Values such as `a/b` or `a|b` as lists."""
    return pc.split_pattern_regex(pa.array(column, type=pa.string()), "[/|]")


def _side(name: str, columns: dict[str, pa.ListArray], seen: np.ndarray, min_count: int) -> Side:
    if not columns:
        raise UserError(f"the {name} tower has no features: turn on features.{name}_id or name some {name} attributes")
    fields, slots, weights = [], [], []
    first_row = _PADDING + 1
    for field_name, lists in columns.items():
        values, field_slots, field_weights = _encode(lists, seen, min_count)
        fields.append(Field(field_name, values, first_row, field_slots.shape[1]))
        slots.append(np.where(field_weights > 0, field_slots + first_row, _PADDING))
        weights.append(field_weights)
        first_row += len(values)
    return Side(tuple(fields), np.concatenate(slots, 1).astype(np.int32), np.concatenate(weights, 1), first_row)


def _encode(lists: pa.ListArray, seen: np.ndarray, min_count: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Vocabulary (0 is "unknown"), codes (rows, width) and weights (rows, width) of one field."""
    lists = pc.list_slice(lists, 0, MAX_VALUES)
    encoded = lists.flatten().dictionary_encode()
    codes, values = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    counts = pc.list_value_length(lists).to_numpy()
    rows = np.repeat(np.arange(len(lists)), counts)
    columns = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)

    often = np.bincount(codes, weights=seen[rows], minlength=len(values)) >= min_count
    known = [i for i, value in enumerate(values) if often[i] and value not in ("", UNKNOWN)]
    code_of = np.zeros(len(values), np.int32)
    code_of[known] = np.arange(1, len(known) + 1)

    shape = (len(lists), int(counts.max()))
    slots, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    slots[rows, columns] = code_of[codes]
    weights[rows, columns] = 1 / counts[rows]
    return [UNKNOWN, *(values[i] for i in known)], slots, weights
