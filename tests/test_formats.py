import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core import text_lines
from dssm_core.canonical import CANONICAL
from dssm_core.errors import UserError
from dssm_core.format_generic import open_generic
from dssm_core.format_yidian import open_yidian
from dssm_core.formats import FORMATS, find_format
from dssm_core.input_files import TextOptions, first_rows, open_file

ROW = "u1\ta1\t1624843756147\t5\t0\t16\t1\t20\n"


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def read(table, progress=lambda done: None):
    """All rows as a list of tuples in the table's own columns, their lines, and the unread rows."""
    rows, lines, unread = [], [], []
    for batch in table.file.batches(progress):
        columns = [batch.rows.column(column).to_pylist() for column in table.columns.values()]
        rows += list(zip(*columns, strict=True))
        lines += batch.lines.tolist()
        unread += batch.unread
    return rows, lines, unread


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_it_is_and_refuses_a_file_that_is_not_there(name, tmp_path):
    assert FORMATS[name].summary and FORMATS[name].timezone
    for table in FORMATS[name].tables:
        with pytest.raises(UserError, match="no such file"):
            FORMATS[name].open_table(tmp_path / "gone.csv", table, {}, TextOptions())


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(UserError, match=r"unknown format 'yidan': one of ebnerd, generic, mind, movielens, yidian"):
        find_format("yidan")


HEADER = "user_id\tarticle_id\texpo_time\tnet_status\tflush_nums\texop_position\tclick\tduration\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [(ROW, 1), ("\t" + HEADER + "0\t" + ROW, 2), (HEADER + ROW, 2), ("0\t" + ROW, 1), ("\n" + HEADER + ROW, 3)],
    ids=["headerless", "header and index", "header", "index", "blank line first"],
)
def test_a_yidian_log_is_read_with_and_without_header_and_index(tmp_path, text, line):
    table = open_yidian(write(tmp_path / "log.txt", text), "exposures", {})
    rows, _, unread = read(table)
    assert rows == [("u1", "a1", "1624843756147", "5", "0", "16", "1", "20")]
    assert list(table.columns) == [*HEADER.split()[:5], "expo_position", "click", "duration"]
    assert not unread


def test_yidian_users_are_read_either_way(tmp_path):
    user = "u1\tvivo\tAndroid\t上海\t上海\tA_0_24:1\tmale:1\n"
    header = "\t" + "\t".join(CANONICAL["users"]) + "\n"
    for text in (user, header + "0\t" + user):
        rows, _, _ = read(open_yidian(write(tmp_path / "users.txt", text), "users", {}))
        assert rows == [("u1", "vivo", "Android", "上海", "上海", "A_0_24:1", "male:1")]


def test_quotes_mean_nothing_in_the_yidian_format(tmp_path):
    text = 'a1\t"开头\t1\t0\tc\ts\tk\na2\t引"号\t1\t0\tc\ts\tk\n'
    rows, _, unread = read(open_yidian(write(tmp_path / "doc.txt", text), "articles", {}))
    assert [row[1] for row in rows] == ['"开头', '引"号']
    assert not unread


def test_a_yidian_file_of_other_width_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match="has 3 tab-separated columns, expected 8"):
        open_yidian(write(tmp_path / "log.txt", "a\tb\tc\n"), "exposures", {})


def test_a_ragged_first_row_does_not_set_the_width(tmp_path):
    rows, lines, unread = read(open_yidian(write(tmp_path / "log.txt", "rubbish\n" + ROW), "exposures", {}))
    assert (len(rows), lines, unread) == (1, [2], [(1, "ragged row", "rubbish")])


def test_ragged_rows_keep_their_lines_and_texts_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "_BLOCK_BYTES", 64)
    good = {3, 4, 5, 9, 10, 40, 41, 99}
    text = "".join(f"u{i},a{i}\n" if i in good else f"u{i}\n" for i in range(2, 100))
    table = open_generic(write(tmp_path / "log.csv", "user_id,article_id\n" + text), "exposures", {})
    rows, lines, unread = read(table)
    assert lines == sorted(good)
    assert [row[0] for row in rows] == [f"u{i}" for i in sorted(good)]
    assert sorted(unread) == [(i, "ragged row", f"u{i}") for i in range(2, 100) if i not in good]


