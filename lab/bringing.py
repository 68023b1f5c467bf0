"""Brings a log into the workspace: a demo log made on the spot, uploaded files, or files on the machine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dssm_core.archive_folder import Layout, tables_in
from dssm_core.demo import ingest_demo
from dssm_core.errors import UserError
from dssm_core.formats import FORMATS
from dssm_core.ingest import ingest
from dssm_core.meter import Progress
from dssm_core.workspace import Workspace
from lab import log_folder, reading, uploads
from lab.mapping import Chosen, choose_columns
from lab.saved_mappings import save_mapping

_TABLES = {
    "exposures": "Exposures",
    "users": "Users (optional)",
    "articles": "Articles (optional)",
    "history": "Clicks from before the log (optional)",
    "test_exposures": "Exposures to test on (optional)",
}
_READ = "Read the files"


@dataclass(frozen=True)
class _Given:
    """A file that a person brought: where it lies, and the name that they know it by."""

    path: Path
    name: str


def _demo(workspace: Workspace) -> None:
    """Inputs and a button that makes a demo log and ingests it."""
    sizes = {}
    for column, (name, value, low, high) in zip(
        st.columns(4),
        (("users", 2000, 20, 100_000), ("articles", 2000, 20, 100_000), ("days", 7, 2, 30), ("seed", 0, 0, 10**6)),
        strict=True,
    ):
        sizes[name] = column.number_input(name, low, high, value, key=f"demo {name}", persist_state="session")
    st.caption(
        f"About {17 * sizes['users'] * sizes['days']:,} exposures of made-up news in Chinese, "
        "with planted tastes and some dirt."
    )
    if st.button("Make the demo log", type="primary", icon=":material/auto_awesome:"):
        reading.carry_out(
            "Writing and reading the demo log …", lambda progress: ingest_demo(workspace, **sizes, progress=progress)
        )


def _uploaded_files(workspace: Workspace) -> None:
    """Uploaders for the tables; what is uploaded is written to the workspace at once."""
    format_ = _format("upload")
    turn = st.session_state.setdefault("upload turn", 0)
    files = {}
    for column, table in _in_pairs(_tables(format_)):
        file = column.file_uploader(
            _TABLES[table], key=f"upload {table} {turn}", help="CSV, TSV or Parquet, also gzipped text"
        )
        if file is not None:
            files[table] = _Given(uploads.copied(workspace, file), file.name)
    st.caption(
        f"Up to {st.get_option('server.maxUploadSize'):,} MB a file. Larger ones: choose *Files on this machine* "
        "above, or read them with `python -m dssm_core ingest`."
    )
    copies = [file.path for file in files.values()]
    _remove_taken_back(copies)

    def forget() -> None:
        uploads.remove(copies)
        # fresh, empty uploaders, or the same files would be written again
        st.session_state["upload turn"] = turn + 1

    _bring_files(workspace, "upload", format_, files, forget)


def _remove_taken_back(copies: list[Path]) -> None:
    """Remove the copies of files that this session no longer has in its uploaders."""
    before = st.session_state.get("copies", [])
    uploads.remove(path for path in before if path not in copies)
    st.session_state["copies"] = copies


def _server_files(workspace: Workspace) -> None:
    """Choices among the files of the folder that the operator named."""
    folder = log_folder.log_folder()
    if folder is None:
        st.info(
            f"To read files that lie on the machine of the lab, start it with `{log_folder.VARIABLE}` set to their "
            f"folder, such as `{log_folder.VARIABLE}=/data/logs make run`. The command line takes any path: "
            "`python -m dssm_core ingest --exposures PATH`.",
            icon=":material/folder_off:",
        )
        return
    format_ = _format("path")
    offered = _offered(folder, FORMATS[format_].folders)
    typed = {
        table: column.selectbox(
            _TABLES[table],
            offered,
            index=None,
            key=f"path {table}",
            placeholder="choose a file, or type its path",
            help=f"In {folder}" + (", or a folder in it" if FORMATS[format_].folders else ""),
            accept_new_options=True,
            persist_state="session",
        )
        for column, table in _in_pairs(_tables(format_))
    }
    files = {table: _named(folder, text.strip(), format_) for table, text in typed.items() if text and text.strip()}
    _bring_files(workspace, "path", format_, files, lambda: None)


def _offered(folder: Path, layouts: Sequence[Layout]) -> list[str]:
    """The files to choose from, after the folders that hold the tables of a public data set."""
    files = log_folder.offered_files(folder)
    parents = dict.fromkeys(str(Path(name).parent) for name in files) if layouts else ()
    return [parent for parent in parents if _holds_tables(folder / parent, layouts)] + files


def _holds_tables(folder: Path, layouts: Sequence[Layout]) -> bool:
    try:
        return bool(tables_in(folder, layouts))
    except UserError:
        return False


def _named(folder: Path, typed: str, format_: str) -> _Given:
    """What a typed path means: a file of the folder of logs, or a folder of which the same holds for every table."""
    path = log_folder.path_within(folder, typed)
    if path.is_dir() and FORMATS[format_].folders:
        for table in tables_in(path, FORMATS[format_].folders).values():
            log_folder.path_within(folder, str(table.resolve()))
    return _Given(path, path.name if path.is_dir() else typed)


SOURCES: dict[str, Callable[[Workspace], None]] = {
    "Demo log": _demo,
    "Upload files": _uploaded_files,
    "Files on this machine": _server_files,
}
"""Where a log may come from, by the name people see. Each draws its inputs and, at the press of a button, ingests."""


def _tables(format_: str) -> list[str]:
    """The tables that a format has files of, in the order in which they are asked for."""
    return [table for table in _TABLES if table in (*FORMATS[format_].tables, "test_exposures")]


def _in_pairs(tables: list[str]) -> Iterator[tuple[DeltaGenerator, str]]:
    """Each table with the column that it is drawn in, two a row."""
    for i in range(0, len(tables), 2):
        yield from zip(st.columns(2), tables[i : i + 2], strict=False)


def _format(source: str) -> str:
    formats = list(FORMATS)
    chosen = st.selectbox(
        "Format", formats, index=formats.index("generic"), key=f"{source} format", persist_state="session"
    )
    st.caption(FORMATS[chosen].summary)
    return chosen


def _bring_files(
    workspace: Workspace, source: str, format_: str, files: dict[str, _Given], done: Callable[[], None]
) -> None:
    """The form for some files, with the button that reads them; `done` is called once they are."""
    options = _name_and_zone(source, format_)
    chosen = {}
    if FORMATS[format_].mapped:
        chosen = _choose_columns(workspace, files)
    elif FORMATS[format_].click:
        options["click"] = _rule(source, FORMATS[format_].click)
    if not st.button(_READ, type="primary", icon=":material/input:"):
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
        reading.carry_out("Reading …", read)
    except UserError as error:
        raise _by_own_names(error, files) from None


def _name_and_zone(source: str, format_: str) -> dict:
    left, right = st.columns(2)
    name = left.text_input("Name", key=f"{source} name", placeholder="what you will call it", persist_state="session")
    zone = right.text_input(
        "Time zone of the days", key=f"{source} zone", placeholder=FORMATS[format_].timezone, persist_state="session"
    )
    return {"name": name, "timezone": zone.strip() or None}


def _rule(source: str, default: str) -> str | None:
    rule = st.text_input("Click rule", key=f"{source} rule", placeholder=default, width=420, persist_state="session")
    return rule.strip() or None


def _choose_columns(workspace: Workspace, files: dict[str, _Given]) -> dict[str, Chosen]:
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


def _by_own_names(error: UserError, files: dict[str, _Given]) -> UserError:
    """The error with the names that people know in place of the paths of their files."""
    text = str(error)
    for file in files.values():
        text = text.replace(str(file.path), file.name)
    return UserError(text)
