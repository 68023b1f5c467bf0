"""A widget for every config key, made from the config's own types, limits and descriptions."""

from typing import Any, Literal, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt

from dssm_core.config import DESCRIPTIONS, KEYS, Config, flatten, unflatten, with_settings
from dssm_core.dataset import Dataset
from lab import words

FRONT = (
    "negatives.strategy",
    "negatives.k",
    "loss.kind",
    "loss.temperature",
    "tower.dim",
    "train.epochs",
    "train.batch_size",
    "seed",
)
"""The knobs turned most, shown first; the others are in an expander for each section."""
_HIDDEN = ("model",)
_PREFIX = "knob "
_ALL = "all of them"


def sections() -> dict[str, list[str]]:
    """The keys that are not in front, by section."""
    grouped: dict[str, list[str]] = {}
    for key in KEYS:
        if key not in FRONT and key not in _HIDDEN:
            grouped.setdefault(key.split(".")[0], []).append(key)
    return grouped


def set_all(config: Config) -> None:
    """Turn every knob to a config's value."""
    for key, value in flatten(config).items():
        st.session_state[_PREFIX + key] = _as_shown(key, value)


def read(model: str, settings: dict[str, Any]) -> Config:
    """The config that the knobs say; a UserError names a bad value."""
    typed = {key: value for key, value in settings.items() if not key.endswith(tuple(_TYPED))}
    config = unflatten({"model": model, **typed})
    return with_settings(config, [f"{key}={value or '[]'}" for key, value in settings.items() if key not in typed])


def knob(key: str, dataset: Dataset) -> Any:
    """Draw the widget of a key and return its value."""
    annotation, limits = _field(key)
    common = {"key": _PREFIX + key, "help": words.as_markdown(DESCRIPTIONS[key]), "persist_state": "session"}
    if get_origin(annotation) is Literal:
        return st.selectbox(key, get_args(annotation), **common)
    if annotation is bool:
        return st.toggle(key, **common)
    if key.endswith("_attributes"):
        return _attributes(key, dataset, common)
    if get_origin(annotation) is list:
        return st.text_input(key, placeholder="none", **common)
    return st.number_input(key, **limits, **_steps(annotation), **common)


_TYPED = ("hidden", "eval.k")
"""Lists of numbers: typed as text, such as "10, 50, 200"."""


def _attributes(key: str, dataset: Dataset, common: dict) -> list[str] | None:
    options = [_ALL, *(dataset.user_attributes if key.endswith("user_attributes") else dataset.article_attributes)]
    # another dataset may lack what was chosen for the last one
    st.session_state[common["key"]] = [name for name in st.session_state[common["key"]] if name in options]
    chosen = st.multiselect(key, options, placeholder="none", **common)
    return None if _ALL in chosen else chosen


def _as_shown(key: str, value: Any) -> Any:
    if key.endswith(_TYPED):
        return ", ".join(str(number) for number in value)
    if key.endswith("_attributes"):
        return [_ALL] if value is None else value
    return value


def _steps(annotation: Any) -> dict:
    if annotation is int:
        return {"step": 1}
    # %g shows 0.001 as it is written, where two decimals would show 0.00
    return {"step": 0.01, "format": "%g", **({} if annotation is float else {"placeholder": "any"})}


def _field(key: str) -> tuple[Any, dict]:
    """The type of a key and its limits as a number widget takes them."""
    section, _, name = key.rpartition(".")
    fields = Config.model_fields[section].annotation.model_fields if section else Config.model_fields
    kind = float if fields[name].annotation is not int else int
    low = [
        kind(limit.ge if isinstance(limit, Ge) else limit.gt)
        for limit in fields[name].metadata
        if isinstance(limit, Ge | Gt)
    ]
    high = [
        kind(limit.le if isinstance(limit, Le) else limit.lt)
        for limit in fields[name].metadata
        if isinstance(limit, Le | Lt)
    ]
    return fields[name].annotation, {"min_value": low[0] if low else None, "max_value": high[0] if high else None}
