"""One fixed look per preset, strategy and baseline, the same on every page and in both themes."""

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dssm_core.presets import PRESETS

# chosen so that any two keep apart for the colour-blind, and each from both backgrounds; the theme has the same ones
BLUE, ORANGE, GREEN, PURPLE, RED, CYAN, GOLD, PINK, OLIVE, BROWN = HUES = (
    "#1B74DC",
    "#D4811D",
    "#1FA36B",
    "#AB82D2",
    "#DA615D",
    "#1D7062",
    "#B58E44",
    "#B5399B",
    "#6B6F12",
    "#975237",
)
GREY = "#8290A0"
"""Of everything that is there to compare with: baselines, cuts, reference lines."""

BASELINES = ("random", "popular", "recent_popular", "item_knn", "ease")
_SYMBOLS = ("x", "diamond", "square", "triangle-up", "cross")
_DASHES = ("dot", "dash", "longdash", "dashdot", "longdashdot")


@dataclass(frozen=True)
class Look:
    """How a preset or strategy is drawn: a colour; marker symbol, line dash and bar pattern as Plotly names them."""

    colour: str
    symbol: str = "circle"
    dash: str = "solid"
    pattern: str = ""


STRATEGY_LOOKS: dict[str, Look] = {
    "uniform": Look(GREEN),
    "popularity": Look(PURPLE),
    "ralm": Look(RED),
    "suppressed": Look(CYAN),
    "exposed": Look(GOLD),
    "funrec_mix": Look(PINK),
    "same_attribute": Look(OLIVE),
    "mined": Look(BROWN),
    "mixed": Look(ORANGE, "diamond", "dash"),
    # those that have the same q share a colour
    "in_batch": Look(BLUE),
    "in_batch_streaming": Look(BLUE, "square", "dot", "/"),
    "cross_batch": Look(BLUE, "diamond", "dash", "x"),
    "in_batch_hard": Look(BLUE, "triangle-up", "dashdot", "."),
}

# a preset that is named after a strategy looks like it
_PRESET_LOOKS = STRATEGY_LOOKS | {
    "recommended": Look(RED, "hexagon"),
    "in_batch_uncorrected": Look(ORANGE),
    "funrec": STRATEGY_LOOKS["funrec_mix"],
    "mined_alone": Look(BROWN, "square", "dot"),
    "senet": Look(PURPLE, "square", "dot"),
    "youtube": Look(RED, "square", "dot"),
    "deepmatch": Look(OLIVE, "square", "dot"),
    "id_cosine": Look(CYAN, "square", "dot"),
}

LOOKS: dict[str, Look] = {
    name: _PRESET_LOOKS.get(name, Look(HUES[i % len(HUES)], "hexagon"))
    for i, name in enumerate(p for p in PRESETS if p not in BASELINES)
}
LOOKS |= {name: Look(GREY, _SYMBOLS[i], _DASHES[i]) for i, name in enumerate(BASELINES)}


def look(preset: str) -> Look:
    """The look of a preset or baseline; one fixed look for every config without a preset."""
    return LOOKS.get(preset, Look(BROWN, "star"))


def ink(colour: str) -> str:
    """The colour of text on a colour: black or white, whichever stands out more by WCAG 2's relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # where both have a contrast of √21
    return "#000000" if luminance > 0.179 else "#FFFFFF"


def inks(scale: list[str], shares: np.ndarray) -> np.ndarray:
    """The colour of text on cells at `shares` (0 to 1) of a colour scale."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in scale])
    places = np.linspace(0, 1, len(scale))
    channels = np.stack([np.interp(shares.ravel(), places, stops[:, i]).round().astype(int) for i in range(3)], axis=-1)
    found = [ink(f"#{red:02X}{green:02X}{blue:02X}") for red, green, blue in channels]
    return np.array(found).reshape(shares.shape)


_FURTHER = (("square", "dash"), ("diamond", "dot"), ("triangle-up", "dashdot"), ("cross", "longdash"))
"""Symbols and dashes of runs whose own look is taken."""


def looks(presets: dict[str, str]) -> dict[str, Look]:
    """A look for each of some runs side by side, `presets` by run: that of its preset where no run before has it.

    A later run of the same colour and dash takes the next symbol and dash that are free; its own where none is.
    """
    found: dict[str, Look] = {}
    for run, preset in presets.items():
        own, taken = look(preset), {(one.colour, one.dash) for one in found.values()}
        others = (replace(own, symbol=symbol, dash=dash) for symbol, dash in _FURTHER)
        found[run] = next((one for one in (own, *others) if (one.colour, one.dash) not in taken), own)
    return found


def sequential() -> list[str]:
    """Ten colours from nothing, which is nearly the background, to all; of the theme that the session shows."""
    return st.get_option(f"theme.{_theme()}.chartSequentialColors")


def diverging() -> list[str]:
    """Ten colours from below 0, by way of nearly the background, to above; of the theme that the session shows."""
    return st.get_option(f"theme.{_theme()}.chartDivergingColors")


def _theme() -> str:
    drawn = get_script_run_ctx(suppress_warning=True) is not None
    return (drawn and st.context.theme.type) or "light"
