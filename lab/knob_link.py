"""Train's knobs in the page's address: the preset and what differs from it, so that a link or a reload restores them.

`?preset=in_batch&set=negatives.k=5&set=train.epochs=3`, and `like` for the run whose knobs were taken over.
"""

import streamlit as st

from dssm_core.config import KEYS, Config, settings_between, with_settings
from dssm_core.errors import UserError
from dssm_core.presets import PRESETS
from lab import address, knobs
from lab.language import t, told

_COMPLAINTS = "left out of the link"
"""Where the session keeps what is wrong with the link that the page was come to by."""


def take() -> None:
    """Turn the knobs to what the address says, when the page was just come to; else they stay as the session has
    them."""
    for preset in address.take("preset"):
        st.session_state[_COMPLAINTS] = _turn(preset, st.query_params.get_all("set"))
        st.session_state[knobs.LIKE] = st.query_params.get(knobs.LIKE, "")
    if "preset" not in st.session_state:
        _turn(next(iter(PRESETS)), [])


def write(preset: str, config: Config) -> None:
    """Put the knobs into the address."""
    wanted = {"preset": [preset], "set": settings_between(PRESETS[preset].config, config)}
    wanted[knobs.LIKE] = [like] if (like := st.session_state.get(knobs.LIKE)) else []
    for key, values in wanted.items():
        if st.query_params.get_all(key) != values:
            st.query_params[key] = values


def complaints() -> list[str]:
    """What of the link was left out, and why, in sentences."""
    return st.session_state.get(_COMPLAINTS, [])


def forget_complaints() -> None:
    """They were seen: another preset was chosen, or a run started."""
    st.session_state.pop(_COMPLAINTS, None)


def _turn(preset: str, settings: list[str]) -> list[str]:
    """Turn all knobs to a preset with settings over it; returns what had to be left out, in sentences."""
    left_out = []
    if preset not in PRESETS:
        first = next(iter(PRESETS))
        left_out.append(
            t("The link names the preset {preset}, which there is not: shown is {first}.", preset=preset, first=first)
        )
        preset = first
    config, bad = read(PRESETS[preset].config, settings)
    st.session_state["preset"] = preset
    knobs.set_all(config)
    return left_out + [t("Left out of the link: {reason}.", reason=told(str(error))) for error in bad]


def read(config: Config, settings: list[str]) -> tuple[Config, list[UserError]]:
    """The config with the settings that can be had, and why the others cannot."""
    refused = {setting: why for setting in settings if (why := _refused(setting))}
    known, bad = [setting for setting in settings if setting not in refused], list(refused.values())
    try:  # together, since one may need another
        return with_settings(config, known), bad
    except UserError:
        pass
    for setting in known:
        try:
            config = with_settings(config, [setting])
        except UserError as error:
            bad.append(error)
    return config, bad


def _refused(setting: str) -> UserError | None:
    """Why a setting is none of those that a page's knobs can be turned to, before its value is looked at."""
    key = setting.partition("=")[0].strip()
    if key == "model":
        return UserError(f"{setting!r}, since the preset says what is trained")
    return None if key in KEYS else UserError(f"{setting!r}, since there is no such knob")
