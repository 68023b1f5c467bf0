"""What a person chose to ingest, checked before anything is read."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise, repeat
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet

from dssm_core.archive_folder import tables_in
from dssm_core.canonical import CANONICAL, InputTable
from dssm_core.cleaning import ClickRule
from dssm_core.errors import UserError, unknown_name
from dssm_core.format_generic import missing_column
from dssm_core.formats import Format, find_format
from dssm_core.input_files import TextOptions
from dssm_core.log_parts import log_parts
from dssm_core.stored_files import as_label
from dssm_core.times import TimeColumn, told_unit

TABLES = ("exposures", "history", "users", "articles")
"""What an ingest reads: a log, perhaps the clicks from before it, and profiles."""


@dataclass(frozen=True)
class Plan:
    """Everything that a person chose, checked: the files are open and their columns found.

    `parts`: of how many files the log is, and perhaps the one to test on; `tables["exposures"]` are all of them.
    """

    format_name: str
    format: Format
    timezone: str
    rule: ClickRule | None
    tables: dict[str, tuple[InputTable, ...]]
    parts: tuple[int, ...]

    @property
    def logs(self) -> tuple[InputTable, ...]:
        """The parts of the log, and after them those of the log to test on."""
        return self.tables["exposures"]

    @property
    def clicks(self) -> tuple[InputTable, ...]:
        """The logs, and after them the clicks from before them."""
        return (*self.logs, *self.tables["history"])

    @cached_property
    def log_numbers(self) -> tuple[int, ...]:
        """The log that each file of clicks is a part of: 0, 1 for the one to test on, a history each its own."""
        sizes = [*self.parts, *repeat(1, len(self.tables["history"]))]
        return tuple(chain.from_iterable(repeat(number, size) for number, size in enumerate(sizes)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What tells the files of clicks apart: their names, with the folders that not all of them lie in."""
        paths = [table.file.path.absolute() for table in self.clicks]
        above = os.path.commonpath([path.parent for path in paths])
        return tuple(as_label(str(path.relative_to(above))) for path in paths)

    def time_columns(self) -> list[TimeColumn | None]:
        """How the times of each log are to be read, in one way for all its parts; None where it has no times.

        At the places that `log_numbers` says.
        """
        return [self._told_times(log) for log in dict.fromkeys(self.log_numbers)]

    def time_column(self, tables: Sequence[InputTable], name: str) -> TimeColumn:
        """The column `name` of a table, to be read as times: in the format's unit, or told by looking at its files."""
        return TimeColumn(self.format.time_unit or told_unit(_texts(tables, name)), self.timezone)

    def _told_times(self, log: int) -> TimeColumn | None:
        parts = [table for table, of in zip(self.clicks, self.log_numbers, strict=True) if of == log]
        return self.time_column(parts, "expo_time") if "expo_time" in parts[0].columns else None

    @property
    def facts(self) -> dict[str, list[dict]]:
        """What was found out about the files of each table, for the report."""
        files = {name: [table.file.facts for table in opened] for name, opened in self.tables.items()}
        return {name: facts for name, facts in files.items() if facts or name != "history"}


def make_plan(
    format_name: str,
    files: Mapping[str, Sequence[Path | str | None]],
    mapping: Mapping[str, str],
    click: str | None,
    timezone: str | None,
    texts: Mapping[str, TextOptions],
) -> Plan:
    """Check what `ingest` was given, and open the files; a UserError names what cannot be.

    `files` are those of each of `TABLES`: of "exposures" the log and perhaps the one to test on; `texts` says how those
    of each are to be read.
    """
    chosen = find_format(format_name)
    _check_options(format_name, chosen, files, mapping, click, texts)
    rule = ClickRule.parse(click or chosen.click) if click or chosen.click else None
    paths, parts = _paths(chosen, files)
    opened = {
        table: [chosen.open_table(path, table, mapping, texts[table]) for path in paths[table]] for table in TABLES
    }
    for table, told in chosen.told_by_logs(opened["exposures"]).items():
        opened[table] = opened[table] or [told]
    _check_mapping(opened, mapping, rule)
    _check_parts(opened["exposures"], parts)
    _check_alike(opened)
    for table in (table for tables in opened.values() for table in tables):
        _check_ids(table)
    zone = _checked_timezone(timezone or chosen.timezone)
    whole = {table: tuple(tables) for table, tables in opened.items()}
    return Plan(format_name, chosen, zone, rule, whole, parts)


