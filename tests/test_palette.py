from lab import palette


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
