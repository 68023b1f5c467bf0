import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.cleaning import (
    REASONS,
    ClickRule,
    Verdicts,
    duplicates,
    most_probable,
    to_clicks,
    to_integers,
    to_optional_integers,
)
from dssm_core.errors import UserError


def texts(*values):
    return pa.array(values, pa.string())


def test_the_first_reason_stands():
    verdicts = Verdicts(3)
    verdicts.reject(np.array([True, False, False]), "missing id")
    verdicts.reject(np.array([True, True, False]), "bad time")
    assert verdicts.accepted.tolist() == [False, False, True]
    assert verdicts.reasons.tolist() == ["missing id", "bad time"]
    assert set(verdicts.reasons) <= set(REASONS)


def test_integers_are_exact_and_nothing_else_is_one():
    values, ok = to_integers(texts("7", "-3", "123456789012345678", "12.0", "", "0x10", "1e3", "1.5", " 1", "x", "1\n"))
    assert ok.tolist() == [True, True, True, True] + [False] * 7
    assert values[:4].tolist() == [7, -3, 123456789012345678, 12]


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1))
def test_every_integer_survives(values):
    read, ok = to_integers(texts(*map(str, values)))
    assert ok.all() and read.tolist() == values


def test_an_optional_number_that_cannot_be_read_is_minus_one():
    assert to_optional_integers(texts("5", "", "x")).tolist() == [5, -1, -1]


def test_clicks_are_ones_and_zeros_in_their_usual_spellings():
    clicked, ok = to_clicks(texts("1", "0", "1.0", "true", "False", "2", ""))
    assert clicked.tolist() == [True, False, True, True, False, False, False]
    assert ok.tolist() == [True, True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A_0_24:0.40,A_25_29:0.06,A_30_39:0.51,A_40+:0.02", "A_30_39"),
        ("female:0.36,male:0.64", "male"),
        ("male:1e-05,female:.5", "female"),
        ("a:0.5,b:0.5", "a"),
        ("", "unknown"),
        ("上海", "unknown"),
        ("a:0.5,b", "unknown"),
        ("a:x", "unknown"),
    ],
)
def test_the_most_probable_label_is_taken(text, label):
    assert most_probable(texts("x:1", text, "y:0.2,z:0.8")).to_pylist() == ["x", label, "z"]
    assert most_probable(texts()).to_pylist() == []


def test_of_duplicates_the_first_clicked_stays():
    user = np.array([1, 1, 1, 2, 2, 3])
    article = np.array([5, 5, 5, 5, 5, 5])
    time = np.array([9, 9, 9, 9, 9, 9])
    click = np.array([False, True, True, False, False, True])
    assert duplicates(user, article, time, click).tolist() == [True, False, True, False, True, False]


def test_without_times_the_same_user_and_article_is_a_duplicate():
    user, article, click = np.array([1, 1, 1]), np.array([5, 6, 5]), np.array([False, True, False])
    assert duplicates(user, article, None, click).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("rating>=4", [True, False, True, False, False]),
        ("rating > 4", [False, False, True, False, False]),
        ("rating<=4.0", [True, True, False, False, False]),
        ("rating<4", [False, True, False, False, False]),
        ("rating==4", [True, False, False, False, False]),
        ("rating!=4", [False, True, True, True, True]),
        ("rating==NA", [False, False, False, True, False]),
        ("rating==", [False, False, False, False, True]),
        ("rating>=4 & why==like", [True, False, False, False, False]),
    ],
)
def test_a_click_rule_compares_numbers_as_numbers_and_texts_as_texts(rule, expected):
    columns = {"rating": texts("4.0", "3.5", "10", "NA", ""), "why": texts("like", "like", "no", "like", "like")}
    assert ClickRule.parse(rule).clicked(columns).tolist() == expected


@pytest.mark.parametrize("rule", ["rating", "rating=4", ">=4", "rating>=4 &", "rating=>x &"])
def test_a_rule_that_cannot_be_read_is_refused_with_an_example(rule):
    with pytest.raises(UserError, match=r"cannot read the click rule .* such as rating>=4"):
        ClickRule.parse(rule)