def _check_options(
    name: str,
    chosen: Format,
    files: Mapping[str, Sequence[Path | str | None]],
    mapping: Mapping[str, str],
    click: str | None,
    texts: Mapping[str, TextOptions],
) -> None:
    if any(text.separator for text in texts.values()) and not chosen.mapped:
        raise UserError(f"the {name} format has a fixed separator: leave it out, or use generic")
    if mapping and not chosen.mapped:
        raise UserError(f"the {name} format has fixed columns: leave out the mapping, or use generic")
    if click and not chosen.takes_rule:
        raise UserError(f"the {name} format has fixed columns and clicks: leave out the click rule, or use generic")
    for table in TABLES:
        if any(files[table]) and table not in chosen.tables:
            raise UserError(f"the {name} format has no file of {table}: it has {', '.join(chosen.tables)}")
    known = set().union(*CANONICAL.values())
    for target in mapping:
        table, _, canonical = target.rpartition(".")
        if canonical not in CANONICAL.get(table, known):
            raise unknown_name("canonical column", target, known)


def _paths(
    chosen: Format, files: Mapping[str, Sequence[Path | str | None]]
) -> tuple[dict[str, list[Path]], tuple[int, ...]]:
    """The files of each table, and how many each log has.

    Of a folder given as exposures those in it, for the tables that were not given; else the parts of the log.
    """
    given = {table: [Path(path) for path in files[table] if path] for table in TABLES}
    folders = [path for path in given["exposures"] if chosen.folders and path.is_dir()]
    found = {folder: tables_in(folder, chosen.folders) for folder in folders}
    logs = [_log_files(chosen, path, found) for path in given["exposures"]]
    paths = {"exposures": list(chain.from_iterable(logs))}
    for table in TABLES[1:]:
        there = [tables[table].resolve() for tables in found.values() if table in tables]
        paths[table] = given[table] or list(dict.fromkeys(there))
    return paths, tuple(map(len, logs))


def _log_files(chosen: Format, path: Path, found: Mapping[Path, Mapping[str, Path]]) -> list[Path]:
    if chosen.folders:
        return [found[path]["exposures"] if path in found else path]
    return log_parts(path)


def _texts(tables: Sequence[InputTable], name: str) -> Iterator[pa.Array]:
    for table in tables:
        for batch in table.file.batches(lambda done: None):
            yield batch.rows.column(table.columns[name])


def _checked_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise UserError(
            f"unknown timezone {timezone!r}: expected a name such as Asia/Shanghai, Europe/Zurich or UTC"
        ) from None
    return timezone


def _check_mapping(opened: dict[str, list[InputTable]], mapping: Mapping[str, str], rule: ClickRule | None) -> None:
    """Every mapped column must be used by some table, and every column of the rule be there."""
    log = opened["exposures"][0]
    for target, column in mapping.items():
        named, _, canonical = target.rpartition(".")
        tables = [table for name, group in opened.items() if named in ("", name) for table in group]
        if column and not any(table.columns.get(canonical) == column for table in tables):
            raise UserError(
                f"no table has a column {column!r} to take as {target}: the log has "
                f"{', '.join(map(repr, log.file.names))}; mend the mapping or name the file that has it"
            )
    if rule and (mapping.get("click") or mapping.get("exposures.click")):
        raise UserError("click is both mapped to a column and given by a rule: leave out one of them")
    for log in opened["exposures"]:
        for part in rule.comparisons if rule else ():
            if part.column not in log.file.names:
                raise missing_column(part.column, log.file)


def _check_alike(opened: dict[str, list[InputTable]]) -> None:
    """Two files of one table must both have a column or none, where it is not one that may be missing."""
    for name, tables in opened.items():
        for other in tables[1:]:
            first = tables[0]
            differing = set(first.columns) ^ set(other.columns)
            for column in sorted(differing & {"expo_time", "click"} if name == "exposures" else differing):
                raise UserError(f"only one of {first.file.path} and {other.file.path} has {column}: both or none must")


def _check_parts(logs: list[InputTable], parts: tuple[int, ...]) -> None:
    """All parts of a log must have the columns of its first."""
    for start, end in pairwise(accumulate(parts, initial=0)):
        first = logs[start]
        for part in logs[start + 1 : end]:
            for column in sorted(set(first.columns) ^ set(part.columns)):
                lacking, other = (part, first) if column in first.columns else (first, part)
                raise UserError(
                    f"{lacking.file.path} has no {column}, which {other.file.path} has: all parts of a log must have "
                    f"the same columns; mend it, or leave it out"
                )


def _check_ids(table: InputTable) -> None:
    """Ids may not be floating-point numbers: 9007199254740993 is none, and 7 and 7.0 would be one id."""
    if table.file.facts["kind"] != "Parquet":
        return
    schema = pa.parquet.read_schema(table.file.path)
    for column in (table.columns[name] for name in ("user_id", "article_id") if name in table.columns):
        if column in schema.names and pa.types.is_floating(schema.field(column).type):
            raise UserError(
                f"column {column!r} of {table.file.path} holds ids as floating-point numbers, which not every id "
                f"survives: write them as whole numbers or texts"
            )
