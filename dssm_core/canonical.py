"""The columns that the lab knows, and a file opened as one of its tables."""

from dataclasses import dataclass

from dssm_core.input_files import InputFile

CANONICAL: dict[str, tuple[str, ...]] = {
    "exposures": (
        "user_id",
        "article_id",
        "expo_time",
        "click",
        "net_status",
        "flush_nums",
        "expo_position",
        "duration",
        "split",
        "history",
    ),
    "users": ("user_id", "device", "os", "province", "city", "age", "gender"),
    "articles": ("article_id", "title", "ctime", "img_num", "cate", "sub_cate", "key_words"),
}
"""The columns that the lab knows, by table. Users and articles may have any others: those become attributes."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "exposures": ("user_id", "article_id"),
    "users": ("user_id",),
    "articles": ("article_id",),
}
"""The columns that a table cannot do without."""


@dataclass(frozen=True)
class InputTable:
    """A file opened as one of the three tables: `columns` gives the file's column for each column of the table."""

    file: InputFile
    columns: dict[str, str]
