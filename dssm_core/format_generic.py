"""CSV, TSV or Parquet, any columns, named by a mapping."""

from collections.abc import Mapping
from pathlib import Path

from dssm_core.canonical import CANONICAL, REQUIRED, InputTable
from dssm_core.errors import UserError
from dssm_core.input_files import BY_LOOKING, InputFile, ParquetFile, TextFile, TextOptions, open_file
from dssm_core.parquet_file import unreadable_column

_ID_COLUMNS = ("user_id", "article_id")


def open_generic(path: Path, table: str, mapping: Mapping[str, str], options: TextOptions = BY_LOOKING) -> InputTable:
    """Open a CSV, TSV or Parquet file, its columns named by `mapping` (canonical → the file's column).

    A key of `mapping` may name its table (`users.user_id`), for files that name the same column differently; a column
    that is mapped to "" is left out, even where the file has one of that name. Raises a UserError for a column that is
    not there, or stands twice.
    """
    file = open_file(path, options)
    twice = [name for name in file.names if name and file.names.count(name) > 1]
    if twice:
        raise UserError(f"column {twice[0]!r} stands twice in the header of {path}: rename one of them")
    return InputTable(file, _mapped_columns(file, table, mapping))


def _mapped_columns(file: InputFile, table: str, mapping: Mapping[str, str]) -> dict[str, str]:
    columns = {}
    for canonical in CANONICAL[table]:
        targets = (f"{table}.{canonical}", canonical)
        wanted = next((mapping[target] for target in targets if target in mapping), canonical)
        if wanted not in file.names and canonical in _ID_COLUMNS and canonical in file.names:
            wanted = canonical
        if wanted and wanted in file.names:
            columns[canonical] = wanted
        elif canonical in REQUIRED[table] or (wanted and not mapping.keys().isdisjoint(targets)):
            raise _absent_column(wanted or canonical, file)
    if table != "exposures":
        used = {"", *CANONICAL[table], *columns.values()}
        columns |= {name: name for name in file.names if name not in used}
    return columns


def _absent_column(name: str, file: TextFile | ParquetFile) -> UserError:
    return unreadable_column(name, file) if name in file.unreadable else missing_column(name, file)


def missing_column(name: str, file: InputFile) -> UserError:
    """The error for a column that a file does not have; lists those it has."""
    there = ", ".join(repr(column) for column in file.names)
    hint = "; with only one column, its separator may be another than , tab ; or |" if len(file.names) == 1 else ""
    return UserError(f"no column {name!r} in {file.path}: it has {there}; map a column to it{hint}")
