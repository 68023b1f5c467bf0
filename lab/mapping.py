"""What was found out of a file, and the form that says which of its columns is which of ours."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from dssm_core.canonical import CANONICAL, REQUIRED
from dssm_core.cleaning import ClickRule
from dssm_core.errors import UserError
from dssm_core.guessing import guess_columns, suggest_rule
from dssm_core.input_files import TextOptions, first_rows, open_file
from dssm_core.workspace import Workspace
from lab import words
from lab.language import t, told
from lab.saved_mappings import SavedMapping, saved_mapping

ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "latin-1", "cp1252", "big5", "shift_jis")
_HEADERS = {True: "names the columns", False: "is data"}
_ALWAYS_SHOWN = {
    "exposures": ("user_id", "article_id", "expo_time", "click"),
    "users": ("user_id", "gender", "age", "city"),
    "articles": ("article_id", "title", "ctime", "cate"),
}
_ROWS_SHOWN = 5
_ROWS_LOOKED_AT = 200
_MOST_LETTERS = 300
_MOST_NAMED = 30


@dataclass(frozen=True)
class Preview:
    """A file as it will be read: the names of its columns, its first rows as texts, and what was found out about it."""

    names: tuple[str, ...]
    rows: list[list[str]]
    facts: dict

    @property
    def columns(self) -> dict[str, list[str]]:
        """The first values of each named column."""
        return {name: [row[i] for row in self.rows] for i, name in enumerate(self.names) if name}


@dataclass(frozen=True)
class Chosen:
    """What a person settled for one file: how to read it, its columns' names, the mapping and the click rule.

    `facts`: how it is read then, as the report will say.
    """

    text: TextOptions
    names: tuple[str, ...]
    mapping: SavedMapping
    facts: dict

    def targets(self, table: str) -> dict[str, str]:
        """The mapping as ingest takes it. A UserError for a required column that has none."""
        for name in REQUIRED[table]:
            if not self.mapping.columns.get(name):
                raise UserError(f"{name} has no column yet in the file of {table}: choose the one that holds it")
        return {f"{table}.{name}": column for name, column in self.mapping.columns.items()}


def choose_columns(workspace: Workspace, table: str, path: Path, own_name: str) -> Chosen | None:
    """Show a file and the form for its columns; None, and the reason shown, where the file cannot be read."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{t(table.capitalize())}** · {words.as_markdown(own_name)}", width="content")
        text = _text_options(table, path)
    try:
        preview = _preview(str(path), path.stat().st_mtime_ns, text)
    except UserError as error:
        st.error(words.as_markdown(told(str(error).replace(str(path), own_name))), icon=":material/error:")
        return None
    columns = words.counted(len(preview.names), "column")
    st.caption(words.as_markdown(t("Read as {how}: {columns}.", how=words.read_as(preview.facts), columns=columns)))
    shown = pd.DataFrame(preview.rows[:_ROWS_SHOWN], columns=words.distinct(preview.names))
    st.dataframe(shown, hide_index=True, key=f"first rows {table}")
    return Chosen(text, preview.names, _mapping(workspace, table, preview), preview.facts)


def _text_options(table: str, path: Path) -> TextOptions:
    """How a text file is to be read, where looking at it told wrong."""
    if path.suffix == ".parquet":
        return TextOptions()
    with st.popover(t("Read it otherwise"), icon=":material/tune:"):
        encoding = _otherwise(t("Encoding"), ENCODINGS, f"encoding {table} {path}", accept_new_options=True)
        separator = _otherwise(
            t("Separator"),
            words.SEPARATORS,
            f"separator {table} {path}",
            format_func=lambda separator: t(words.SEPARATORS[separator]),
        )
        header = _otherwise(
            t("The first row"), _HEADERS, f"header {table} {path}", format_func=lambda header: t(_HEADERS[header])
        )
    return TextOptions(encoding, separator, header)


