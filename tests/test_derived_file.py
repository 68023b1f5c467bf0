import numpy as np
import pyarrow as pa
import pytest

from dssm_core import derived_file
from dssm_core.derived_file import DerivedFile, FilesInOne, Unfolded, UnfoldedFile, entries_of
from dssm_core.input_files import TextFile


def text_file(path, text):
    path.write_text(text, encoding="utf-8")
    return TextFile(path, ("id", "list"), ",", False, 0)


def letters(rows):
    """Each row unfolds into the letters of its list; a row without any is empty."""
    entries, parents, places = entries_of(pa.array(["|".join(text) for text in rows.column("list").to_pylist()]), "|")
    nothing = set(range(len(rows))) - set(parents.tolist())
    columns = {"letter": entries, "place": pa.array(places).cast(pa.string())}
    return Unfolded(columns, parents, entries, dict.fromkeys(nothing, "empty list"))


def test_entries_are_numbered_in_their_list_and_an_empty_text_has_none():
    entries, parents, places = entries_of(pa.array(["a||b", "", "c"]), "|")
    assert entries.to_pylist() == ["a", "", "b", "c"]
    assert (parents.tolist(), places.tolist()) == ([0, 0, 0, 2], [1, 2, 3, 1])


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_rows_unfold_into_numbered_rows_and_those_of_nothing_are_handed_on(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(derived_file, "_ROWS_AT_ONCE", at_once)
    file = UnfoldedFile(text_file(tmp_path / "f", "1,ab\n2\n3,\n4,c\n"), ("id", "letter", "place"), ("id",), letters)
    batches = list(file.batches(lambda done: None))
    rows = [tuple(row.values()) for batch in batches for row in batch.rows.to_pylist()]
    assert rows == [("1", "a", "1"), ("1", "b", "2"), ("4", "c", "1")]
    assert [line for batch in batches for line in batch.lines] == [1, 2, 3]
    assert sorted(one for batch in batches for one in batch.unread) == [
        (2, "ragged row", "2"),
        (3, "empty list", "3\t"),
    ]
    texts = [batch.texts(np.arange(len(batch.lines)) == 0).to_pylist() for batch in batches if len(batch.lines)]
    assert texts[0] == ["1\ta"]


def test_a_derived_file_leaves_out_rows_under_their_lines(tmp_path):
    def derive(rows):
        lists = rows.column("list").to_pylist()
        bad = {i: "ragged row" for i, text in enumerate(lists) if text == "x"}
        return [pa.array([text.upper() for text in lists if text != "x"], pa.string())], bad

    file = DerivedFile(text_file(tmp_path / "f", "1,a\n2,x\n3,c\n"), ("upper",), derive)
    (batch,) = file.batches(lambda done: None)
    assert (batch.rows.column("upper").to_pylist(), batch.lines.tolist()) == (["A", "C"], [1, 3])
    assert batch.unread == [(2, "ragged row", "2\tx")]
    assert batch.texts(np.array([False, True])).to_pylist() == ["3\tc"]
    assert (file.path, file.facts) == (tmp_path / "f", text_file(tmp_path / "f", "1,a\n").facts)


def test_progress_over_chained_files_is_that_of_the_first_file_s_size(tmp_path):
    files = [text_file(tmp_path / name, text) for name, text in (("f", "1,a\n"), ("g", "1,a\n2,b\n3,c\n"))]
    done = []
    for turn in (0, 1):
        assert sum(len(batch.rows) for batch in FilesInOne(files, ("a",)).chained(done.append, turn, 2)) == 4
    assert done == sorted(done)
    assert done[-1] == files[0].path.stat().st_size
