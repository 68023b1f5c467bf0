import re

import pytest

from lab import words


def test_datasets_of_one_name_made_in_the_same_second_are_told_apart():
    made = {"name": "demo", "created": 1_700_000_000.0, "bundled": False}
    labels = words.dataset_names([{**made, "id": "one"}, {**made, "id": "two"}])
    assert len(set(labels.values())) == 2


def test_a_share_never_reads_as_none_or_all_where_it_is_neither():
    assert words.share(0, 7) == "0.0%"
    assert words.share(7, 7) == "100.0%"
    assert words.share(1, 3) == "33.3%"
    assert words.share(4, 10_000) == "0.04%"
    assert words.share(99_999, 100_000) == "99.999%"
    assert words.share(1, 10**8) == "under 0.001%"
    assert words.share(10**8 - 1, 10**8) == "over 99.999%"
    assert words.share(0, 0) == "n/a"


def test_names_of_columns_are_told_apart():
    assert words.distinct(("", "a", "a", "b", "")) == ["(1)", "a", "a (2)", "b", "(2)"]


def test_how_a_file_was_read_is_one_phrase():
    text = {"kind": "text", "encoding": "gb18030", "separator": "\t", "header": False}
    assert words.read_as(text) == "GB18030 text, separated by tab, without a header"
    assert words.read_as(text | {"separator": "::", "header": True}).endswith("separated by '::', with a header")
    assert words.read_as({"kind": "Parquet", "encoding": None, "separator": None, "header": None}) == "Parquet"


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("http://evil.example", "://"),
        ("www.evil.example", "www."),
        ("a@evil.example", "@evil"),
        (":material/skull:", ":material"),
        (":streamlit:", ":streamlit"),
        ("a->b", "->"),
        ("a--b", "--"),
        ("&lt;b&gt;", "&"),
        ("a\n\n    code", "\n"),
        ("\u202egpj.exe", "\u202e"),
    ],
)
def test_nothing_in_a_text_is_left_that_streamlit_makes_a_link_an_icon_or_a_sign_of(text, never):
    assert never not in words.as_markdown(text).replace("\\&", "").replace("\\", "")


def test_a_plain_text_stays_as_it_is_in_markdown_and_html():
    assert words.as_markdown("Übung für 用户 seven") == words.as_html("Übung für 用户 seven") == "Übung für 用户 seven"


def test_plotly_gets_neither_tags_nor_marks_that_turn_the_direction():
    assert words.as_html("<b>a</b>\u202e&lt;") == "&lt;b&gt;a&lt;/b&gt;&amp;lt;"


def test_a_text_between_dollars_is_no_formula_to_plotly():
    assert words.as_html("$$x$$").replace("\u2060", "") == "$$x$$"
    assert not re.match(r"\s*\$", words.as_html("$x$"))
