"""A widget for every config key, made from the config's own types, limits and descriptions."""

import json
from typing import Any, Literal, get_args, get_origin

import streamlit as st

from dssm_core.config import DESCRIPTIONS, KEYS, Config, differences, flatten, unflatten, with_settings
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from lab import words
from lab.glossary import explain_knob
from lab.language import t

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
LIKE = "like"
"""Where the session keeps the id of the run whose knobs were taken over, or ""."""
_HIDDEN = ("model",)
_PREFIX = "knob "
_ALL = "all of them"
NONE = "none"
"""What stands for no strategy to blend in."""
_WHERE_THERE_IS = {"where there are some": None, "on": True, "off": False}


def sections() -> dict[str, list[str]]:
    """The keys that are not in front, by section."""
    grouped: dict[str, list[str]] = {}
    for key in KEYS:
        if key not in FRONT and key not in _HIDDEN:
            grouped.setdefault(key.split(".")[0], []).append(key)
    return grouped


def set_all(config: Config, like: str = "") -> None:
    """Turn every knob to a config's value. `like`: the id of the run that it is of, or ""."""
    st.session_state[LIKE] = like
    for key, value in flatten(config).items():
        st.session_state[_PREFIX + key] = _as_shown(key, value)


def differing(preset: Config, config: Config) -> str:
    """In which knobs a config differs from the preset it started from, as a sentence; "" where in none."""
    changed = differences(preset, config).items()
    return ", ".join(
        t("{key} = {now} (was {was})", key=key, now=_told(now), was=_told(was)) for key, (was, now) in changed
    )


def _told(value: Any) -> str:
    return t(NONE) if value in (None, "", [], {}) else str(value)


def read(model: str, settings: dict[str, Any]) -> Config:
    """The config that the knobs say; a UserError names a bad value."""
    typed = {key: value for key, value in settings.items() if not key.endswith(tuple(_TYPED))}
    if _FIELD_DIMS in typed:
        typed[_FIELD_DIMS] = _read_lengths(typed[_FIELD_DIMS])
    config = unflatten({"model": model, **typed})
    return with_settings(config, [f"{key}={value or '[]'}" for key, value in settings.items() if key not in typed])


def knob(key: str, dataset: Dataset, prefix: str = _PREFIX) -> Any:
    """Draw the widget of a key and return its value. `prefix`: what its place in the session's state begins with."""
    annotation, limits = _field(key)
    explained, concept = words.as_markdown(t(DESCRIPTIONS[key])), explain_knob(key)
    common = {"key": prefix + key, "help": explained + concept, "persist_state": "session"}
    if get_origin(annotation) is Literal:
        return st.selectbox(key, get_args(annotation), **common)
    if key == "negatives.blend":
        return optional(key, get_args(get_args(annotation)[0]), common)
    if annotation is bool:
        return st.toggle(key, **common)
    if annotation == bool | None:
        return _WHERE_THERE_IS[st.selectbox(key, list(_WHERE_THERE_IS), format_func=t, **common)]
    if key.endswith(("_attributes", "features.dense")):
        return _attributes(key, dataset, common)
    if annotation is str or get_origin(annotation) in (list, dict):
        example = t("none, such as device: 4, city: 8") if get_origin(annotation) is dict else t(NONE)
        return st.text_input(key, placeholder=example, **common)
    emptied = {"value": None} if type(None) in get_args(annotation) else {}
    # no limits for the widget: it would keep to itself what is out of them, and the old value would be started
    common["help"] = f"{explained} {_range(limits)}{concept}"
    return st.number_input(key, **emptied, **_steps(annotation), **common)


def optional(key: str, options: tuple[str, ...] | list[str], common: dict) -> str | None:
    """A choice that may also be none."""
    chosen = st.selectbox(key, [NONE, *options], format_func=lambda name: t(NONE) if name == NONE else name, **common)
    return None if chosen == NONE else chosen


Limits = dict[str, float]
"""The least (ge: it may be that, gt: it must be more) and the most (le, lt) that a number may be."""

_TYPED = ("hidden", "eval.k")
"""Lists of numbers: typed as text, such as "10, 50, 200"."""
_FIELD_DIMS = "tower.field_dims"


def _attributes(key: str, dataset: Dataset, common: dict) -> list[str] | None:
    options = {
        "features.user_attributes": [_ALL, *dataset.user_attributes],
        "features.article_attributes": [_ALL, *dataset.article_attributes],
        "features.dense": list(dict.fromkeys(dataset.user_attributes + dataset.article_attributes)),
    }[key]
    # another dataset may lack what was chosen for the last one
    st.session_state[common["key"]] = [name for name in st.session_state[common["key"]] if name in options]
    shown = {_ALL: t(_ALL)}
    chosen = st.multiselect(key, options, format_func=lambda name: shown.get(name, name), placeholder=t(NONE), **common)
    return None if _ALL in chosen else chosen


def _as_shown(key: str, value: Any) -> Any:
    if key.endswith(_TYPED):
        return ", ".join(str(number) for number in value)
    if key == _FIELD_DIMS:
        return _written_lengths(value)
    if key.endswith("_attributes"):
        return [_ALL] if value is None else value
    if _field(key)[0] == bool | None:
        return next(shown for shown, meant in _WHERE_THERE_IS.items() if meant is value)
    return NONE if key == "negatives.blend" and value is None else value


def _written_lengths(lengths: dict[str, int]) -> str:
    plain = ", ".join(f"{field}: {length}" for field, length in lengths.items())
    # a field whose name holds a comma or a colon can only be told as JSON
    return plain if _parsed(plain) == lengths else json.dumps(lengths, ensure_ascii=False)


def _read_lengths(text: str) -> dict[str, Any]:
    lengths = _parsed(text)
    if lengths is None:
        raise UserError(
            f"bad value {text!r} for {_FIELD_DIMS}: write each field with its length, such as device: 4, city: 8"
        )
    return lengths


def _parsed(text: str) -> dict[str, Any] | None:
    """Lengths from JSON, or from "field: length" pairs; None for neither."""
    if text.strip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return None
    pairs = [[part.strip() for part in pair.split(":")] for pair in text.split(",") if pair.strip()]
    if not all(len(pair) == 2 and pair[0] and pair[1].isdigit() for pair in pairs):
        return None
    return {field: int(length) for field, length in pairs}


def _steps(annotation: Any) -> dict:
    if annotation is int:
        return {"step": 1}
    # %g shows 0.001 as it is written, where two decimals would show 0.00
    return {"step": 0.01, "format": "%g", **({} if annotation is float else {"placeholder": t(NONE)})}


def _range(limits: Limits) -> str:
    """The limits of a number, as a sentence."""
    least, most = (f"{limit:,}" for limit in limits.values())
    match list(limits):
        case ["ge", "le"]:
            return t("From {least} to {most}.", least=least, most=most)
        case ["gt", "le"]:
            return t("Above {least}, up to {most}.", least=least, most=most)
        case ["ge", "lt"]:
            return t("From {least}, below {most}.", least=least, most=most)
        case _:
            return t("Above {least}, below {most}.", least=least, most=most)


def _field(key: str) -> tuple[Any, Limits]:
    """The type of a key and the limits of its numbers."""
    section, _, name = key.rpartition(".")
    field = (Config.model_fields[section].annotation if section else Config).model_fields[name]
    told = {
        kind: getattr(limit, kind)
        for kind in ("ge", "gt", "le", "lt")
        for limit in field.metadata
        if hasattr(limit, kind)
    }
    return field.annotation, told
