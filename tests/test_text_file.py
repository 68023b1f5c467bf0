"""Damage of every kind in text files: which rows it costs, and why."""

import gzip
import itertools
from dataclasses import replace

import numpy as np
import pytest

from dssm_core import text_lines
from dssm_core.errors import UserError
from dssm_core.input_files import TextOptions, open_file, read_again
from dssm_core.line_set import LineSet
from dssm_core.text_lines import MOST_ROW_BYTES, Lines

HEADER = b"user_id,article_id,title\n"
OPTIONS = TextOptions(separator=",", header=True)


def read(tmp_path, rows, options=OPTIONS):
    """The rows by their line, and the unread."""
    (tmp_path / "log.csv").write_bytes(HEADER + rows)
    out, unread = {}, []
    for batch in open_file(tmp_path / "log.csv", options).batches(lambda done: None):
        rows = [tuple(row.values()) for row in batch.rows.to_pylist()]
        out |= dict(zip(batch.lines.tolist(), rows, strict=True))
        unread += batch.unread
    return out, unread


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (b"u\0,a,t", "NUL byte"),
        (b"u,a", "ragged row"),
        (b"u,a,t,more", "ragged row"),
        (b"u,a,\xff", "bad encoding"),
        (b'u,a,"t', "bad quotes"),
        (b'u,"a"b,t', "bad quotes"),
        (b"\xef\xbb\xbfu,a,t", "bad encoding"),
        (b"u,a," + b"t" * MOST_ROW_BYTES, "row too long"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_damaged_line_is_set_aside_alone(tmp_path, damage, reason, end):
    rows, unread = read(tmp_path, b"u1,a1,t1" + end + damage + end + end + b"u2,a2,t2" + end)
    assert rows == {2: ("u1", "a1", "t1"), 5: ("u2", "a2", "t2")}
    assert [row[:2] for row in unread] == [(3, reason)]


def test_lines_may_end_in_every_way_and_the_last_in_none(tmp_path):
    rows, unread = read(tmp_path, b"u1,a1,1\ru2,a2,2\r\nu3,a3,3\n\n\ru4,a4,4")
    assert ([row[0] for row in rows.values()], list(rows), unread) == (["u1", "u2", "u3", "u4"], [2, 3, 4, 7], [])


def test_a_quote_within_a_field_is_a_character_as_others(tmp_path):
    assert read(tmp_path, b'u,a,5" disc\nv,b,he said "no"\n')[0] == {
        2: ("u", "a", '5" disc'),
        3: ("v", "b", 'he said "no"'),
    }


def test_a_quoted_field_may_go_on_over_lines(tmp_path):
    rows, unread = read(tmp_path, b'u,a,"one\r\n\r\ntwo, ""three"""\nv,b,t\n')
    assert rows == {2: ("u", "a", 'one\r\n\r\ntwo, "three"'), 5: ("v", "b", "t")}
    assert not unread


@pytest.mark.parametrize("inner", [b"u2,a2,t2\n", b'u2,a2,"t2"\nu3,a3,t3\n', b"", b"u2,a2,t2\nragged\n"])
def test_two_stray_quotes_do_not_swallow_the_rows_between_them(tmp_path, inner):
    rows, unread = read(tmp_path, b'u1,a1,"t1\n' + inner + b'u9,a9,t9"\nu10,a10,t\n')
    assert [row[0] for row in rows.values()] == [
        *(line.split(b",")[0].decode() for line in inner.splitlines() if b"," in line),
        "u9",
        "u10",
    ]
    assert unread[0] == (2, "bad quotes", 'u1,a1,"t1')


@pytest.mark.parametrize("block", [16, 64, 1000])
def test_rows_over_lines_do_not_depend_on_where_the_blocks_end(tmp_path, monkeypatch, block):
    monkeypatch.setattr(text_lines, "_BLOCK_BYTES", block)
    text = b"".join(b'u%d,a%d,"t\n%d"\n' % (i, i, i) for i in range(200)) + b'u,a,"open\nv,b,t\n'
    rows, unread = read(tmp_path, text)
    assert [row[2] for row in rows.values()] == [*(f"t\n{i}" for i in range(200)), "t"]
    assert unread == [(402, "bad quotes", 'u,a,"open')]


@pytest.mark.parametrize("block", [1 << 20, 16])
@pytest.mark.parametrize("quoted", [True, False])
def test_chosen_rows_are_read_again_as_they_were(tmp_path, monkeypatch, block, quoted):
    monkeypatch.setattr(text_lines, "_BLOCK_BYTES", block)
    path = tmp_path / "log.csv"
    path.write_bytes('a,b\n1,x\n2,"two\nlines"\nragged\n3,"y"\n\n4,中文\n5,\xe9\n6,last'.encode() + b"\n7,\xff\n8")
    file = replace(open_file(path, OPTIONS), quoted=quoted)
    rows = {
        line: row
        for batch in file.batches(lambda done: None)
        for line, row in zip(batch.lines.tolist(), batch.rows.to_pylist(), strict=True)
    }
    for chosen in itertools.chain(itertools.combinations(rows, 1), itertools.combinations(rows, 2)):
        lines = LineSet(max(rows))
        lines.add(np.array(chosen))
        again = list(read_again(file, lines).batches(lambda done: None))
        assert [line for batch in again for line in batch.lines.tolist()] == list(chosen)
        assert [row for batch in again for row in batch.rows.to_pylist()] == [rows[line] for line in chosen]
        assert not any(batch.unread for batch in again)


def test_an_endless_line_costs_one_row_and_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "_BLOCK_BYTES", 1 << 16)
    rows, ((line, reason, text),) = read(tmp_path, b"u1,a1,t\nu,a," + b"x" * (5 << 20) + b"\r\nu2,a2,t\n")
    assert (list(rows), line, reason) == ([2, 4], 3, "row too long")
    assert len(text) < 2000 and text.startswith("u,a,xxx")


