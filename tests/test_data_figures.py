import html

import pytest

from lab import data_figures

COUNTS = {"rows_in": 1000, "accepted": 940, "set_aside": {"ragged row": 10, "duplicate": 50}}


def test_each_bar_of_the_funnel_begins_where_the_one_above_it_ends():
    (bars,) = data_figures.funnel(COUNTS, "exposures").data
    assert list(bars.y) == ["rows in", "ragged row", "duplicate", "accepted"]
    assert list(bars.x) == [1000, 10, 50, 940]
    assert list(bars.base) == [0, 990, 940, 0]


def test_every_bar_of_the_funnel_has_its_count_and_share():
    layout = data_figures.funnel(COUNTS, "exposures").layout
    assert [note.text for note in layout.annotations] == ["1,000 (100.0%)", "10 (1.0%)", "50 (5.0%)", "940 (94.0%)"]
    assert layout.xaxis.title.text == "rows of exposures"


def test_its_title_says_how_much_was_accepted_and_what_the_rest_fell_to():
    assert data_figures.says_read(COUNTS, "exposures") == (
        "94.0% of the 1,000 rows of exposures were accepted; most of the others: duplicate"
    )
    whole = {"rows_in": 7, "accepted": 7, "set_aside": {}}
    assert data_figures.says_read(whole, "users") == "All 7 rows of users were accepted"


@pytest.mark.parametrize("counts", [COUNTS, {"rows_in": 2, "accepted": 1, "set_aside": {"<b>x</b>": 1}}])
def test_its_text_fits_a_phone_and_is_escaped(counts):
    figure = data_figures.funnel(counts, "exposures")
    assert all(len(html.unescape(line)) <= 46 for line in figure.layout.title.text.split("<br>"))
    assert not any("<b>" in label for label in figure.data[0].y)
