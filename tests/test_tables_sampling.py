"""The tables of the Sampling lab, on numbers made by hand."""

import numpy as np
import pytest

from dssm_core.inspection import Shares, TrainFacts
from dssm_core.split import Split
from dssm_core.train_counts import count_train
from lab import tables, words
from tests.conftest import HOUR, MONDAY, make_dataset

NONE = (np.nan, np.nan, np.nan)


def shares(false, same, never=(0.02, 0.01, 0.03)) -> Shares:
    zero = (0.0, 0.0, 0.0002)
    measured = {"false negative": false, "never exposed": never, "same category": same}
    return Shares({**measured, "drawn again": zero, "topped up": zero}, 20_000, 4000, 300, 1234)


FEW, MANY = (0.0001, 0.0, 0.0002), (0.012, 0.01, 0.014)
EASY, HARD = (0.1, 0.09, 0.11), (0.5, 0.4, 0.6)


@pytest.fixture(scope="module")
def small():
    """u clicked a (sport) on Monday; c (sport) later. b (music) was shown to u, d to nobody."""
    rows = [("u", "a", MONDAY + HOUR, 1), ("u", "b", MONDAY + HOUR, 0), ("u", "c", MONDAY + 9 * HOUR, 1)]
    made = {"a": 0, "b": -1, "c": 0, "d": 3}
    articles = {
        name: {"ctime": MONDAY + hours * HOUR, "cate": "music" if name == "b" else "sport", "title": name.upper()}
        for name, hours in made.items()
    }
    dataset = make_dataset(rows, articles)
    none, pool = np.zeros(0, np.int64), np.array([1, 2, 3, 4], np.int32)
    split = Split("random", np.array([0, 1]), none, np.array([2]), pool, pool, None, None)
    return dataset, TrainFacts.of(dataset, split, count_train(dataset, split))


def test_shares_are_texts_with_intervals_a_column_a_strategy():
    table = tables.sampling_shares({"ralm": shares(FEW, EASY), "exposed": shares(MANY, HARD)})
    assert table.columns.tolist() == ["share of the negatives", "ralm", "exposed"]
    cells = table.set_index("share of the negatives")["exposed"].str.replace("\u2060", "")
    assert cells["false negatives"] == "1.2% (1.0–1.4)"
    assert cells["drawn again"] == "0% (0–0.020)"
    assert cells["distinct articles"] == "1,234 of 20,000"


def test_a_share_that_no_strategy_has_is_left_out():
    table = tables.sampling_shares({"ralm": shares(FEW, NONE)})
    assert "same category" not in table["share of the negatives"].tolist()


def test_what_to_conclude_needs_intervals_that_lie_apart():
    told = tables.says_shares({"ralm": shares(FEW, EASY), "exposed": shares(MANY, HARD)})
    assert told == (
        "exposed draws the most false negatives, 1.2%; ralm the fewest, 0.010%. "
        "exposed draws from the clicked article's category most, 50.0%; ralm least, 10.0%."
    )
    told = tables.says_shares({"ralm": shares(FEW, EASY), "uniform": shares((0.00015, 0.0001, 0.001), EASY)})
    assert told == "No strategy shown here clearly draws more false negatives than another."


def test_one_strategy_alone_is_told_in_a_sentence():
    assert tables.says_shares({"ralm": shares(MANY, HARD)}) == (
        "Of the negatives of ralm, 1.2% are clicked by their user later and 2.0% were never exposed; "
        "50.0% are in the clicked article's category."
    )
    assert tables.says_shares({"ralm": shares(MANY, NONE)}).endswith("2.0% were never exposed.")


def test_drawn_negatives_have_their_popularity_their_age_and_their_flags(small):
    dataset, facts = small
    table = tables.drawn(dataset, facts, np.array([2, 3, 4]), (1, 1, MONDAY + 5 * HOUR))
    assert table["title"].tolist() == ["B", "C", "D"]
    assert table["flags"].tolist() == [
        "",
        "clicked later, never exposed, same category",
        "never exposed, same category",
    ]
    assert table["age (h)"].tolist() == [6, 5, 2]
    assert table["exposures"].tolist() == [1, 0, 0]
    assert table["clicks"].tolist() == [0, 0, 0]
    assert table[tables.TO_USER].tolist() == ["✓", "", ""]
    assert len(tables.drawn(dataset, facts, np.zeros(0, np.int32), (1, 1, MONDAY))) == 0


@pytest.mark.parametrize(
    ("share", "text"),
    [
        ((0.5, 0.4, 0.6), "50.0% (40.0–60.0)"),
        ((0.004, 0.003, 0.005), "0.40% (0.30–0.50)"),
        ((0.00005, 0.0, 0.0001), "0.005% (0–0.010)"),
        ((0.2, np.nan, np.nan), "20.0%"),
        (NONE, "n/a"),
    ],
)
def test_small_shares_have_the_decimals_they_need(share, text):
    assert words.fine_interval(*share) == text
