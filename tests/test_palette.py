import itertools
import tomllib

import numpy as np
import pytest

from lab import palette
from tests.serving import ROOT

CONFIG = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
SIGHTS = {
    "all": np.eye(3),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
}
"""What is seen of the light's red, green and blue (Machado, Oliveira & Fernandes 2009, table 1, severity 1)."""
_THEMES = ("light", "dark")
_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
"""CIE XYZ of sRGB's primaries (IEC 61966-2-1)."""


def test_runs_side_by_side_are_told_apart_whatever_their_presets():
    presets = dict.fromkeys(("a", "b", "c"), "in_batch") | {"d": "cross_batch", "e": "popular", "f": "no preset"}
    looks = palette.looks(presets)
    assert looks["a"] == palette.look("in_batch") and looks["e"] == palette.look("popular")
    assert len({(look.colour, look.dash) for look in looks.values()}) == len(presets)
    assert all(looks[run].colour == palette.look(preset).colour for run, preset in presets.items())


def test_more_runs_of_a_preset_than_there_are_dashes_still_have_a_look():
    assert len(palette.looks({str(run): "uniform" for run in range(30)})) == 30


def test_the_presets_that_are_offered_first_differ_by_colour():
    assert len({palette.look(preset).colour for preset in ("recommended", "in_batch", "uniform", "funrec")}) == 4


def test_the_theme_draws_with_the_same_colours():
    for theme in _THEMES:
        assert tuple(CONFIG["theme"][theme]["chartCategoricalColors"]) == palette.HUES


@pytest.mark.parametrize("sight", [*SIGHTS])
def test_any_two_colours_keep_apart_for_whoever_sees_fewer(sight):
    lab = [_lab(np.clip(SIGHTS[sight] @ _linear(hue), 0, 1)) for hue in (*palette.HUES, palette.GREY)]
    apart = [np.linalg.norm(one - other) for one, other in itertools.combinations(lab, 2)]
    assert min(apart) > 12


@pytest.mark.parametrize("theme", _THEMES)
def test_every_colour_stands_out_on_the_background_and_every_text_can_be_read(theme):
    colours = CONFIG["theme"][theme]
    assert all(_contrast(hue, colours["backgroundColor"]) >= 3 for hue in (*palette.HUES, palette.GREY))
    for background in (colours["backgroundColor"], colours["sidebar"]["backgroundColor"]):
        assert _contrast(colours["textColor"], background) >= 7
        assert _contrast(_faded(colours["textColor"], background), background) >= 4.5
        assert _contrast(colours["linkColor"], background) >= 4.5


def _linear(colour: str) -> np.ndarray:
    """The colour's red, green and blue as light, 0 to 1."""
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of light in sRGB's primaries, white point D65."""
    share = _XYZ @ light / _XYZ.sum(axis=1)
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("scale", ["chartSequentialColors", "chartDivergingColors"])
@pytest.mark.parametrize("theme", _THEMES)
def test_text_on_every_colour_of_a_scale_can_be_read(theme, scale):
    stops = CONFIG["theme"][theme][scale]
    between = [_between(one, other, part) for one, other in itertools.pairwise(stops) for part in np.linspace(0, 1, 9)]
    inks = palette.inks(stops, np.concatenate([i + np.linspace(0, 1, 9) for i in range(9)]) / 9)
    assert all(_contrast(ink, colour) >= 4.5 for ink, colour in zip(inks, between, strict=True))


def _between(one: str, other: str, part: float) -> str:
    mixed = [round((1 - part) * int(one[i : i + 2], 16) + part * int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{value:02X}" for value in mixed)


@pytest.mark.parametrize("hue", [*palette.HUES, palette.GREY])
def test_text_on_a_colour_can_be_read(hue):
    assert _contrast(palette.ink(hue), hue) >= 4.5


def _contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours."""
    low, high = sorted(float(_XYZ[1] @ _linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _faded(text: str, background: str) -> str:
    """The colour of captions: three fifths of the text's over the background."""
    mixed = [round(0.6 * int(text[i : i + 2], 16) + 0.4 * int(background[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{value:02x}" for value in mixed)
