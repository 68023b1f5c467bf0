import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core import parquet_file
from dssm_core.errors import UserError
from dssm_core.format_generic import open_generic
from dssm_core.input_files import first_rows, open_file
from dssm_core.text_lines import MOST_ROW_BYTES

LOG = {"user_id": ["u1", "u2"], "article_id": ["a1", "a2"]}


def stored(columns, **options):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def written(tmp_path, data, name="log.parquet"):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def everything(path):
    rows, unread = [], []
    for batch in open_file(path).batches(lambda done: None):
        rows += batch.rows.to_pylist()
        unread += batch.unread
    return rows, unread


def test_a_parquet_file_is_told_by_its_content(tmp_path):
    assert first_rows(open_file(written(tmp_path, stored(LOG), "log.csv")), 1) == [["u1", "a1"]]


def test_columns_that_are_no_texts_do_not_matter_unless_they_are_needed(tmp_path):
    odd = {"picture": [b"\xff\xd8", b"\0"], "place": [{"x": 1}, None], "wait": pa.array([1, 2], pa.duration("s"))}
    path = written(tmp_path, stored(LOG | odd))
    assert open_generic(path, "exposures", {}).file.names == ("user_id", "article_id")
    with pytest.raises(UserError, match=r"column 'place' of .* holds struct<x: int64>: expected texts"):
        open_generic(path, "exposures", {"expo_time": "place"})
    with pytest.raises(UserError, match=r"column 'picture' of .* holds bytes that are no texts"):
        open_generic(path, "exposures", {"expo_time": "picture"})


def test_bytes_that_are_no_utf_8_set_their_row_aside(tmp_path):
    rows, unread = everything(written(tmp_path, stored({"article_id": [*["名".encode()] * 30, b"a\xff"]})))
    assert rows == [{"article_id": "名"}] * 30
    assert unread == [(31, "bad encoding", "a\\xff")]


def test_a_text_above_a_mebibyte_sets_its_row_aside(tmp_path):
    rows, unread = everything(written(tmp_path, stored(LOG | {"article_id": ["a", "x" * MOST_ROW_BYTES]})))
    assert [row["user_id"] for row in rows] == ["u1"]
    assert [(line, reason) for line, reason, _ in unread] == [(2, "row too long")]
    assert len(unread[0].text) < 2000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1", "cut off or damaged at its end"),
        (stored(LOG)[:-9], "cut off or damaged at its end"),
        (b"PAR1" + b"\xff\xff\xff\x7fPAR1", "cut off or damaged at its end"),
        (b"PAR1" + bytes(40) + b"\x28\0\0\0PAR1", "is damaged"),
        (b"user_id,article_id\nu,a\n", "is not a Parquet file, though its name says so"),
        (b"", "is not a Parquet file"),
    ],
    ids=["only the mark", "cut off", "footer longer than the file", "empty footer", "text", "nothing"],
)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        open_file(written(tmp_path, data))


def test_a_damaged_page_is_told_while_reading(tmp_path):
    data = bytearray(stored(LOG, compression="zstd", write_page_checksum=True))
    data[60] ^= 255
    with pytest.raises(UserError, match="is damaged"):
        everything(written(tmp_path, bytes(data)))


def test_too_many_columns_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "MOST_COLUMNS", 1)
    with pytest.raises(UserError, match="has 2 columns: expected at most 1"):
        open_file(written(tmp_path, stored(LOG)))


REPEATED = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), ["x" * 900_000])


def test_what_comes_out_is_capped(tmp_path, monkeypatch):
    monkeypatch.setenv("DSSM_MOST_BYTES", "200000000")
    path = written(tmp_path, stored({"user_id": REPEATED}))
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="unpacks to more than 200,000,000 bytes"):
        everything(path)


def test_a_text_repeated_in_every_row_does_not_fill_the_memory(tmp_path):
    path = written(tmp_path, stored({"user_id": REPEATED}))
    script = (
        "import resource, sys; from pathlib import Path; from dssm_core.input_files import open_file\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(sum(len(b.rows) for b in open_file(Path(sys.argv[1])).batches(lambda done: None)))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, mebibytes = map(int, done.stdout.split())
    assert (rows, mebibytes < 600) == (3_000, True)
