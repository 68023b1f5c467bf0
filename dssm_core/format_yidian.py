"""The Yidian news logs: tab-separated, columns by their place."""

from collections.abc import Mapping
from pathlib import Path

from dssm_core.canonical import CANONICAL, InputTable
from dssm_core.errors import UserError
from dssm_core.input_files import BY_LOOKING, TextFile, TextOptions, head

_YIDIAN_COLUMNS: dict[str, tuple[str, ...]] = {
    "exposures": (
        "user_id",
        "article_id",
        "expo_time",
        "net_status",
        "flush_nums",
        "expo_position",
        "click",
        "duration",
    ),
    "users": CANONICAL["users"],
    "articles": CANONICAL["articles"],
}


def open_yidian(path: Path, table: str, mapping: Mapping[str, str], options: TextOptions = BY_LOOKING) -> InputTable:
    """Open a table of the Yidian logs: TSV, headerless, or with a header and usually a leading index column.

    Columns go by their place. Raises a UserError where no row has the right number of columns.
    """
    columns = _YIDIAN_COLUMNS[table]
    start = head(path, options.encoding)
    rows = [line.split("\t") for line in start.lines]
    header = len(set(columns) & set(rows[0])) >= 2 if options.header is None else options.header
    width = _width(path, rows[header:] or rows, columns)
    names = ("",) * (width - len(columns)) + columns
    skip, named = start.blank + header, options.encoding is not None
    file = TextFile(path, names, "\t", False, skip, start.encoding, header, named)
    return InputTable(file, {name: name for name in columns})


def _width(path: Path, rows: list[list[str]], columns: tuple[str, ...]) -> int:
    """The number of columns of a file that may have an index column: that of most of its first rows."""
    widths = [len(row) for row in rows]
    plain, indexed = widths.count(len(columns)), widths.count(len(columns) + 1)
    if not plain and not indexed:
        raise UserError(
            f"{path} has {widths[0]} tab-separated columns, expected {len(columns)} ({', '.join(columns)}), "
            f"perhaps after an index column: use the generic format with a column mapping"
        )
    return len(columns) + (indexed > plain)