def test_a_file_cut_within_a_character_loses_its_last_row_alone(tmp_path):
    rows, unread = read(tmp_path, "u1,a1,标题\nu2,a2,标题".encode()[:-1])
    assert (list(rows), unread) == ([2], [(3, "bad encoding", "u2,a2,标\\xe9\\xa2")])


def test_only_utf_16_of_whole_characters_is_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("\ufeffuser_id,article_id\nu1,新闻\nu2,\ud800\nu3,体育\n".encode("utf-16-be", "surrogatepass"))
    (batch,) = open_file(path).batches(lambda done: None)
    assert batch.rows.column(1).to_pylist() == ["新闻", "体育"]
    assert batch.unread == [(3, "bad encoding", "u2,\\xed\\xa0\\x80")]


def test_utf_16_without_a_mark_is_told_but_not_guessed(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("user_id,article_id\nu1,新闻\n".encode("utf-16-le"))
    with pytest.raises(UserError, match="looks like UTF-16 without a mark"):
        open_file(path)
    assert open_file(path, TextOptions("utf-16-le")).names == ("user_id", "article_id")


def test_gb18030_far_into_a_file_is_found(tmp_path):
    text = b"u,a,t\n" * 300_000 + "u,a,新闻标题".encode("gb18030")
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(HEADER + text))
    assert open_file(tmp_path / "log.csv.gz", OPTIONS).encoding == "gb18030"


def test_lines_are_cut_and_kept_as_they_are():
    lines = Lines.cut(b"a\r\nb\rc\n\nd")
    assert [lines[i] for i in range(len(lines))] == [b"a", b"b", b"c", b"", b"d"]
    kept = lines.kept(lines.numbers != 2)
    assert (kept.data, kept.numbers.tolist()) == (b"a\r\nc\n\nd", [1, 3, 4, 5])
    assert [kept[i] for i in range(len(kept))] == [b"a", b"c", b"", b"d"]
