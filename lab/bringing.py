"""Brings a log into the workspace: a demo log made on the spot, uploaded files, or files on the machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from dssm_core import commands
from dssm_core.archive_folder import Layout, tables_in
from dssm_core.demo import ingest_demo
from dssm_core.errors import UserError
from dssm_core.formats import FORMATS
from dssm_core.workspace import Workspace
from lab import frame, log_folder, reading, uploads, words
from lab.file_form import TABLES, Given, bring_files, choose_format, in_pairs, tables_of
from lab.language import t


def _demo(workspace: Workspace) -> None:
    """Inputs and a button that makes a demo log and ingests it."""
    sizes = {}
    for column, (name, value, low, high) in zip(
        st.columns(4),
        (("users", 2000, 20, 100_000), ("articles", 2000, 20, 100_000), ("days", 7, 2, 30), ("seed", 0, 0, 10**6)),
        strict=True,
    ):
        sizes[name] = column.number_input(
            t(name), low, high, value, key=f"demo {name}", bind="query-params", persist_state="session"
        )
    st.caption(
        t(
            "About {rows:,} exposures of made-up news in Chinese, with planted tastes and some dirt.",
            rows=17 * sizes["users"] * sizes["days"],
        )
    )
    with st.container(horizontal=True):
        pressed = st.button(t("Make the demo log"), type="primary", icon=":material/auto_awesome:")
        frame.command(commands.line(workspace, "demo", **sizes), "demo")
    if pressed:
        reading.carry_out(
            t("Writing and reading the demo log …"), lambda progress: ingest_demo(workspace, **sizes, progress=progress)
        )


def _uploaded_files(workspace: Workspace) -> None:
    """Uploaders for the tables; what is uploaded is written to the workspace at once."""
    format_ = choose_format("upload")
    turn = st.session_state.setdefault("upload turn", 0)
    files = {}
    for column, table in in_pairs(tables_of(format_)):
        file = column.file_uploader(
            t(TABLES[table]), key=f"upload {table} {turn}", help=t("CSV, TSV or Parquet, also gzipped text")
        )
        if file is not None:
            files[table] = Given(uploads.copied(workspace, file), file.name, file.name)
    st.caption(
        t(
            "Up to {most:,} MB a file. Larger ones: choose *Files on this machine* above, or read them with "
            "`python -m dssm_core ingest`.",
            most=st.get_option("server.maxUploadSize"),
        )
    )
    copies = [file.path for file in files.values()]
    _remove_taken_back(copies)

    def forget() -> None:
        uploads.remove(copies)
        # fresh, empty uploaders, or the same files would be written again
        st.session_state["upload turn"] = turn + 1

    bring_files(workspace, "upload", format_, files, forget)


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
            t(
                "To read files that lie on the machine of the lab, start it with `{variable}` set to their folder, "
                "such as `{variable}=/data/logs make run`. The command line takes any path: "
                "`python -m dssm_core ingest --exposures PATH`.",
                variable=log_folder.VARIABLE,
            ),
            icon=":material/folder_off:",
        )
        return
    format_ = choose_format("path")
    offered = _offered(folder, FORMATS[format_].folders)
    typed = {
        table: column.selectbox(
            t(TABLES[table]),
            offered,
            index=None,
            key=f"path {table}",
            placeholder=t("choose a file, or type its path"),
            help=words.as_markdown(_where(folder, format_)),
            accept_new_options=True,
            bind="query-params",
            persist_state="session",
        )
        for column, table in in_pairs(tables_of(format_))
    }
    files = {table: _named(folder, text.strip(), format_) for table, text in typed.items() if text and text.strip()}
    bring_files(workspace, "path", format_, files, lambda: None)


def _where(folder: Path, format_: str) -> str:
    if FORMATS[format_].folders:
        return t("In {folder}, or a folder in it", folder=folder)
    return t("In {folder}", folder=folder)


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


def _named(folder: Path, typed: str, format_: str) -> Given:
    """What a typed path means: a file of the folder of logs, or a folder of which the same holds for every table."""
    path = log_folder.path_within(folder, typed)
    if path.is_dir() and FORMATS[format_].folders:
        for table in tables_in(path, FORMATS[format_].folders).values():
            log_folder.path_within(folder, str(table.resolve()))
    return Given(path, path.name if path.is_dir() else typed, str(path))


SOURCES: dict[str, Callable[[Workspace], None]] = {
    "Demo log": _demo,
    "Upload files": _uploaded_files,
    "Files on this machine": _server_files,
}
"""Where a log may come from, by the name people see. Each draws its inputs and, at the press of a button, ingests."""
