import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.key_words import MAX_KEY_WORDS, parse_key_words


def parse(text):
    """The words of one text with their weights."""
    _, words, weights = parse_key_words(pa.array([text], pa.string()))
    return dict(zip(words.to_pylist(), weights.tolist(), strict=True))


def test_words_come_heaviest_first_and_their_weights_sum_to_1():
    rows, words, weights = parse_key_words(pa.array(["^足球:1,中国队:3", "unknown", "^x:7"]))
    assert rows.tolist() == [0, 0, 2]
    assert words.to_pylist() == ["中国队", "足球", "x"]
    assert weights.tolist() == [0.75, 0.25, 1]
    assert weights.dtype == np.float32


@pytest.mark.parametrize(
    "word", ["3:0", "10,000元", "12:30", "1:1配比", "5,000亿", "2:1", "A:B面", "100,000+", "a/b|c;d"]
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_word_may_hold_the_separators(word, place):
    entries = ["plain:0.5"]
    entries.insert(place, f"{word}:0.5")
    assert parse("^" + ",".join(entries)) == {"plain": 0.5, word: 0.5}


@pytest.mark.parametrize("text", ["a,b", "a|b", "a;b", "a/b", " a ,, b", "a，b", "a、b", "^a,b", "^a|b", "a,unknown,b"])
def test_a_list_without_weights_shares_them_equally(text):
    assert parse(text) == {"a": 0.5, "b": 0.5}


def test_a_list_with_weights_needs_no_mark():
    assert parse("a:1,b:3") == {"b": 0.75, "a": 0.25}
    assert parse("3:0,a") == {"3:0": 0.5, "a": 0.5}, "a colon alone makes no weights"


@pytest.mark.parametrize("text", ["", "unknown", "^", ",", "^a:0", "^a:-1", "^a:1e999", "^:1", "^unknown:1"])
def test_nothing_to_keep(text):
    assert parse(text) == {}


@pytest.mark.parametrize("text", ["^a:1,b", "^a:1,b:0", "^ a : 1 ", "^a:1e-3", "^a:.5,", "a:2.5"])
def test_words_without_a_weight_are_left_out_of_weighted_ones(text):
    assert parse(text) == {"a": 1}


def test_the_heaviest_are_kept():
    weights = [3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26]
    found = parse("^" + ",".join(f"w{weight}:{weight}" for weight in weights))
    kept = sorted(weights, reverse=True)[:MAX_KEY_WORDS]
    assert list(found) == [f"w{weight}" for weight in kept]
    np.testing.assert_allclose(list(found.values()), np.array(kept) / sum(kept), rtol=1e-6)


def test_words_of_the_same_weight_stay_in_their_order():
    assert list(parse(",".join("lkjihgfedcba"))) == list("lkjihgfedc")


@given(st.lists(st.text(st.sampled_from("a足:,^|/;.05 \n\x1f\x1e-"), max_size=30), max_size=5))
def test_any_text_gives_few_words_whose_weights_sum_to_1(texts):
    rows, words, weights = parse_key_words(pa.array(texts, pa.string()))
    assert len(rows) == len(words) == len(weights)
    assert (np.diff(rows) >= 0).all()
    assert (weights > 0).all()
    counts, sums = np.bincount(rows, minlength=len(texts)), np.bincount(rows, weights, minlength=len(texts))
    assert counts.max(initial=0) <= MAX_KEY_WORDS
    np.testing.assert_allclose(sums[counts > 0], 1, rtol=1e-5)
    assert not {"", "unknown"} & set(words.to_pylist())
