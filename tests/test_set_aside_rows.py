import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab import set_aside_rows

COLUMNS = {
    "table": ["exposures"] * 10,
    "line": list(range(10)),
    "reason": ["duplicate"] * 10,
    "text": [f"{sign}1\ta" for sign in "=+-@＝＋－＠\tx"],
}


@pytest.fixture
def path(tmp_path):
    """Ten rows in row groups of three."""
    pq.write_table(pa.table(COLUMNS), tmp_path / "set_aside.parquet", row_group_size=3)
    return tmp_path / "set_aside.parquet"


@pytest.mark.parametrize(("first", "number"), [(0, 3), (0, 10), (2, 2), (5, 4), (9, 5), (3, 1)])
def test_any_rows_are_read(path, first, number):
    shown = set_aside_rows.rows(path, first, number)
    assert shown["line"].tolist() == list(range(10))[first : first + number]


def test_rows_are_counted(path):
    assert set_aside_rows.count(path) == 10


def test_the_csv_holds_every_row_with_formulas_defused(path):
    made = set_aside_rows.as_csv(path)
    assert made.startswith(b"\xef\xbb\xbftable,line,reason,text")
    read = pd.read_csv(io.BytesIO(made))
    assert read["line"].tolist() == COLUMNS["line"]
    assert read["text"].tolist() == [f"'{text}" for text in COLUMNS["text"][:-1]] + ["x1\ta"]


def test_the_csv_ends_at_its_caps(path, monkeypatch):
    monkeypatch.setattr(set_aside_rows, "_BATCH_ROWS", 2)
    assert len(pd.read_csv(io.BytesIO(set_aside_rows.as_csv(path, most_rows=5)))) == 5
    assert len(pd.read_csv(io.BytesIO(set_aside_rows.as_csv(path, most_bytes=60)))) < 10
    assert not set_aside_rows.is_capped(path)
    monkeypatch.setattr(set_aside_rows, "MOST_ROWS", 9)
    assert set_aside_rows.is_capped(path)
