"""The cleaned tables that everything else reads: exposures, users and articles, joined by row numbers."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from dssm_core.errors import UserError

UNKNOWN = "unknown"
NO_TIME = 0
"""The `ctime` (milliseconds) of an article whose creation time is not known."""


@dataclass(frozen=True)
class Exposures:
    """The log, one entry an exposure, sorted by user, then time, then position in the input.

    `user` and `article` are row numbers (int32) of the dataset's tables; `time` is int64 milliseconds since 1970 UTC,
    or None for a log without times; `click` is bool. `extra` holds the optional columns as arrays of the same length,
    in the log's own units: `expo_position`, `duration` (seconds), `net_status`, `flush_nums` (int64), `split` (str) and
    `history` (bool: a click from before the log, which is never test).
    """

    user: np.ndarray
    article: np.ndarray
    time: np.ndarray | None
    click: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {"user": (self.user, np.int32), "article": (self.article, np.int32), "click": (self.click, np.bool_)}
        if self.time is not None:
            columns["time"] = (self.time, np.int64)
        for name, (values, dtype) in columns.items():
            if values.dtype != dtype or values.shape != self.user.shape:
                expected, got = (np.dtype(dtype), self.user.shape), (values.dtype, values.shape)
                raise ValueError(f"exposures.{name} must be {expected}, got {got}")
        if self.user.ndim != 1 or any(values.shape != self.user.shape for values in self.extra.values()):
            raise ValueError("all columns of exposures must be of one dimension and one length")

    def __len__(self) -> int:
        return len(self.user)

    @property
    def history(self) -> np.ndarray:
        """Whether each entry is a click from before the log, told beside it: (n,) bool."""
        return self.extra.get("history", np.zeros(len(self), dtype=bool))


@dataclass(frozen=True)
class Dataset:
    """Cleaned exposures, users and articles.

    Row 0 of `users` and of `articles` stands for "unknown" (id ""), so that every row number is an index as it is.
    `users` has `user_id` and any attributes; `articles` has `article_id`, `ctime` (int64 milliseconds UTC, 0 where not
    known) and, where given, `title`, `cate`, `sub_cate`, `key_words`, `img_num` and any attributes. Ids and attributes
    are strings; a missing attribute is "unknown", a missing title "". `report` is what ingest counted (report.json).
    """

    id: str
    name: str
    format: str
    timezone: str
    exposures: Exposures
    users: pd.DataFrame
    articles: pd.DataFrame
    report: dict

    def __post_init__(self) -> None:
        for table, key in ((self.users, "user_id"), (self.articles, "article_id")):
            if table[key].iloc[0] != "" or not table[key].is_unique:
                raise ValueError(f"{key} must be unique and start with the unknown row ''")
        if self.articles["ctime"].dtype != np.int64:
            raise ValueError(f"ctime must be int64, got {self.articles['ctime'].dtype}")
        for name, rows, table in (
            ("user", self.exposures.user, self.users),
            ("article", self.exposures.article, self.articles),
        ):
            if len(rows) and not 0 < rows.min() <= rows.max() < len(table):
                raise ValueError(f"exposures.{name} must lie in 1..{len(table) - 1}")

    @property
    def ctime(self) -> np.ndarray:
        """Creation time of every article: (articles,) int64 milliseconds UTC, 0 where not known."""
        return self.articles["ctime"].to_numpy()

    @property
    def user_attributes(self) -> list[str]:
        """Names of the users' attribute columns."""
        return [column for column in self.users.columns if column != "user_id"]

    @property
    def article_attributes(self) -> list[str]:
        """Names of the articles' attribute columns: all but id, title and creation time."""
        return [column for column in self.articles.columns if column not in ("article_id", "title", "ctime")]

    def user_row(self, user_id: str) -> int:
        """The row number of a user id; a UserError names an id that is not there."""
        return _row(self.users["user_id"], user_id, "user", self.id)


def _row(ids: pd.Series, wanted: str, kind: str, dataset: str) -> int:
    rows = np.flatnonzero((ids == wanted).to_numpy())
    if not wanted or not len(rows):
        raise UserError(
            f"unknown {kind} {wanted!r} in dataset {dataset}: the dataset's {kind}s table lists the known ids"
        )
    return int(rows[0])
