"""The form for the files of a log, wherever they come from: format, name, time zone, columns, and the button."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dssm_core.errors import UserError
from dssm_core.formats import FORMATS
from dssm_core.ingest import ingest
from dssm_core.meter import Progress
from dssm_core.workspace import Workspace
from lab import frame, ingest_command, reading
from lab.language import t
from lab.mapping import Chosen, choose_columns
from lab.saved_mappings import save_mapping

TABLES = {
    "exposures": "Exposures",
    "users": "Users (optional)",
    "articles": "Articles (optional)",
    "history": "Clicks from before the log (optional)",
    "test_exposures": "Exposures to test on (optional)",
}
"""Every table that may be asked for, with its label, in the order in which they are."""


@dataclass(frozen=True)
class Given:
    """A file that a person brought: where it lies, the name that they know it by, and what a shell would call it."""

    path: Path
    name: str
    in_shell: str


def tables_of(format_: str) -> list[str]:
    """The tables that a format has files of, in the order in which they are asked for."""
    return [table for table in TABLES if table in (*FORMATS[format_].tables, "test_exposures")]


def in_pairs(tables: list[str]) -> Iterator[tuple[DeltaGenerator, str]]:
    """Each table with the column that it is drawn in, two a row."""
    for i in range(0, len(tables), 2):
        yield from zip(st.columns(2), tables[i : i + 2], strict=False)


def choose_format(source: str) -> str:
    """The format that is chosen; `source` is part of the keys of the form's inputs."""
    formats = list(FORMATS)
    chosen = st.selectbox(
        t("Format"),
        formats,
        index=formats.index("generic"),
        key=f"{source} format",
        bind="query-params",
        persist_state="session",
    )
    st.caption(t(FORMATS[chosen].summary))
    return chosen


def bring_files(
    workspace: Workspace, source: str, format_: str, files: dict[str, Given], done: Callable[[], None]
) -> None:
    """The form for some files, with the button that reads them; `done` is called once they are."""
    options = _name_and_zone(source, format_)
    chosen = {}
    if FORMATS[format_].mapped:
        chosen = _choose_columns(workspace, files)
    elif FORMATS[format_].click:
        options["click"] = _rule(source, FORMATS[format_].click)
    with st.container(horizontal=True):
        pressed = st.button(t("Read the files"), type="primary", icon=":material/input:")
        offer_command(workspace, source, format_, files, options, chosen)
    if not pressed:
        return
    if "exposures" not in files:
        raise UserError("no exposures were given: a log of exposures is the one table that is needed")
    options["name"] = options["name"] or files["exposures"].name
    if chosen:
        options |= _as_chosen(chosen)

    def read(progress: Progress) -> dict:
        paths = {table: file.path for table, file in files.items()}
        made = ingest(workspace, format_, **paths, **options, progress=progress)
        for table, choice in chosen.items():
            save_mapping(workspace, table, choice.names, choice.mapping)
        done()
        return made

    try:
        reading.carry_out(t("Reading …"), read)
    except UserError as error:
        raise _by_own_names(error, files) from None


def offer_command(
    workspace: Workspace,
    source: str,
    format_: str,
    files: dict[str, Given],
    options: dict,
    chosen: dict[str, Chosen],
) -> None:
    """The line that reads the same files, once there is a log to read."""
    if "exposures" not in files or (FORMATS[format_].mapped and "exposures" not in chosen):
        return
    paths = {table: file.in_shell for table, file in files.items()}
    named = options["name"] or files["exposures"].name
    options = options | {"name": "" if named == Path(paths["exposures"]).name else named}
    if "exposures" in chosen:
        options["click"] = chosen["exposures"].mapping.click
    line = ingest_command.line(workspace, format_, paths, options, chosen)
    if line is None:
        st.caption(t("No one command line reads these files: it has one encoding, separator and header for them all."))
    else:
        frame.command(line, f"ingest {source}")


def _name_and_zone(source: str, format_: str) -> dict:
    left, right = st.columns(2)
    kept = {"bind": "query-params", "persist_state": "session"}
    name = left.text_input(t("Name"), key=f"{source} name", placeholder=t("what you will call it"), **kept)
    zone = right.text_input(
        t("Time zone of the days"), key=f"{source} zone", placeholder=FORMATS[format_].timezone, **kept
    )
    return {"name": name, "timezone": zone.strip() or None}


def _rule(source: str, default: str) -> str | None:
    rule = st.text_input(
        t("Click rule"),
        key=f"{source} rule",
        placeholder=default,
        width=420,
        bind="query-params",
        persist_state="session",
    )
    return rule.strip() or None


def _choose_columns(workspace: Workspace, files: dict[str, Given]) -> dict[str, Chosen]:
    """What is settled for each file that can be read; a second log is read as the first one is."""
    chosen = {
        table: choose_columns(workspace, table, file.path, file.name)
        for table, file in files.items()
        if table != "test_exposures"
    }
    return {table: choice for table, choice in chosen.items() if choice}


def _as_chosen(chosen: dict[str, Chosen]) -> dict:
    """What ingest is told of mapped files: the mapping, the click rule, and how to read each table's text."""
    rule = chosen["exposures"].mapping.click if "exposures" in chosen else ""
    return {
        "mapping": {
            target: column for table, choice in chosen.items() for target, column in choice.targets(table).items()
        },
        "click": rule or None,
        "texts": {table: choice.text for table, choice in chosen.items()},
    }


def _by_own_names(error: UserError, files: dict[str, Given]) -> UserError:
    """The error with the names that people know in place of the paths of their files."""
    text = str(error)
    for file in files.values():
        text = text.replace(str(file.path), file.name)
    return UserError(text)
