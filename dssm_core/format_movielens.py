"""MovieLens, as GroupLens publishes it: `.dat` files (1M, 10M), `u.` files (100K) or CSV (latest, 20M and later).

Layouts: the README of each archive, https://files.grouplens.org/datasets/movielens/. A rating is an exposure; which
ratings are clicks is a rule, `rating>=4` unless another is given.
"""

import codecs
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.byte_source import byte_source
from dssm_core.canonical import InputTable
from dssm_core.derived_file import DerivedFile
from dssm_core.errors import UserError
from dssm_core.input_files import BY_LOOKING, InputFile, TextFile, TextOptions, head, open_file

FOLDERS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"exposures": ("ratings.dat",), "users": ("users.dat",), "articles": ("movies.dat",)},
    {"exposures": ("u.data",), "users": ("u.user",), "articles": ("u.item",)},
    {"exposures": ("ratings.csv",), "articles": ("movies.csv",)},
)
"""The files that each archive unpacks to."""

_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""The genres of u.item, each a column of 0 and 1, in the order of its README."""

_RATINGS = ("userId", "movieId", "rating", "timestamp")
_MOVIES = ("movieId", "title", "genres")
_DOUBLE_COLON = {
    "exposures": _RATINGS,
    "users": ("userId", "gender", "age", "occupation", "zip_code"),
    "articles": _MOVIES,
}
_U_FILES = {
    "exposures": ("\t", _RATINGS),
    "users": ("|", ("userId", "age", "gender", "occupation", "zip_code")),
    "articles": ("|", ("movieId", "title", "release_date", "video_release_date", "imdb_url", *_GENRES)),
}
_CSV = {"exposures": _RATINGS, "articles": _MOVIES}
_COLUMNS = {
    "exposures": {"user_id": "userId", "article_id": "movieId", "expo_time": "timestamp"},
    "users": {"user_id": "userId", **{name: name for name in ("age", "gender", "occupation", "zip_code")}},
    "articles": {"article_id": "movieId", **{name: name for name in ("title", "cate", "sub_cate", "year")}},
}
_YEAR = r"\((?P<year>[0-9]{4})\)\s*$"
_NO_GENRES = "(no genres listed)"
_BLOCK_BYTES = 1 << 20


def open_movielens(path: Path, table: str, mapping: Mapping[str, str], options: TextOptions = BY_LOOKING) -> InputTable:
    """Open ratings ("exposures"), movies ("articles") or users of any MovieLens archive, told apart by their content.

    Texts are UTF-8 where that fits the whole file, else Latin-1, as in the older archives. Of an article's genres the
    first is its `cate` and all, joined by `/`, are its `sub_cate`; codes (age, occupation) stay as they are. Raises a
    UserError for a file of no known layout.
    """
    first = head(path, "latin-1").lines[0]
    encoding = options.encoding or (None if table == "exposures" else _encoding(path))
    if (
        options.header is not False
        and table in _CSV
        and set(_CSV[table]) <= set(first.removeprefix("\ufeff").split(","))
    ):
        file = open_file(path, TextOptions(encoding, ",", header=True))
    elif "::" in first:
        file = _double_colon_file(path, _DOUBLE_COLON[table], encoding, bool(options.header))
    else:
        file = _u_file(path, table, first, encoding, bool(options.header))
    return InputTable(_with_categories(file) if table == "articles" else file, _COLUMNS[table])


def _encoding(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with byte_source(path) as source:
        try:
            for block in iter(lambda: source.read(_BLOCK_BYTES), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _double_colon_file(path: Path, names: tuple[str, ...], encoding: str | None, header: bool) -> DerivedFile:
    start = head(path, encoding)
    # A whole line is read as one field: no separator of one character can tell `::` from the `:` of a title.
    lines = TextFile(path, ("line",), "\x1f", False, start.blank + header, start.encoding, header)
    return DerivedFile(lines, names, lambda rows: _split_at_double_colons(rows.column("line"), len(names)))


def _split_at_double_colons(lines: pa.Array, width: int) -> tuple[list[pa.Array], dict[int, str]]:
    fields = pc.split_pattern(lines, "::")
    whole = pc.equal(pc.list_value_length(fields), width)
    ragged = np.flatnonzero(~whole.to_numpy(zero_copy_only=False))
    fields = fields.filter(whole)
    return [pc.list_element(fields, i) for i in range(width)], dict.fromkeys(ragged.tolist(), "ragged row")


def _u_file(path: Path, table: str, first: str, encoding: str | None, header: bool) -> TextFile:
    separator, names = _U_FILES[table]
    if first.count(separator) != len(names) - 1:
        raise UserError(
            f"{path} has no layout of MovieLens {table}: expected fields joined by `::`, a u. file of {len(names)} "
            f"fields, or CSV with a header; use the generic format with a column mapping"
        )
    start = head(path, encoding)
    return TextFile(path, names, separator, False, start.blank + header, start.encoding, header)


def _with_categories(file: InputFile) -> DerivedFile:
    """The movies with `cate`, `sub_cate` and `year` worked out of genres and title."""
    return DerivedFile(file, (*file.names, "cate", "sub_cate", "year"), _categories)


def _categories(rows: pa.RecordBatch) -> tuple[list[pa.Array], dict[int, str]]:
    genres = _listed_genres(rows.column("genres")) if "genres" in rows.schema.names else _flagged_genres(rows)
    first = pc.list_element(pc.split_pattern(genres, "/", max_splits=1), 0)
    year = pc.fill_null(pc.struct_field(pc.extract_regex(rows.column("title"), _YEAR), "year"), "")
    return [*rows.columns, first, genres, year], {}


def _listed_genres(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, _NO_GENRES), "", pc.replace_substring(texts, "|", "/"))


def _flagged_genres(rows: pa.RecordBatch) -> pa.Array:
    given = [pc.if_else(pc.equal(rows.column(genre), "1"), genre, pa.scalar(None, pa.string())) for genre in _GENRES]
    return pc.binary_join_element_wise(*given, "/", null_handling="skip")
