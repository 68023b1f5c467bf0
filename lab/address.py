"""Choices that live in the page's address, by id, so that a link shows what its sender saw.

Streamlit's own binding puts a widget's label in the address; labels of runs are not unique and may be changed, so the
ids are put there here. The address outranks what the session remembers.
"""

from collections.abc import Callable, Sequence

import streamlit as st

from lab import words
from lab.language import t


def one(key: str, options: Sequence, default: object = None) -> Callable[[], None]:
    """Settle a single choice's session state before its widget is drawn; returns the widget's `on_change`.

    `options` are the values that may be chosen; their texts go into the address. `default` (else the first option)
    stands in for a missing or unknown choice.
    """
    by_text = {str(option): option for option in options}
    chosen = by_text.get(st.query_params.get(key, ""), st.session_state.get(key))
    if chosen not in options:
        chosen = default if default in options else next(iter(options), None)
    st.session_state[key] = chosen
    _write(key)
    return lambda: _write(key)


def asked(key: str) -> str | None:
    """The text that the address has for a single choice, else the session remembers; None for neither."""
    return st.query_params.get(key, st.session_state.get(key))


def many(key: str, options: Sequence, default: Sequence) -> Callable[[], None]:
    """The same for a choice of several; an empty choice made by hand stays empty, one of unknown options does not."""
    by_text = {str(option): option for option in options}
    wanted = [by_text[text] for text in st.query_params.get_all(key) if text in by_text]
    before = st.session_state.get(key, default)
    remembered = [option for option in before if option in options]
    st.session_state[key] = wanted or remembered or (list(default) if before else [])
    _write(key)
    return lambda: _write(key)


def typed(key: str, name: str, read: Callable[[str], object], default: object = None) -> Callable[[], None]:
    """The same for what is typed into a field. `name`: what the address calls it; `read`: its value from the address.

    What `read` makes nothing of, by a ValueError, is told and left out.
    """
    try:
        given = read(st.query_params[name]) if name in st.query_params else st.session_state.get(key, default)
    except ValueError:
        st.warning(
            t("Left out of the link: {reason}.", reason=words.as_markdown(f"{name}={st.query_params[name]}")),
            icon=":material/link_off:",
        )
        given = st.session_state.get(key, default)
    st.session_state[key] = given
    _write(key, name)
    return lambda: _write(key, name)


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