@pytest.mark.parametrize("value", ["007", "1e5", "NA", "9223372036854775807", "1.50", " padded ", "null", "0x10", "ü"])
def test_ids_survive_byte_for_byte(tmp_path, value):
    text = f"user_id,article_id\n{value},{value}\n1,2\n"
    rows, _, _ = read(open_generic(write(tmp_path / "log.csv", text), "exposures", {}))
    assert rows[0] == (value, value)


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_told_by_the_first_line(tmp_path, separator):
    text = f"user_id{separator}article_id\nu{separator}a\n"
    assert read(open_generic(write(tmp_path / "log.txt", text), "exposures", {}))[0] == [("u", "a")]


def test_quoted_fields_may_hold_separators_quotes_and_line_ends(tmp_path):
    text = 'article_id,title\r\n1,"The ""big"", one\nagain"\r\n'
    assert read(open_generic(write(tmp_path / "a.csv", text), "articles", {}))[0] == [("1", 'The "big", one\nagain')]


def test_a_byte_order_mark_and_gzip_are_read(tmp_path):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress("\ufeffuser_id,article_id\nu,a\n".encode()))
    done = []
    assert read(open_generic(path, "exposures", {}), done.append)[0] == [("u", "a")]
    assert 0 < done[-1] <= path.stat().st_size


def test_parquet_gives_exact_texts(tmp_path):
    path = tmp_path / "log.parquet"
    columns = {
        "user_id": pa.array([9007199254740993, None]),
        "article_id": ["007", "x"],
        "click": [True, False],
        "expo_time": pa.array([1_700_000_000_000, None], pa.timestamp("ms")),
        "tags": [["a", "b"], []],
    }
    pq.write_table(pa.table(columns), path)
    rows, lines, _ = read(open_generic(path, "exposures", {}))
    assert rows[0] == ("9007199254740993", "007", "2023-11-14 22:13:20.000", "true")
    assert rows[1] == ("", "x", "", "false")
    assert lines == [1, 2]


def test_a_list_in_parquet_keeps_its_other_entries_where_one_is_missing(tmp_path):
    path = tmp_path / "log.parquet"
    tags = pa.array([["x"], ["a", None, "b"], None, [None, "c"]], pa.large_list(pa.string()))
    pq.write_table(pa.table({"user_id": ["u"] * 4, "article_id": ["x"] * 4, "split": tags}), path)
    rows, _, _ = read(open_generic(path, "exposures", {}))
    assert [row[-1] for row in rows] == ["x", "a||b", "", "|c"]


def test_a_parquet_column_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"user_id": [{"a": 1}], "article_id": ["x"]}), path)
    with pytest.raises(UserError, match=r"column 'user_id' of .* holds struct"):
        open_generic(path, "exposures", {})


def test_a_file_that_is_not_parquet_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a Parquet file"):
        open_generic(write(tmp_path / "log.parquet", "user_id"), "exposures", {})


def test_a_mapping_renames_and_other_columns_become_attributes_of_profiles_only(tmp_path):
    text = ",uid,article_id,user_id,town\n0,u,a,other,north\n"
    path = write(tmp_path / "t.csv", text)
    assert open_generic(path, "exposures", {"user_id": "uid"}).columns == {"user_id": "uid", "article_id": "article_id"}
    columns = open_generic(path, "users", {"user_id": "uid"}).columns
    assert columns == {"user_id": "uid", "article_id": "article_id", "town": "town"}


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path):
    path = write(tmp_path / "log.csv", "userId,itemId\nu,a\n")
    with pytest.raises(UserError, match=r"no column 'user_id' in .*log.csv: it has 'userId', 'itemId'"):
        open_generic(path, "exposures", {})
    with pytest.raises(UserError, match="no column 'when'"):
        open_generic(path, "exposures", {"user_id": "userId", "article_id": "itemId", "expo_time": "when"})


