import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.title_ngrams import MAX_NGRAMS, title_ngrams

BUCKETS = 2**31 - 1
"""So many that no two n-grams of these tests share one."""


def ngrams(title):
    """The buckets of one title, without padding."""
    slots, weights = title_ngrams(pa.array([title], pa.string()), BUCKETS)
    return slots[0][weights[0] > 0].tolist()


def test_a_word_gives_its_letter_trigrams_with_the_boundaries_marked():
    """The paper's own example: #go goo ood od#."""
    go, goo, ood, od = ngrams("good")
    assert ngrams("goo")[0] == ngrams("go go")[2] == go != goo
    assert ngrams("wood")[2:] == [ood, od]
    assert len({go, goo, ood, od}) == 4


def test_chinese_gives_characters_and_pairs():
    foot, football, ball, ballsport, sport = ngrams("足球赛")
    assert ngrams("足") == [foot]
    assert ngrams("足球") == [foot, football, ball]
    assert ngrams("球赛") == [ball, ballsport, sport]
    assert ngrams("足 球，赛") == [foot, ball, sport], "no pair over a space or a mark"


@pytest.mark.parametrize("title, count", [("サッカー", 7), ("축구", 3), ("𠮷野家", 5), ("々", 1), ("・", 0)])
def test_kana_hangul_and_rare_characters_are_like_chinese(title, count):
    assert len(ngrams(title)) == count


@pytest.mark.parametrize("title, count", [("a", 1), ("2024", 4), ("it's", 3), ("мир", 3), ("हिन्दी", 6), ("❤️!", 0)])
def test_letters_digits_and_marks_of_any_other_script_make_words(title, count):
    assert len(ngrams(title)) == count


def test_scripts_end_each_others_words():
    assert ngrams("iPhone手机a") == ngrams("iphone") + ngrams("手机") + ngrams("a")


@pytest.mark.parametrize(
    "one, other", [("ＧＯＯＤ", "good"), ("STRASSE", "straße"), ("ｻｯｶｰ", "サッカー"), ("ﬁne", "fine")]
)
def test_widths_and_cases_are_the_same(one, other):
    assert ngrams(one) == ngrams(other)


def test_titles_stay_apart():
    slots, weights = title_ngrams(pa.array(["足", "", "球\n赛", "", "go"]), BUCKETS)
    assert weights.tolist() == [[1, 0], [0, 0], [0.5, 0.5], [0, 0], [0.5, 0.5]]
    assert slots[2].tolist() == [*ngrams("球"), *ngrams("赛")]
    assert slots[4].tolist() == ngrams("go")


def test_the_first_ngrams_of_a_long_title_are_kept():
    title = "".join(chr(0x4E00 + i) for i in range(50))
    slots, weights = title_ngrams(pa.array([title, title[:2]]), BUCKETS)
    assert slots.shape == (2, MAX_NGRAMS)
    assert slots[0].tolist()[:3] == ngrams(title[:2])
    assert weights[0].tolist() == [1 / 64] * 64
    assert np.count_nonzero(weights[1]) == 3


def test_buckets_are_the_same_on_every_machine():
    """SplitMix64 of the code points, 21 bits each, worked out by Python's own integers."""
    slots, _ = title_ngrams(pa.array(["good 足球"]), 20_000)
    assert slots.tolist() == [[2821, 674, 3611, 13961, 5934, 16768, 5056]]


def test_no_titles_at_all():
    slots, weights = title_ngrams(pa.array([], pa.string()), 100)
    assert slots.shape == weights.shape == (0, 1)


def test_more_titles_than_are_hashed_at_once():
    words = ["good", "足球", "", "bad news"]
    slots, weights = title_ngrams(pa.array(words * 20_000), 1000)
    some_slots, some_weights = title_ngrams(pa.array(words), 1000)
    np.testing.assert_array_equal(slots, np.tile(some_slots, (20_000, 1)))
    np.testing.assert_array_equal(weights, np.tile(some_weights, (20_000, 1)))


@given(st.lists(st.text(max_size=100), max_size=5), st.integers(1, 1000))
def test_any_text_gives_buckets_in_range_and_weights_of_1_or_none(titles, buckets):
    array = pa.array(titles, pa.string())
    slots, weights = title_ngrams(array, buckets)
    assert (slots.dtype, weights.dtype) == (np.int32, np.float32)
    assert slots.shape == weights.shape
    assert len(slots) == len(titles)
    assert 1 <= slots.shape[1] <= MAX_NGRAMS
    assert ((slots >= 0) & (slots < buckets)).all()
    sums = weights.sum(axis=1)
    assert (np.isclose(sums, 1) | (sums == 0)).all()
    assert (slots[weights == 0] == 0).all()
    for again, first in zip(title_ngrams(array, buckets), (slots, weights), strict=True):
        np.testing.assert_array_equal(again, first)
    for title, row, weight in zip(titles, slots, weights, strict=True):
        alone, _ = title_ngrams(pa.array([title]), buckets)
        assert row[weight > 0].tolist() == alone[0][: np.count_nonzero(weight)].tolist()
