"""Turns users and articles into rows of embedding tables: what the towers see. Fitted on train alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.cleaning import to_numbers
from dssm_core.config import Config, FeaturesConfig
from dssm_core.dataset import UNKNOWN, Dataset
from dssm_core.errors import UserError, unknown_name
from dssm_core.key_words import parse_key_words
from dssm_core.split import Split
from dssm_core.title_ngrams import title_ngrams

MAX_VALUES = 6
"""How many values of a field with several (such as sub_cate `a/b`) are embedded; the rest are left out."""

MAX_SCALED = 5
"""Scaled numbers are clipped to ± this many standard deviations."""

_LONGEST_TITLES = 1000
_PADDING = 0
_TOO_LARGE = 1e100  # to be squared
_KEY_WORDS = "key_words"


@dataclass(frozen=True)
class Field:
    """One field of a side: which columns of `Side.slots` it takes and which rows of the embedding table.

    It takes `table_rows` rows of the table from `first_row`, and `width` columns of the slots. Of a field of categories
    `values[i]` is the value behind table row `first_row + i`, and values[0] is "unknown". The title, hashed, and
    numbers list no values: `unlisted` is how many rows they take.
    """

    name: str
    values: list[str]
    first_row: int
    width: int
    unlisted: int = 0

    @property
    def table_rows(self) -> int:
        """Rows of the embedding table."""
        return len(self.values) + self.unlisted


@dataclass(frozen=True)
class Side:
    """The fields of all users, or of all articles, as rows of one embedding table.

    Ids come first, then attributes, title, key words and numbers. `slots` (rows of the dataset's table, Σ widths) int32
    are rows of the embedding table, 0 for padding. `weights`, float32 of the same shape, are 0 at padding. Those of a
    field with several values sum to 1, so that it is their mean; that of a number is the number itself, scaled.
    `table_rows` is the number of rows of the embedding table.
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


@dataclass(frozen=True)
class SideSize:
    """How large a side is: `rows` of the dataset's table, each of `slots` columns in `fields` fields, and `listed` rows
    of the embedding table, beside those that the title, where there is one, is `hashed` to."""

    rows: int
    fields: int
    slots: int
    listed: int
    hashed: bool = False

    @classmethod
    def of(cls, side: Side) -> "SideSize":
        """That of a side that is made."""
        hashed = sum(field.unlisted for field in side.fields if field.name == "title")
        return cls(len(side.slots), len(side.fields), sum(side.widths), side.table_rows - hashed, hashed > 0)


NO_FEATURES = (SideSize(0, 0, 0, 0), SideSize(0, 0, 0, 0))
"""Of a baseline, which has no towers."""


class _Coded(NamedTuple):
    """One field before it has its place in the table: `codes` and `weights` (rows, width), codes from 0."""

    values: list[str]
    unlisted: int
    codes: np.ndarray
    weights: np.ndarray


def seen_features(config: Config) -> FeaturesConfig:
    """What the tower sees: DeepMatch's takes single categories only."""
    if config.tower.kind == "deepmatch":
        return config.features.model_copy(update={"title": False, "key_words": False})
    return config.features


def check_features(dataset: Dataset, config: FeaturesConfig) -> None:
    """Raise a UserError for an attribute, title or key words that the dataset lacks, and for a side without fields."""
    known = {*dataset.user_attributes, *dataset.article_attributes}
    for name in config.dense:
        if name not in known:
            raise unknown_name("attribute in features.dense", name, known)
    for name in ("title", _KEY_WORDS):
        if getattr(config, name):
            _column(dataset, name)
    for side, known, wanted, has_id in (
        ("user", dataset.user_attributes, config.user_attributes, config.user_id),
        ("article", dataset.article_attributes, config.article_attributes, config.article_id),
    ):
        fields = [*_chosen(wanted, known, [], side), *(name for name in config.dense if name in known)]
        texts = [name for name in ("title", _KEY_WORDS) if _wanted(dataset, name, getattr(config, name))]
        if not (has_id or fields or (side == "article" and texts)):
            raise UserError(
                f"the {side} tower has no features: turn on features.{side}_id or name some {side} attributes"
            )


def field_names(dataset: Dataset, config: FeaturesConfig) -> set[str]:
    """The names of the fields that `make_features` will make, of both sides."""
    texts = [name for name in ("title", _KEY_WORDS) if _wanted(dataset, name, getattr(config, name))]
    ids = [name for name in ("user_id", "article_id") if getattr(config, name)]
    users = _chosen(config.user_attributes, dataset.user_attributes, config.dense, "user")
    articles = _chosen(config.article_attributes, dataset.article_attributes, [*config.dense, *texts], "article")
    return {*ids, *config.dense, *users, *articles, *texts}


def check_field_dims(field_dims: Mapping[str, int], known: Iterable[str]) -> None:
    """Raise a UserError for a name in tower.field_dims that is no known field's."""
    known = set(known)
    for name in field_dims:
        if name not in known:
            raise unknown_name("field in tower.field_dims", name, known)


def make_features(dataset: Dataset, split: Split, config: FeaturesConfig) -> Features:
    """Fit the vocabularies and the scaling of numbers on train and encode every user and article of the dataset.

    An id, attribute value or key word seen fewer than `min_count` times in the train exposures is "unknown". Raises a
    UserError for what `check_features` refuses, and for an attribute taken as a number that mostly is none.
    """
    check_features(dataset, config)
    return Features(_users(dataset, split, config), _articles(dataset, split, config))


def side_sizes(
    dataset: Dataset, config: FeaturesConfig, users_in_train: int, articles_in_train: int
) -> tuple[SideSize, SideSize]:
    """How large users and articles will be, in a fraction of the time of `make_features`.

    Attribute values and key words count that are rare or never in train, so that fewer rows may be listed in the end.
    """
    return _users_size(dataset, config, users_in_train), _articles_size(dataset, config, articles_in_train)


def _users_size(dataset: Dataset, config: FeaturesConfig, in_train: int) -> SideSize:
    numbers = [name for name in config.dense if name in dataset.user_attributes]
    names = _chosen(config.user_attributes, dataset.user_attributes, config.dense, "user")
    fields = [(1, in_train)] * config.user_id + [(1, 0)] * len(numbers)
    fields += [(1, pc.count_distinct(_texts(dataset.users[name])).as_py()) for name in names]
    return _side_size(dataset.users, fields)


def _articles_size(dataset: Dataset, config: FeaturesConfig, in_train: int) -> SideSize:
    title, key_words = (_wanted(dataset, name, getattr(config, name)) for name in ("title", _KEY_WORDS))
    numbers = [name for name in config.dense if name in dataset.article_attributes]
    taken = [*config.dense, *([_KEY_WORDS] if key_words else [])]
    names = _chosen(config.article_attributes, dataset.article_attributes, taken, "article")
    fields = [(1, in_train)] * config.article_id + [(1, 0)] * len(numbers)
    fields += [_values_size(*_several(_texts(dataset.articles[name]).unique())) for name in names]
    if title:
        fields.append((_title_width(_column(dataset, "title")), 0))
    if key_words:
        fields.append(_values_size(*parse_key_words(_column(dataset, _KEY_WORDS))))
    return _side_size(dataset.articles, fields, title)


def _side_size(table: pd.DataFrame, fields: list[tuple[int, int]], hashed: bool = False) -> SideSize:
    """Of a side whose fields take so many slots and values each; one row more is each field's "unknown"."""
    listed = len(fields) + sum(values for _, values in fields)
    return SideSize(len(table), len(fields), sum(slots for slots, _ in fields), _PADDING + 1 + listed, hashed)


def _values_size(rows: np.ndarray, values: pa.StringArray, weights: np.ndarray) -> tuple[int, int]:
    """The most values of a row, and how many there are, of values as `_categories` takes them."""
    return int(np.bincount(rows, minlength=1).max()), pc.count_distinct(values).as_py()


def _title_width(titles: pa.StringArray) -> int:
    """The most n-grams of a title, found among the longest."""
    longest = pc.select_k_unstable(pc.utf8_length(titles), _LONGEST_TITLES, [("", "descending")])
    return title_ngrams(titles.take(longest), 1)[0].shape[1]


def _users(dataset: Dataset, split: Split, config: FeaturesConfig) -> Side:
    users, known = dataset.users, dataset.user_attributes
    seen = np.bincount(dataset.exposures.user[split.train], minlength=len(users))
    names = _chosen(config.user_attributes, known, config.dense, "user")
    categories = [*(["user_id"] if config.user_id else []), *names]
    fields = {name: _categories(*_single(_texts(users[name])), seen, config.min_count) for name in categories}
    return _side(fields | _numbers(users, known, config.dense, seen, "user"))


def _articles(dataset: Dataset, split: Split, config: FeaturesConfig) -> Side:
    articles, known = dataset.articles, dataset.article_attributes
    seen = np.bincount(dataset.exposures.article[split.train], minlength=len(articles))
    fields = {}
    if config.article_id:
        fields["article_id"] = _categories(*_single(_texts(articles["article_id"])), seen, config.min_count)
    title, key_words = (_wanted(dataset, name, getattr(config, name)) for name in ("title", _KEY_WORDS))
    taken = [*config.dense, *([_KEY_WORDS] if key_words else [])]
    for name in _chosen(config.article_attributes, known, taken, "article"):
        fields[name] = _categories(*_several(_texts(articles[name])), seen, config.min_count)
    if title:
        fields["title"] = _title(_column(dataset, "title"), config.title_buckets)
    if key_words:
        words = parse_key_words(_column(dataset, _KEY_WORDS))
        fields[_KEY_WORDS] = _categories(*words, seen, config.min_count)
    return _side(fields | _numbers(articles, known, config.dense, seen, "article"))


def _wanted(dataset: Dataset, name: str, wanted: bool | None) -> bool:
    """Whether to embed a column: as asked, else where the dataset has it."""
    return name in dataset.articles if wanted is None else wanted


def _chosen(wanted: list[str] | None, known: list[str], taken: list[str], side: str) -> list[str]:
    """The attributes that are categories: the wanted ones, but those `taken` otherwise."""
    if wanted is None:
        return [name for name in known if name not in (_KEY_WORDS, *taken)]
    for name in wanted:
        if name not in known:
            raise unknown_name(f"{side} attribute", name, known)
    return [name for name in wanted if name not in taken]


def _texts(column: pd.Series) -> pa.StringArray:
    texts = pa.array(column, type=pa.string())
    # a column of a large file comes in chunks
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _column(dataset: Dataset, name: str) -> pa.StringArray:
    if name not in dataset.articles:
        raise UserError(
            f"features.{name} needs the articles' {name}, which dataset {dataset.name} does not have: set "
            f"features.{name}=false, or ingest it with articles that have a column {name}"
        )
    return _texts(dataset.articles[name])


def _single(texts: pa.StringArray) -> tuple[np.ndarray, pa.StringArray, np.ndarray]:
    """A value each, as `_categories` takes them."""
    return np.arange(len(texts)), texts, np.ones(len(texts), np.float32)


def _several(texts: pa.StringArray) -> tuple[np.ndarray, pa.StringArray, np.ndarray]:
    """Values such as `a/b` or `a|b`, as `_categories` takes them."""
    lists = pc.list_slice(pc.split_pattern_regex(texts, "[/|]"), 0, MAX_VALUES)
    counts = pc.list_value_length(lists).to_numpy()
    rows = np.repeat(np.arange(len(lists)), counts)
    return rows, lists.flatten(), (1 / counts[rows]).astype(np.float32)


def _categories(
    rows: np.ndarray, values: pa.StringArray, weights: np.ndarray, seen: np.ndarray, min_count: int
) -> _Coded:
    """The vocabulary, 0 for "unknown", and codes of values, given with their rows (ascending) and their weights."""
    encoded = values.dictionary_encode()
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    often = np.bincount(codes, weights=seen[rows], minlength=len(names)) >= min_count
    known = [i for i, name in enumerate(names) if often[i] and name not in ("", UNKNOWN)]
    code_of = np.zeros(len(names), np.int32)
    code_of[known] = np.arange(1, len(known) + 1)
    table = _table(rows, code_of[codes], weights, len(seen))
    return _Coded([UNKNOWN, *(names[i] for i in known)], 0, *table)


def _table(rows: np.ndarray, codes: np.ndarray, weights: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes int32 and weights float32, (length, width) both. A row without any is "unknown"."""
    counts = np.bincount(rows, minlength=length)
    columns = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    shape = (length, max(1, int(counts.max())))
    all_codes, all_weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    all_codes[rows, columns] = codes
    all_weights[rows, columns] = weights
    all_weights[counts == 0, 0] = 1
    return all_codes, all_weights


def _title(titles: pa.StringArray, buckets: int) -> _Coded:
    given = pc.if_else(pc.equal(titles, UNKNOWN), "", titles)
    return _Coded([], buckets, *title_ngrams(given, buckets))


def _numbers(
    table: pd.DataFrame, attributes: list[str], wanted: list[str], seen: np.ndarray, side: str
) -> dict[str, _Coded]:
    """The wanted attributes that this side has, each a table row weighted by its number."""
    return {name: _number(name, _texts(table[name]), seen, side) for name in wanted if name in attributes}


def _number(name: str, texts: pa.StringArray, seen: np.ndarray, side: str) -> _Coded:
    numbers = to_numbers(texts)
    is_number = np.abs(numbers) < _TOO_LARGE
    known = ~pc.is_in(texts, pa.array(["", UNKNOWN])).to_numpy(zero_copy_only=False)
    if 2 * is_number.sum() < known.sum():
        raise UserError(
            f"features.dense {name!r}: of {known.sum():,} known values of this {side} attribute only "
            f"{is_number.sum():,} are numbers: take it out, and it is embedded as a category"
        )
    scaled = np.zeros(len(numbers), np.float32)
    scaled[is_number] = _scaled(numbers[is_number], seen[is_number])
    return _Coded([], 1, np.zeros((len(numbers), 1), np.int32), scaled[:, None])


def _scaled(numbers: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Less the mean and over the standard deviation of the train exposures; 0 where train has but one number."""
    if len(np.unique(numbers[seen > 0])) < 2:
        return np.zeros_like(numbers)
    mean = np.average(numbers, weights=seen)
    spread = np.sqrt(np.average((numbers - mean) ** 2, weights=seen))
    return np.clip((numbers - mean) / spread, -MAX_SCALED, MAX_SCALED)


def _side(coded: dict[str, _Coded]) -> Side:
    fields, slots = [], []
    first_row = _PADDING + 1
    for field_name, (values, unlisted, codes, weights) in coded.items():
        fields.append(Field(field_name, values, first_row, codes.shape[1], unlisted))
        slots.append(np.where(weights != 0, codes + np.int32(first_row), np.int32(_PADDING)))
        first_row += fields[-1].table_rows
    weights = [field.weights for field in coded.values()]
    return Side(tuple(fields), np.concatenate(slots, 1), np.concatenate(weights, 1), first_row)