def test_a_single_column_hints_at_the_separator(tmp_path):
    with pytest.raises(UserError, match="separator"):
        open_generic(write(tmp_path / "log.csv", "user_id:article_id\nu:a\n"), "exposures", {})


def test_a_column_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="'a' stands twice"):
        open_generic(write(tmp_path / "u.csv", "user_id,a,a\nu,1,2\n"), "users", {})


@pytest.mark.parametrize(
    ("written", "read_as"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("gb18030", "gb18030")],
)
def test_the_encoding_is_told_by_its_mark_or_by_what_fits(tmp_path, written, read_as):
    path = tmp_path / "log.csv"
    path.write_bytes("user_id,article_id\nu,新闻\n".encode(written))
    table = open_generic(path, "exposures", {})
    assert table.file.facts == {
        "name": "log.csv",
        "kind": "text",
        "encoding": read_as,
        "separator": ",",
        "header": True,
    }
    assert read(table)[0] == [("u", "新闻")]


def test_an_encoding_that_is_named_is_taken(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("user_id,article_id\nu,Café\n".encode("latin-1"))
    assert read(open_generic(path, "exposures", {}, TextOptions("latin-1")))[0] == [("u", "Café")]
    rows, _, unread = read(open_generic(path, "exposures", {}, TextOptions("utf-8")))
    assert (rows, unread) == ([], [(2, "bad encoding", r"u,Caf\xe9")])
    with pytest.raises(UserError, match="unknown encoding 'klingon'"):
        open_generic(path, "exposures", {}, TextOptions("klingon"))


@pytest.mark.parametrize(
    ("text", "header"),
    [("user,at\nu,5\n", True), ("u,5\nv,6\n", False), ("user,2\nu,5\n", False), ("a,b\nc,d\n", True), ("1,2\n", False)],
)
def test_a_header_is_told_by_numbers_below_it_or_named(tmp_path, text, header):
    path = write(tmp_path / "log.csv", text)
    assert open_file(path).header is header
    assert open_file(path, TextOptions(header=not header)).header is not header


def test_columns_without_a_header_are_numbered(tmp_path):
    table = open_generic(
        write(tmp_path / "u.data", "196\t242\t3\n186\t302\t4\n"),
        "exposures",
        {"user_id": "column_1", "article_id": "column_2"},
    )
    assert table.file.names == ("column_1", "column_2", "column_3")
    assert read(table)[:2] == ([("196", "242"), ("186", "302")], [1, 2])


def test_the_first_rows_are_shown_as_texts(tmp_path):
    file = open_file(write(tmp_path / "log.csv", "user,at\n007,5\nshort\nv,6\nw,7\n"))
    assert first_rows(file, 2) == [["007", "5"], ["v", "6"]]
    assert len(first_rows(file, 9)) == 3


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path, text):
    with pytest.raises(UserError, match="is empty"):
        open_generic(write(tmp_path / "log.csv", text), "exposures", {})


@pytest.mark.parametrize("block", [1000, 1 << 20])
def test_a_quote_never_closed_sets_one_row_aside(tmp_path, monkeypatch, block):
    monkeypatch.setattr(text_lines, "_BLOCK_BYTES", block)
    path = write(tmp_path / "log.csv", 'user_id,article_id\nu,"a\n' + "u,a\n" * 5000)
    rows, lines, unread = read(open_generic(path, "exposures", {}))
    assert (len(rows), lines[0], unread) == (5000, 3, [(2, "bad quotes", 'u,"a')])


def test_the_raw_text_of_chosen_rows_has_all_fields(tmp_path):
    path = write(tmp_path / "log.csv", "user_id,more,article_id\nu,x,a\nv,y,b\n")
    (batch,) = open_generic(path, "exposures", {}).file.batches(lambda done: None)
    assert batch.texts(np.array([False, True])).to_pylist() == ["v\ty\tb"]
