"""One fixed look per preset, strategy and baseline, the same on every page and in both themes."""

from dataclasses import dataclass

from dssm_core.presets import PRESETS

BLUE, ORANGE, GREEN, PURPLE, RED, CYAN, GOLD, PINK, OLIVE, BROWN = HUES = (
    "#2F7DC4",
    "#D9730D",
    "#1F9E77",
    "#8A63D2",
    "#D1495B",
    "#1793A5",
    "#A67C00",
    "#C2559B",
    "#71822A",
    "#A0694B",
)
GREY = "#8290A0"
"""Of everything that is there to compare with: baselines, cuts, reference lines."""

BASELINES = ("random", "popular", "recent_popular", "item_knn", "ease")
_SYMBOLS = ("x", "diamond", "square", "triangle-up", "cross")
_DASHES = ("dot", "dash", "longdash", "dashdot", "longdashdot")


@dataclass(frozen=True)
class Look:
    """How a preset is drawn: a colour, and a marker symbol and a line dash as Plotly names them."""

    colour: str
    symbol: str = "circle"
    dash: str = "solid"


LOOKS: dict[str, Look] = {
    name: Look(HUES[i % len(HUES)]) for i, name in enumerate(p for p in PRESETS if p not in BASELINES)
}
LOOKS |= {name: Look(GREY, _SYMBOLS[i], _DASHES[i]) for i, name in enumerate(BASELINES)}


def look(preset: str) -> Look:
    """The look of a preset or baseline; one fixed look for every config without a preset."""
    return LOOKS.get(preset, Look(BROWN, "star"))
