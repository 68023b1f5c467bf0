"""The shell line that reads the files of Data's form just as its button does."""

from collections.abc import Mapping

from dssm_core import commands
from dssm_core.workspace import Workspace
from lab.mapping import Chosen


def line(
    workspace: Workspace, format_: str, paths: Mapping[str, str], options: dict, chosen: Mapping[str, Chosen]
) -> str | None:
    """The line for some files, `paths` by table, under what the form says; None where no line can say it.

    `options`: name, timezone and click. `chosen`: what was settled for mapped files. A line has one encoding, separator
    and header for all files, where the form has them file by file.
    """
    told = _text_options(chosen)
    if told is None:
        return None
    pairs = [pair for table, choice in chosen.items() for pair in _mapping(table, choice)]
    return commands.line(workspace, "ingest", format=format_, **paths, map=pairs, **options, **told)


def _mapping(table: str, choice: Chosen) -> list[str]:
    """What has to be said of the columns: one of our own name is taken without, and one that is not there is not."""
    return [
        f"{table}.{name}={column}"
        for name, column in choice.mapping.columns.items()
        if column != name and (column or name in choice.names)
    ]


def _text_options(chosen: Mapping[str, Chosen]) -> dict | None:
    """What was said of the texts of any file, where it holds of all; None where files differ in it."""
    told = {}
    for name in ("encoding", "separator", "header"):
        if all(getattr(choice.text, name) is None for choice in chosen.values()):
            continue
        values = {choice.facts[name] for choice in chosen.values() if choice.facts["kind"] == "text"}
        if len(values) != 1:
            return None
        told |= _option(name, values.pop())
    return told


def _option(name: str, value: object) -> dict:
    if name == "header":
        return {"header" if value else "no_header": True}
    # a tab itself would not be seen
    return {name: r"\t" if value == "\t" else value}
