"""What a person chose to ingest, checked before anything is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from dssm_core.canonical import CANONICAL, InputTable
from dssm_core.cleaning import ClickRule
from dssm_core.errors import UserError, unknown_name
from dssm_core.format_generic import missing_column
from dssm_core.formats import Format, find_format
from dssm_core.input_files import TextOptions


@dataclass(frozen=True)
class Plan:
    """Everything that a person chose, checked: the files are open and their columns found."""

    format_name: str
    format: Format
    timezone: str
    rule: ClickRule | None
    logs: tuple[InputTable, ...]
    users: InputTable | None
    articles: InputTable | None

    @property
    def files(self) -> list[Path]:
        """The files to read."""
        return [table.file.path for table in (*self.logs, self.users, self.articles) if table]

    @property
    def facts(self) -> dict[str, list[dict]]:
        """What was found out about the files of each table, for the report."""
        tables = {"exposures": self.logs, "users": [self.users], "articles": [self.articles]}
        return {name: [table.file.facts for table in opened if table] for name, opened in tables.items()}


def make_plan(
    format_name: str,
    exposures: Path | str,
    users: Path | str | None,
    articles: Path | str | None,
    test_exposures: Path | str | None,
    mapping: Mapping[str, str],
    click: str | None,
    timezone: str | None,
    text: TextOptions,
) -> Plan:
    """Check what `ingest` was given, and open the files; a UserError names what cannot be."""
    chosen = find_format(format_name)
    if text.separator and not chosen.mapped:
        raise UserError(f"the {format_name} format has a fixed separator: leave it out, or use generic")
    if (mapping or click) and not chosen.mapped:
        raise UserError(f"the {format_name} format has fixed columns: leave out the mapping and rule, or use generic")
    known = set().union(*CANONICAL.values())
    for target in mapping:
        table, _, canonical = target.rpartition(".")
        if canonical not in CANONICAL.get(table, known):
            raise unknown_name("canonical column", target, known)
    rule = ClickRule.parse(click) if click else None
    opened = {
        table: [chosen.open_table(Path(path), table, mapping, text) for path in paths if path]
        for table, paths in (("exposures", (exposures, test_exposures)), ("users", [users]), ("articles", [articles]))
    }
    _check_mapping(opened, mapping, rule)
    zone = _checked_timezone(timezone or chosen.timezone)
    users_table, articles_table = (next(iter(opened[table]), None) for table in ("users", "articles"))
    return Plan(format_name, chosen, zone, rule, tuple(opened["exposures"]), users_table, articles_table)


def _checked_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise UserError(
            f"unknown timezone {timezone!r}: expected a name such as Asia/Shanghai, Europe/Zurich or UTC"
        ) from None
    return timezone


def _check_mapping(opened: dict[str, list[InputTable]], mapping: Mapping[str, str], rule: ClickRule | None) -> None:
    """Every mapped column must be used by some table, every column of the rule be there, and two logs be alike."""
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
    first, *others = opened["exposures"]
    for log in (first, *others):
        for part in rule.comparisons if rule else ():
            if part.column not in log.file.names:
                raise missing_column(part.column, log.file)
        for column in ("expo_time", "click"):
            if (column in log.columns) != (column in first.columns):
                raise UserError(f"only one of {first.file.path} and {log.file.path} has {column}: both or none must")