def _otherwise(label: str, options, key: str, **settings) -> object:
    return st.selectbox(
        label, list(options), index=None, key=key, placeholder=t("as found"), persist_state="session", **settings
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def _preview(path: str, stamp: int, text: TextOptions) -> Preview:
    file = open_file(Path(path), text)
    # a field may hold a megabyte, and what is returned is kept
    rows = [[field[:_MOST_LETTERS] for field in row] for row in first_rows(file, _ROWS_LOOKED_AT)]
    return Preview(file.names, rows, file.facts)


def _mapping(workspace: Workspace, table: str, preview: Preview) -> SavedMapping:
    """The form, filled in as last time or with what is guessed."""
    saved = _offer_saved(workspace, table, preview.names)
    guesses = saved.columns if saved else guess_columns(table, preview.columns)
    # a file with other columns starts from its own guesses
    signature = f"{_signature(preview.names)} {'saved' if saved else 'guessed'}"
    columns = _columns_form(table, preview, guesses, signature)
    click = ""
    if table == "exposures":
        click = _rule_form(saved.click if saved else _suggested_rule(preview, guesses), signature)
    _tell_others(table, preview.names, {*columns, *columns.values(), *_ruled(click)})
    return SavedMapping(columns, click)


def _offer_saved(workspace: Workspace, table: str, names: tuple[str, ...]) -> SavedMapping | None:
    try:
        saved = saved_mapping(workspace, table, names)
    except UserError as error:
        st.warning(words.as_markdown(told(str(error))), icon=":material/warning:")
        return None
    if saved is None:
        return None
    key = f"as last time {table} {_signature(names)}"
    return saved if st.toggle(t("Columns as mapped last time"), True, key=key, persist_state="session") else None


def _signature(names: tuple[str, ...]) -> str:
    return hashlib.sha256(repr(names).encode()).hexdigest()[:8]


def _columns_form(table: str, preview: Preview, guesses: Mapping[str, str], signature: str) -> dict[str, str]:
    shown = _ALWAYS_SHOWN[table]
    rest = [name for name in CANONICAL[table] if name not in shown]
    chosen = _row_of_choices(table, shown, preview, guesses, signature)
    found = sum(bool(guesses.get(name)) for name in rest)
    label = t("{number} more columns, none of them found", number=len(rest))
    if found:
        label = t("{number} more columns, {found} of them found", number=len(rest), found=found)
    with st.expander(label):
        chosen |= _row_of_choices(table, rest, preview, guesses, signature)
    return {name: chosen[name] for name in CANONICAL[table]}


def _row_of_choices(table: str, wanted, preview: Preview, guesses: Mapping[str, str], signature: str) -> dict[str, str]:
    with st.container(horizontal=True):
        return {name: _column_choice(table, name, preview, guesses.get(name), signature) for name in wanted}


def _column_choice(table: str, name: str, preview: Preview, guess: str | None, signature: str) -> str:
    required = name in REQUIRED[table]
    options = list(preview.columns) if required else ["", *preview.columns]
    index = options.index(guess) if guess in options else None if required else 0
    chosen = st.selectbox(
        f"{name} *" if required else name,
        options,
        index=index,
        key=f"map {table} {name} {signature}",
        # the same in every language: a link says it
        format_func=lambda column: column or "–",
        placeholder=t("choose one"),
        width=152,
        bind="query-params",
        persist_state="session",
    )
    return chosen or ""


def _suggested_rule(preview: Preview, guesses: Mapping[str, str]) -> str:
    return "" if "click" in guesses else suggest_rule(preview.columns) or ""


def _rule_form(suggested: str, signature: str) -> str:
    return st.text_input(
        t("Click rule"),
        suggested,
        key=f"rule {signature}",
        placeholder="rating>=4",
        help=t("Which rows are clicks, where the log has no column of clicks; without either every row is a click"),
        width=420,
        bind="query-params",
        persist_state="session",
    ).strip()


def _ruled(click: str) -> set[str]:
    """The columns that a click rule looks at; none for one that cannot be read, which ingest refuses."""
    with suppress(UserError):
        return {part.column for part in ClickRule.parse(click).comparisons}
    return set()


def _tell_others(table: str, names: tuple[str, ...], used: set[str]) -> None:
    """What becomes of the columns that are not `used`: a log's are not kept, others are attributes."""
    others = [name for name in names if name and name not in used]
    if not others:
        return
    names = ", ".join(others[:_MOST_NAMED])
    if len(others) > _MOST_NAMED:
        names = t("{names} and {more} more", names=names, more=len(others) - _MOST_NAMED)
    says = t("Not kept: {names}.", names=names) if table == "exposures" else t("Attributes too: {names}.", names=names)
    st.caption(words.as_markdown(says))
