import numpy as np
import pytest

from dssm_core.encodings import EncodingCheck, checked_encoding, doubt, readable, surely_foreign, told_encoding
from dssm_core.errors import UserError
from dssm_core.text_lines import Lines


def lines(*texts):
    """Lines of texts in UTF-8 and of bytes as they are."""
    return Lines.cut(b"".join((text.encode() if isinstance(text, str) else text) + b"\n" for text in texts))


def gb(text):
    return text.encode("gb18030")


def foreign(block, encoding, named=False, mixed=False):
    return np.flatnonzero(EncodingCheck(encoding, named, lambda: mixed).foreign(block)).tolist()


@pytest.mark.parametrize(
    ("sample", "encoding"),
    [
        (lines("标题,体育"), "utf-8"),
        (lines(gb("标题,体育")), "gb18030"),
        (lines("ascii"), "utf-8"),
        (lines("标题一", "标题二", gb("标题三")), "utf-8"),
        (lines(gb("标题一"), gb("标题二"), "标题三"), "gb18030"),
        (lines("Café", "дом", "ü"), "utf-8"),
        # fits UTF-8, as letters of three scripts in one word
        (lines(gb("模范")[:2] + gb("咬文")[:2] + gb("摹")), "gb18030"),
    ],
)
def test_the_encoding_is_the_one_most_lines_are_likelier_in(sample, encoding):
    assert told_encoding(sample.data) == encoding


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("标题", None),
        ("Pokémon in 东京", None),
        ("Pokémon", "weak"),
        ("créée", "weak"),
        ("20°C today", "weak"),
        ("名,ü", "strong"),
        (gb("模糊")[:2] * 2, "strong"),
        ("Привет", "weak"),
        ("ascii", None),
    ],
)
def test_a_line_that_fits_both_encodings_is_judged_by_its_fields(line, kind):
    assert doubt(line.encode() if isinstance(line, str) else line) == kind


def test_lines_of_gb18030_in_a_file_of_utf_8_are_found_even_where_they_fit():
    block = lines("标题一", gb("标题"), gb("模") + b",1", "Pokémon", "三")
    assert foreign(block, "utf-8") == [1, 2, 3]
    assert foreign(block, "utf-8", named=True) == [1]


def test_what_fits_both_is_believed_of_a_file_that_is_not_mixed():
    block = lines("标题一", "Pokémon", "20°C")
    assert foreign(block, "utf-8", mixed=False) == []
    assert foreign(block, "utf-8", mixed=True) == [1, 2]
    assert foreign(lines("Pokémon", gb("标题")), "utf-8") == [1]  # no Chinese, no doubt


def test_lines_of_utf_8_in_a_file_of_gb18030_are_found_by_their_fields():
    block = lines(gb("标题一"), gb("城市,") + "标题".encode(), gb("Live猫"), "Café")
    assert foreign(block, "gb18030") == [1, 2, 3]
    assert foreign(block, "gb18030", named=True) == [1]
    assert foreign(lines(gb("Live猫"), gb("标题")), "gb18030") == []


def test_a_mark_within_a_file_and_a_swapped_line_end_are_foreign():
    assert foreign(lines("u", "\ufeffu"), "utf-8") == [1]
    assert foreign(lines(gb("u"), gb("\ufeffu")), "gb18030") == [1]
    assert surely_foreign(lines("u", "\u0a00"), "utf-16-le").tolist() == [False, True]


def test_bytes_of_no_encoding_are_shown_by_their_codes():
    assert readable(b"u,\xff" + "名".encode(), "utf-8") == "u,\\xff名"
    assert readable("标题".encode(), "gb18030") == "标题"
    assert readable(b"u\xff," + gb("标题"), "gb18030") == "u\\xff,标题"


@pytest.mark.parametrize(("name", "known"), [("GBK", "gbk"), ("utf_8_sig", "utf-8"), ("UTF-16", "utf-16-le")])
def test_encodings_go_by_the_names_that_python_knows(name, known):
    assert checked_encoding(name) == known


@pytest.mark.parametrize("name", ["klingon", "utf-32", "rot13", "hex", "unicode_escape", "punycode"])
def test_what_is_no_encoding_of_lines_is_refused(name):
    with pytest.raises(UserError, match="unknown encoding"):
        checked_encoding(name)
