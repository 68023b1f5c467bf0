"""Brings a log into the workspace: a demo log made on the spot, uploaded files, or files on the machine."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dssm_core.canonical import REQUIRED
from dssm_core.demo import ingest_demo
from dssm_core.errors import UserError
from dssm_core.formats import FORMATS
from dssm_core.ingest import ingest
from dssm_core.input_files import column_names
from dssm_core.workspace import Workspace
from lab import words

TABLES = {
    "exposures": "Exposures",
    "users": "Users (optional)",
    "articles": "Articles (optional)",
    "test_exposures": "Exposures to test on (optional)",
}
SUFFIXES = (".parquet", ".csv.gz", ".tsv.gz", ".txt.gz", ".csv", ".tsv", ".txt")
_MAPPED = ("user_id", "article_id", "expo_time", "click", "title", "ctime", "cate", "split")
_MOST_OFFERED = 200


def demo(workspace: Workspace) -> dict | None:
    """Inputs and a button that makes a demo log and ingests it; what ingest counted, once it is done."""
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
    if not st.button("Make the demo log", type="primary", icon=":material/auto_awesome:"):
        return None
    with _bar("Writing and reading the demo log …") as progress:
        return ingest_demo(workspace, **sizes, progress=progress)


def uploads(workspace: Workspace) -> dict | None:
    """Uploaders for the tables; what is uploaded is written to the workspace at once."""
    format_ = _format("upload")
    paths, names = {}, []
    turn = st.session_state.setdefault("upload turn", 0)
    for column, (table, label) in zip(_pairs(), TABLES.items(), strict=True):
        file = column.file_uploader(label, key=f"upload {table} {turn}", help="CSV, TSV or Parquet, also gzipped text")
        if file is not None:
            paths[table] = _kept(workspace, file)
            names.append(file.name)
    options = _options("upload", format_, paths)
    # the copy's own name means nothing to anybody
    options["name"] = options["name"] or next(iter(names), "")
    try:
        made = _ingest_button("Read the files", workspace, format_, paths, options)
    except UserError as error:
        raise _by_own_names(error, dict(zip(paths.values(), names, strict=True))) from None
    if made:
        for path in paths.values():
            shutil.rmtree(path.parent, ignore_errors=True)
        # fresh, empty uploaders, or the same files would be written again
        st.session_state["upload turn"] += 1
    return made


def server_files(workspace: Workspace) -> dict | None:
    """Inputs for the paths of files on the machine that runs the lab."""
    format_ = _format("path")
    typed = {
        table: column.text_input(
            label, key=f"path {table}", placeholder="/data/train_data.txt", persist_state="session"
        )
        for column, (table, label) in zip(_pairs(), TABLES.items(), strict=True)
    }
    paths = {table: Path(text.strip()).expanduser() for table, text in typed.items() if text.strip()}
    return _ingest_button("Read the files", workspace, format_, paths, _options("path", format_, paths))


def _by_own_names(error: UserError, names: dict[Path, str]) -> UserError:
    """The error with the names of the uploaded files in place of their copies'."""
    text = str(error)
    for path, name in names.items():
        text = text.replace(str(path), name)
    return UserError(text)


SOURCES: dict[str, Callable[[Workspace], dict | None]] = {
    "Demo log": demo,
    "Upload files": uploads,
    "Files on this machine": server_files,
}
"""Where a log may come from, by the name people see."""


def _pairs() -> list:
    return [*st.columns(2), *st.columns(2)]


def _format(source: str) -> str:
    formats = list(FORMATS)
    chosen = st.selectbox(
        "Format", formats, index=formats.index("generic"), key=f"{source} format", persist_state="session"
    )
    st.caption(FORMATS[chosen].summary)
    return chosen


def _options(source: str, format_: str, paths: dict[str, Path]) -> dict:
    """Name, time zone and, for a format that takes them, column mapping and click rule."""
    left, right = st.columns(2)
    options = {
        "name": left.text_input(
            "Name", key=f"{source} name", placeholder="what you will call it", persist_state="session"
        ),
        "timezone": right.text_input(
            "Time zone of the days",
            key=f"{source} zone",
            placeholder=FORMATS[format_].timezone,
            persist_state="session",
        ).strip()
        or None,
    }
    if FORMATS[format_].mapped:
        options |= _mapping(source, offered_columns(paths.values()))
    return options


def _mapping(source: str, offered: list[str]) -> dict:
    """The mapping and the click rule; columns are chosen from those of the files, or typed."""
    with st.expander("Columns and click rule", expanded=True):
        there = f" The files have {', '.join(offered)}." if offered else ""
        st.caption(words.as_markdown(f"Choose or type the file's column where it differs from ours.{there}"))
        columns = [*st.columns(4), *st.columns(4)]
        typed = {
            name: column.selectbox(
                f"{name}{' *' if name in REQUIRED['exposures'] else ''}",
                offered,
                index=None,
                key=f"{source} map {name}",
                placeholder=name,
                accept_new_options=True,
                persist_state="session",
            )
            or ""
            for column, name in zip(columns, _MAPPED, strict=True)
        }
        rule = st.text_input(
            "Click rule",
            key=f"{source} rule",
            placeholder="rating>=4",
            help="Which rows are clicks, where the log has no `click` column; without either every row is a click",
            persist_state="session",
        )
    return {
        "mapping": {name: text.strip() for name, text in typed.items() if text.strip()} or None,
        "click": rule.strip() or None,
    }


def offered_columns(paths: Iterable[Path]) -> list[str]:
    """The names in the headers of files, to choose from; none of a file that cannot be read: ingest tells why."""
    names: dict[str, None] = {}
    for path in paths:
        with suppress(UserError):
            names |= dict.fromkeys(name for name in column_names(path) if name)
    return list(names)[:_MOST_OFFERED]


def _ingest_button(
    label: str, workspace: Workspace, format_: str, paths: dict[str, Path], options: dict
) -> dict | None:
    if not st.button(label, type="primary", icon=":material/input:"):
        return None
    if "exposures" not in paths:
        raise UserError("no exposures were given: a log of exposures is the one table that is needed")
    return _ingested(workspace, format_, paths, options)


def _ingested(workspace: Workspace, format_: str, paths: dict[str, Path], options: dict) -> dict:
    rest = {table: path for table, path in paths.items() if table != "exposures"}
    with _bar("Reading …") as progress:
        return ingest(workspace, format_, paths["exposures"], **rest, **options, progress=progress)


@contextmanager
def _bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar while the body works, which gets what moves it: (done, total)."""
    bar = st.progress(0.0, text)
    try:
        yield lambda done, total: bar.progress(min(1.0, done / max(1, total)), text)
    finally:
        bar.empty()


def _kept(workspace: Workspace, file: UploadedFile) -> Path:
    """Where an upload lies in the workspace. Its own name gives the suffix alone: it may hold `..` or markup."""
    suffix = next((ending for ending in SUFFIXES if file.name.lower().endswith(ending)), ".txt")
    path = workspace.home / "uploads" / file.file_id / f"upload{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    return path
