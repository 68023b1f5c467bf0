import gzip

import pytest

from dssm_core.byte_source import byte_source
from dssm_core.errors import UserError


def read(path, count=1000, encoding=None):
    with byte_source(path, encoding) as source:
        return source.read(count), source


def written(tmp_path, data):
    (tmp_path / "log.txt").write_bytes(data)
    return tmp_path / "log.txt"


def test_gzip_is_told_by_content_and_all_its_members_are_read(tmp_path):
    path = written(tmp_path, gzip.compress(b"one ") + gzip.compress(b"two"))
    assert read(path)[0] == b"one two"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\x84\x31\x95\x33"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path, mark):
    data, source = read(written(tmp_path, mark + b"u,a\n"), count=3)
    assert (data, source.mark) == (b"u,a", {0: None, 3: "utf-8", 4: "gb18030"}[len(mark)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"x" * 1000)[:-9], "cut off in the middle"),
        (gzip.compress(b"x" * 1000)[:-8] + b"12345678", "is damaged"),
        (gzip.compress(b"x" * 1000) + b"rubbish", "is damaged"),
    ],
    # gzip holds the time, so that two processes would name the cases differently
    ids=["cut", "changed", "with more behind it"],
)
def test_gzip_that_is_not_whole_is_refused(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        read(written(tmp_path, data), 2000)


def test_what_comes_out_of_gzip_is_capped(tmp_path, monkeypatch):
    path = written(tmp_path, gzip.compress(b"x" * 1000))
    monkeypatch.setenv("DSSM_MOST_BYTES", "1000")
    assert len(read(path, 2000)[0]) == 1000
    monkeypatch.setenv("DSSM_MOST_BYTES", "999")
    with pytest.raises(UserError, match=r"unpacks to more than 999 bytes: .* DSSM_MOST_BYTES"):
        read(path, 2000)
    monkeypatch.setenv("DSSM_MOST_BYTES", "much")
    with pytest.raises(UserError, match="DSSM_MOST_BYTES is 'much'"):
        read(path)


def test_utf_16_is_read_as_utf_8_and_what_is_none_stays_none(tmp_path):
    path = written(tmp_path, "\ufeff新闻😀\ud800a".encode("utf-16-le", "surrogatepass") + b"a")
    with byte_source(path, "utf-16-le") as source:
        data = b"".join(iter(lambda: source.read(2), b""))
    assert data == "新闻😀".encode() + b"\xed\xa0\x80" + b"a" + b"\xff"
