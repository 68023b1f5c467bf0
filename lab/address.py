"""Choices that live in the page's address, by id, so that a link shows what its sender saw.

Streamlit's own binding puts a widget's label in the address; labels of runs are not unique and may be changed, so the
ids are put there here. What the address says of a choice is taken when the page is come to. From then on the session
knows better: the browser's address is a step behind whoever chooses quickly.
"""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lab import words
from lab.language import t

_PAGE, _TAKEN = "page", "taken from the address"
"""Where the session keeps the page that it is on, and what of the address was taken since it came to it."""


def come_to(page: str) -> None:
    """Call it first in each run: has the address taken anew if the page was just come to, by a link, from another page
    or by the browser's Back."""
    if st.session_state.get(_PAGE) != page or get_script_run_ctx().is_history_navigation:
        st.session_state[_PAGE], st.session_state[_TAKEN] = page, set()


def given(name: str) -> list[str]:
    """What the address says under a name, as long as that is to be taken: once after the page was come to."""
    return [] if name in st.session_state[_TAKEN] else st.query_params.get_all(name)


def take(name: str) -> list[str]:
    """The same, and takes it."""
    told = given(name)
    st.session_state[_TAKEN].add(name)
    return told


def one(key: str, options: Sequence, default: object = None) -> Callable[[], None]:
    """Settle a single choice's session state before its widget is drawn; returns the widget's `on_change`.

    `options` are the values that may be chosen; their texts go into the address. `default` (else the first option)
    stands in for a missing or unknown choice.
    """
    by_text = {str(option): option for option in options}
    known = [by_text[text] for text in take(key) if text in by_text]
    chosen = known[-1] if known else st.session_state.get(key)
    if chosen not in options:
        chosen = default if default in options else next(iter(options), None)
    st.session_state[key] = chosen
    _write(key)
    return lambda: _write(key)


def asked(key: str) -> str | None:
    """The text that the address gives for a single choice, else the session remembers; None for neither."""
    told = given(key)
    return told[-1] if told else st.session_state.get(key)


def many(key: str, options: Sequence, default: Sequence) -> Callable[[], None]:
    """The same as `one` for a choice of several; an empty choice made by hand stays empty, one of unknown options does
    not."""
    by_text = {str(option): option for option in options}
    wanted = [by_text[text] for text in take(key) if text in by_text]
    before = st.session_state.get(key, default)
    remembered = [option for option in before if option in options]
    st.session_state[key] = wanted or remembered or (list(default) if before else [])
    _write(key)
    return lambda: _write(key)


def typed(key: str, name: str, read: Callable[[str], object], default: object = None) -> Callable[[], None]:
    """The same for what is typed into a field. `name`: what the address calls it; `read`: its value from the address.

    What `read` makes nothing of, by a ValueError, is told and left out.
    """
    value = st.session_state.get(key, default)
    for text in take(name)[-1:]:
        try:
            value = read(text)
        except ValueError:
            tell_left_out(name, text)
    st.session_state[key] = value
    _write(key, name)
    return lambda: _write(key, name)


def tell_left_out(name: str, text: str) -> None:
    """Say that what the address says under a name cannot be had here."""
    reason = words.as_markdown(f"{name}={text}")
    st.warning(t("Left out of the link: {reason}.", reason=reason), icon=":material/link_off:")


def opened(key: str) -> str:
    """What is opened over the page: what the address said when the page was come to, or was chosen since; "" for
    nothing."""
    if key not in st.session_state[_TAKEN]:
        st.session_state[key] = next(iter(take(key)), "")
    return st.session_state.get(key, "")


def write_text(name: str, value: str) -> None:
    """Have the address say a text under a name, or nothing where it is empty."""
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def forget(key: str) -> None:
    """Drop a choice, such as a run that was deleted."""
    st.session_state.pop(key, None)
    st.query_params.pop(key, None)


def choose(key: str, value: object) -> None:
    """Make a choice from a button: call it from `on_click`."""
    st.session_state[key] = value
    _write(key)


def _write(key: str, name: str = "") -> None:
    """Put a choice into the address, under its key or another name."""
    name, value = name or key, st.session_state[key]
    if value in (None, "", []):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = [str(item) for item in value] if isinstance(value, list) else str(value)
