import gzip

import pandas as pd
import pytest

from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.log_parts import log_parts
from dssm_core.workspace import Workspace, load_dataset
from lab.ingest_report import has_parts

HEADER = "user_id,article_id,expo_time,click\n"
ROWS = [f"u{i % 7},a{i % 5},{1_600_000_000 + i},{i % 2}\n" for i in range(30)]
BAD = ",a1,1600000000,1\n"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


@pytest.fixture
def parts(tmp_path):
    """A folder of three parts, the last two unlike the first in everything that may differ, and what is no part."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "part-0.csv").write_text(HEADER + "".join(ROWS[:10]) + BAD)
    with gzip.open(folder / "part-1.tsv.gz", "wt", encoding="utf-16") as file:
        file.write((HEADER + BAD + "".join(ROWS[10:20]) + ROWS[3]).replace(",", "\t"))
    pd.DataFrame([row.strip().split(",") for row in ROWS[20:]], columns=HEADER.strip().split(",")).to_parquet(
        folder / "part-2.parquet"
    )
    for name in ("_SUCCESS", ".part-0.csv", "notes.md"):
        (folder / name).write_text("no part")
    (folder / "part-3.csv").touch()
    return folder


def exposures(workspace, report):
    """The exposures with raw ids."""
    dataset = load_dataset(workspace, report["dataset"])
    told = dataset.exposures
    users, articles = (
        table[key].to_numpy() for table, key in ((dataset.users, "user_id"), (dataset.articles, "article_id"))
    )
    return list(zip(users[told.user], articles[told.article], told.time, told.click, strict=True))


def test_a_folder_and_a_pattern_name_the_same_parts_in_the_order_of_their_names(parts, monkeypatch):
    names = ["part-0.csv", "part-1.tsv.gz", "part-2.parquet"]
    assert [path.name for path in log_parts(parts)] == names
    assert log_parts(parts / "part-*") == log_parts(parts)
    assert log_parts(parts / "part-[02]*") == [parts / names[0], parts / names[2]]
    monkeypatch.chdir(parts.parent)
    assert [str(path) for path in log_parts(parts.relative_to(parts.parent) / "part-*.csv")] == ["logs/part-0.csv"]


def test_a_file_is_itself_even_if_its_name_looks_like_a_pattern(tmp_path):
    (tmp_path / "log[1].csv").write_text("x")
    assert log_parts(tmp_path / "log[1].csv") == [tmp_path / "log[1].csv"]
    assert log_parts(tmp_path / "gone.csv") == [tmp_path / "gone.csv"]


@pytest.mark.parametrize("name", ["empty", "*.nothing"])
def test_where_there_are_no_parts_that_is_told(tmp_path, workspace, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="names no parts of a log"):
        ingest(workspace, "generic", tmp_path / name)


def test_parts_make_the_dataset_of_the_one_file_that_they_were_cut_from(tmp_path, workspace, parts):
    (tmp_path / "whole.csv").write_text(
        HEADER + "".join(ROWS[:10]) + BAD + BAD + "".join(ROWS[10:20]) + ROWS[3] + "".join(ROWS[20:])
    )
    whole, split = ingest(workspace, "generic", tmp_path / "whole.csv"), ingest(workspace, "generic", parts)
    assert exposures(workspace, split) == exposures(workspace, whole)
    different = ("dataset", "files")
    assert {k: v for k, v in split.items() if k not in different} == {
        k: v for k, v in whole.items() if k not in different
    }
    assert [facts["name"] for facts in split["files"]["exposures"]] == ["part-0.csv", "part-1.tsv.gz", "part-2.parquet"]
    assert has_parts(split) and not has_parts(whole)


def test_what_is_set_aside_names_its_file_and_the_line_in_it(workspace, parts):
    report = ingest(workspace, "generic", parts)
    rows = pd.read_parquet(workspace.dataset_folder(report["dataset"]) / "set_aside.parquet")
    assert rows[["file", "line", "reason"]].to_numpy().tolist() == [
        ["part-0.csv", 12, "missing id"],
        ["part-1.tsv.gz", 2, "missing id"],
        ["part-1.tsv.gz", 13, "duplicate"],
    ]


def test_parts_of_one_name_are_told_apart_by_their_folders(tmp_path, workspace):
    for day in ("day=1", "day=2"):
        (tmp_path / "logs" / day).mkdir(parents=True)
        (tmp_path / "logs" / day / "part.csv").write_text(HEADER + "".join(ROWS[:2]) + BAD)
    report = ingest(workspace, "generic", tmp_path / "logs" / "*" / "part.csv")
    rows = pd.read_parquet(workspace.dataset_folder(report["dataset"]) / "set_aside.parquet")
    assert rows["file"].unique().tolist() == ["day=1/part.csv", "day=2/part.csv"]


def test_the_unit_of_times_is_told_once_over_all_parts(tmp_path, workspace):
    (tmp_path / "1.csv").write_text(HEADER + "u,a,0,1\n" * 3)
    (tmp_path / "2.csv").write_text(HEADER + "u,a,1600000000,1\n" * 3)
    (tmp_path / "3.csv").write_text(HEADER + "u,a,1600000000000,1\n")
    report = ingest(workspace, "generic", tmp_path / "?.csv")
    assert (report["time_unit"], report["accepted"]) == ("seconds", 1)
    assert report["set_aside"] == {"bad time": 4, "duplicate": 2}


def test_a_part_without_a_column_of_the_others_is_named(tmp_path, workspace):
    (tmp_path / "1.csv").write_text(HEADER + ROWS[0])
    (tmp_path / "2.csv").write_text("user_id,article_id,expo_time\nu,a,1600000000\n")
    with pytest.raises(UserError, match=r"2\.csv has no click, which .*1\.csv has"):
        ingest(workspace, "generic", tmp_path / "*.csv")
    (tmp_path / "1.csv").rename(tmp_path / "3.csv")
    with pytest.raises(UserError, match=r"2\.csv has no click, which .*3\.csv has"):
        ingest(workspace, "generic", tmp_path / "*.csv")


def test_a_log_to_test_on_may_be_in_parts_too(tmp_path, workspace, parts):
    (tmp_path / "tests").mkdir()
    for i in range(2):
        (tmp_path / "tests" / f"{i}.csv").write_text(HEADER + f"u9,a9,{1_700_000_000 + i},1\n")
    report = ingest(workspace, "generic", parts, test_exposures=tmp_path / "tests")
    dataset = load_dataset(workspace, report["dataset"])
    assert (dataset.exposures.extra["split"] == "test").sum() == 2
    assert dataset.exposures.time[dataset.exposures.extra["split"] == "test"].min() == 1_700_000_000_000


def test_yidian_parts_may_have_headers_of_their_own(tmp_path, workspace):
    row = "u{0}\ta{0}\t162485280000{0}\t5\t0\t3\t1\t7\n"
    names = "\tuser_id\tarticle_id\texpo_time\tnet_status\tflush_nums\texpo_position\tclick\tduration\n"
    (tmp_path / "1.txt").write_text(row.format(1))
    (tmp_path / "2.txt").write_text(names + "0\t" + row.format(2))
    assert ingest(workspace, "yidian", tmp_path / "*.txt")["accepted"] == 2
