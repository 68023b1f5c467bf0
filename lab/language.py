"""The interface in English and in Chinese: `t` puts a text of the interface into the language of who looks at it.

The English text is written where it is shown, and is the key of assets/texts.csv, which has the Chinese. Data, ids,
names of metrics, of presets and of config keys stay as they are.
"""

import csv
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

TABLE = Path(__file__).parent.parent / "assets" / "texts.csv"
"""The table of texts: columns english, chinese; sorted by the English."""
LANGUAGES = {"en": "English", "zh": "中文"}
"""Each language by its code, by the name that its speakers have for it."""
KEY = "language"
"""What the address and the session call the language."""
_OUR_WORDS = ("dataset", "run", "sweep", "folder", "datasets", "runs", "sweeps", "users", "articles")
_OUR_WORDS += ("train", "validation", "test", "failed", "cancelled", "interrupted", "running", "queued", "damaged")
"""Single words that sentences of dssm_core fill in; every other word may be a name from the data."""
_log = logging.getLogger(__name__)
_SPOKEN: ContextVar[str | None] = ContextVar("spoken language", default=None)


def t(text: str, /, **values: object) -> str:
    """A text in the language of the session, with `values` in its {places}.

    A text that the table lacks stays English and is logged. Values are put in as they are: escape those that come from
    data where the text is Markdown or HTML.
    """
    told = text if chosen() == "en" else _chinese(text)
    return told.format(**values) if values else told


def told(sentence: str) -> str:
    """A sentence of dssm_core, such as an error, in the language of the session.

    Its row in the table has {} for what was filled in, the Chinese {0}, {1}, … in their order in the English. Phrases
    that were filled in have rows of their own. A sentence that the table lacks stays English.
    """
    if chosen() == "en" or not sentence:
        return sentence
    chinese = _told(sentence)
    if chinese is None:
        _log.warning("no Chinese for %r", sentence)
    return chinese or sentence


def _told(sentence: str) -> str | None:
    """The Chinese of a sentence and of the phrases that are filled in; None for one that the table lacks."""
    if sentence in texts():
        return texts()[sentence]
    for pattern, chinese in _patterns():
        if match := pattern.fullmatch(sentence):
            return chinese.format(*map(_filled_in, match.groups()))
    return None


def _filled_in(value: str) -> str:
    """What stands in a sentence: a phrase of ours in Chinese; a name, which is one word, as it is."""
    return _told(value) or value if " " in value or value in _OUR_WORDS else value


def chosen() -> str:
    """The code of the session's language: what was switched to, else the browser's; English where no page is drawn."""
    if spoken := _SPOKEN.get():
        return spoken
    if get_script_run_ctx(suppress_warning=True) is None:
        return "en"
    return st.session_state.get(KEY) or _of_browser()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Use a language while the body runs, as a file needs that is made when it is downloaded, outside of the page."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def settle(asked: list[str]) -> None:
    """Take the language that the address asks for, if any, and keep in the address one that is not the browser's."""
    for language in asked:
        if language in LANGUAGES:
            st.session_state[KEY] = language
    if chosen() != st.query_params.get(KEY, _of_browser()):
        st.query_params[KEY] = chosen()


def switch() -> None:
    """Draw the switch from one language to the other."""
    st.session_state["language switch"] = chosen()
    st.segmented_control(
        "Language · 语言",
        list(LANGUAGES),
        key="language switch",
        format_func=LANGUAGES.get,
        on_change=_switched,
        required=True,
        label_visibility="collapsed",
    )


def telling(language: str) -> str:
    """The script that tells the browser the page's language, by which it is read aloud and its glyphs are chosen.

    `lab.gate` lets through these scripts, as they are.
    """
    return f"document.documentElement.lang = '{language}'"


def _switched() -> None:
    st.session_state[KEY] = st.query_params[KEY] = st.session_state["language switch"]


def _of_browser() -> str:
    return "zh" if (st.context.locale or "").lower().startswith("zh") else "en"


@cache
def texts() -> dict[str, str]:
    """The table: English → Chinese."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["english"]: row["chinese"] for row in csv.DictReader(file)}


def _chinese(text: str) -> str:
    if text not in texts():
        _log.warning("no Chinese for %r", text)
    return texts().get(text, text)


@cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    """What sentences with {} look like, those with most words of their own first."""
    open_ones = sorted((english for english in texts() if "{}" in english), key=lambda text: -len(text))
    return [(_pattern(english), texts()[english]) for english in open_ones]


def _pattern(english: str) -> re.Pattern:
    return re.compile("(.*?)".join(re.escape(part) for part in english.split("{}")), re.DOTALL)
