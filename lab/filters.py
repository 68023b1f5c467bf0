"""Filters by the attributes of users and articles; what is chosen is in the address."""

import pandas as pd
import streamlit as st

from dssm_core.dataset import Dataset
from lab import address, words
from lab.comparing import attribute_name
from lab.language import t

_MOST_VALUES = 500

Wanted = dict[str, list[str]]
"""Attribute → the values that are wanted of it."""


def choose(dataset: Dataset) -> tuple[Wanted, Wanted]:
    """Show a choice of values for every attribute that has some; returns those wanted of users and of articles."""
    sides = {
        "user": _offered(dataset.id, tuple(dataset.user_attributes), dataset.users),
        "article": _offered(dataset.id, tuple(dataset.article_attributes), dataset.articles),
    }
    if not any(sides.values()):
        return {}, {}
    chosen: dict[str, Wanted] = {}
    with st.popover(t("Filter by attributes"), icon=":material/filter_alt:"):
        for side, offered in sides.items():
            chosen[side] = {name: values for name in offered if (values := _values(side, name, offered[name]))}
    return chosen["user"], chosen["article"]


def clear(user_values: Wanted, article_values: Wanted) -> None:
    """Take the filters out: call it from `on_click`."""
    for side, wanted in (("user", user_values), ("article", article_values)):
        for name in wanted:
            address.choose(f"{side}.{name}", [])


def described(user_values: Wanted, article_values: Wanted) -> str:
    """The filters in words: "user city north, south; article cate sport"; "" without any."""
    named = [(attribute_name("user", name), values) for name, values in user_values.items()]
    named += [(attribute_name("article", name), values) for name, values in article_values.items()]
    return t("; ").join(f"{name} {', '.join(values)}" for name, values in named)


def _values(side: str, name: str, values: list[str]) -> list[str]:
    key = f"{side}.{name}"
    changed = address.many(key, values, [])
    label = words.as_markdown(attribute_name(side, name))
    return st.multiselect(label, values, key=key, on_change=changed, persist_state="session")


@st.cache_data(max_entries=8, show_spinner=False)
def _offered(dataset: str, names: tuple[str, ...], _table: pd.DataFrame) -> dict[str, list[str]]:
    """The attributes that have between two values and a few hundred, each with its values, most frequent first."""
    values = {name: _table[name].iloc[1:].value_counts().index.tolist() for name in names}
    return {name: found for name, found in values.items() if 2 <= len(found) <= _MOST_VALUES}
