import json
import sys

import numpy as np
import pandas as pd
import pytest

from dssm_core.cli import main
from dssm_core.config import Config
from dssm_core.presets import PRESETS
from dssm_core.runs import describe_run
from dssm_core.workspace import Workspace
from tests.conftest import QUICK


@pytest.fixture
def lab(trained, capsys, monkeypatch):
    """Runs a command on the trained workspace; returns its exit code, JSON (or None) and stderr."""

    def call(*arguments):
        code = main([*arguments, "--home", str(trained.home), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


@pytest.fixture
def empty(tmp_path, capsys):
    def call(*arguments):
        code = main([*arguments, "--home", str(tmp_path / "home"), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


def test_a_demo_log_is_ingested_trained_and_asked(empty, tmp_path):
    _, demo, _ = empty("demo", "--users", "150", "--articles", "200", "--days", "3")
    assert demo["rows_in"] == demo["accepted"] + sum(demo["set_aside"].values())
    settings = [*QUICK, "split.train_days=2"]
    code, run, err = empty(
        "train", "--dataset", demo["dataset"], "--preset", "uniform", "--set", *settings, "--seed", "3"
    )
    assert code == 0, err
    assert set(run["metrics"]["recall@20"]) == {"value", "low", "high"}
    _, runs, _ = empty("runs")
    listed = next(listed for listed in runs["runs"] if listed["id"] == run["run"])
    assert (listed["state"], listed["preset"]) == ("finished", "uniform")


def test_a_demo_log_can_be_written_to_a_folder_and_ingested_from_there(empty, tmp_path):
    assert empty("demo", "--users", "50", "--articles", "60", "--days", "2", "--out", str(tmp_path / "log"))[0] == 0
    files = [str(tmp_path / "log" / name) for name in ("train_data.txt", "user_info.txt", "doc_info.txt")]
    code, report, _ = empty(
        "ingest", "--format", "yidian", "--exposures", files[0], "--users", files[1], "--articles", files[2]
    )
    truth = json.loads((tmp_path / "log" / "truth.json").read_text())
    assert code == 0
    assert report["accepted"] == truth["exposures"]["accepted"]
    assert [dataset["id"] for dataset in empty("datasets")[1]["datasets"] if not dataset["bundled"]] == [
        report["dataset"]
    ]


def test_what_is_not_to_be_told_by_looking_can_be_said(empty, tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes("u\t新闻\nu\t体育\n".encode("gb18030"))
    said = ["--encoding", "gbk", "--separator", r"\t", "--no-header"]
    columns = ["--map", "user_id=column_1", "article_id=column_2"]
    code, report, err = empty("ingest", "--format", "generic", "--exposures", str(log), *said, *columns)
    assert code == 0, err
    assert report["accepted"] == 2
    (file,) = report["files"]["exposures"]
    assert (file["encoding"], file["separator"], file["header"]) == ("gbk", "\t", False)


def test_presets_are_listed_with_their_keys(empty):
    assert set(empty("presets")[1]) == set(PRESETS)


def test_evaluate_measures_again_at_other_lengths_and_through_another_index(lab):
    code, result, _ = lab("evaluate", "taught", "-k", "1,7", "--index", "annoy")
    assert code == 0
    assert {"recall@1", "recall@7"} <= set(result["metrics"])
    assert "recall@5" not in result["metrics"]


def test_evaluate_without_options_gives_what_the_run_measured(lab):
    _, again, _ = lab("evaluate", "taught")
    _, runs, _ = lab("runs")
    first = next(run for run in runs["runs"] if run["id"] == "taught")
    assert again["metrics"] == first["metrics"]


@pytest.mark.parametrize("k", ["5", "30"])
def test_recall_answers_for_a_user_from_the_files_or_beyond_them(lab, trained, k):
    held_out = pd.read_parquet(trained.run_folder("taught") / "held_out.parquet")
    user = int(held_out["user"].iloc[0])
    code, answer, _ = lab("recall", "taught", "--user", f"u{user - 1:03}", "-k", k)
    assert code == 0
    assert [row["rank"] for row in answer["recall"]] == list(range(1, int(k) + 1))
    assert np.all(np.diff([row["score"] for row in answer["recall"]]) <= 0), "best first"
    mine = held_out[held_out["user"] == user]
    assert len(answer["held_out"]) == len(mine)
    hits = {row["article_id"] for row in answer["recall"] if row["hit"]}
    near = {row["article_id"] for row in answer["held_out"] if row["rank"] and row["rank"] <= int(k)}
    assert hits == near
    assert hits == {row["article_id"] for row in answer["held_out"] if row["reason"] == "hit"}


def test_compare_gives_paired_differences_from_the_first_run(lab):
    popular = next(run["id"] for run in lab("runs")[1]["runs"] if run["preset"] == "popular")
    code, result, _ = lab("compare", popular, "taught")
    assert code == 0
    difference = next(row for row in result["differences"] if row["metric"] == "recall@20")
    assert difference["run"] == "taught"
    one, other = (result["runs"][run]["recall@20"]["value"] for run in ("taught", popular))
    assert difference["value"] == pytest.approx(one - other)
    assert difference["low"] > 0
    lengths = {int(name.split("@")[1]) for name in result["runs"]["taught"]}
    assert result["reasons_k"] == max(lengths), "the length of the lists that the reasons are of is told"


@pytest.mark.parametrize("form", ["parquet", "funrec"])
def test_export_writes_raw_ids(lab, tmp_path, form):
    code, result, _ = lab("export", "taught", "--to", str(tmp_path / "out"), "--format", form)
    assert code == 0
    assert all((tmp_path / "out").joinpath(name.rsplit("/", 1)[1]).stat().st_size for name in result["files"])


def test_cancel_of_a_finished_run_changes_nothing(lab):
    assert lab("cancel", "taught")[1] == {"run": "taught", "state": "finished"}


def test_a_run_that_was_interrupted_is_resumed_and_measured(lab, trained):
    config = Config(model="random", eval={"k": [5, 20], "bootstrap": 100})
    describe_run(trained.new_run_folder("halted"), "tasty", config, "halted", "")
    assert next(run["state"] for run in lab("runs")[1]["runs"] if run["id"] == "halted") == "interrupted"
    code, run, err = lab("resume", "halted")
    assert code == 0, err
    assert run["run"] == "halted" and "recall@5" in run["metrics"]
    trained.delete_run("halted")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--dataset", "nope"], "unknown dataset 'nope'"),
        (["train", "--dataset", "tasty", "--preset", "best"], "unknown preset 'best': one of"),
        (["train", "--dataset", "tasty", "--set", "negatives.kk=3"], "unknown config key 'negatives.kk': one of"),
        (
            ["train", "--dataset", "tasty", "--set", "negatives.strategy=popularty"],
            "negatives.strategy: input should be",
        ),
        (["train", "--dataset", "tasty", "--config", "no.json"], "cannot read config no.json"),
        (["recall", "nope", "--user", "u001"], "unknown run 'nope'"),
        (["recall", "taught", "--user", "nobody"], "unknown user 'nobody'"),
        (["recall", "taught", "--user", "u001", "-k", "0"], "bad value 0 for -k"),
        (["evaluate", "taught", "--index", "hnsw"], "bad value 'hnsw' for index.kind"),
        (["export", "taught", "--to", "/proc/none"], "cannot write to /proc/none"),
        (["export", "taught", "--to", ".", "--format", "csv"], "unknown export format 'csv'"),
        (["ingest", "--format", "csvv", "--exposures", "x"], "unknown format 'csvv'"),
        (["ingest", "--format", "generic", "--exposures", "none.csv"], "none.csv"),
        (["ingest", "--format", "generic", "--exposures", "x", "--map", "user_id"], "bad mapping 'user_id'"),
        (["demo", "--users", "1"], "users"),
        (["cancel", "nope"], "unknown run 'nope'"),
        (["resume", "nope"], "unknown run 'nope'"),
        (["resume", "taught"], "run taught cannot be resumed: it is finished"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_2(lab, arguments, message):
    code, out, err = lab(*arguments)
    assert code == 2
    assert out is None
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_human_output_names_units_and_intervals(trained, capsys):
    assert main(["evaluate", "taught", "--home", str(trained.home)]) == 0
    assert "held-out clicks" in capsys.readouterr().out
    for command in (["runs"], ["datasets"], ["presets"], ["recall", "taught", "--user", "u001"]):
        assert main([*command, "--home", str(trained.home)]) == 0
        assert capsys.readouterr().out.strip()


def test_evaluate_through_an_approximate_index_says_what_it_loses(lab):
    index = lab("evaluate", "taught", "--index", "ivf")[1]["facts"]["index"]
    assert index["kind"] == "ivf"
    assert 0 < index["share_of_exact"] <= 1


def test_a_baseline_has_nothing_to_index(lab):
    popular = next(run["id"] for run in lab("runs")[1]["runs"] if run["preset"] == "popular")
    assert lab("evaluate", popular, "--index", "annoy")[0] == 2


def test_a_user_outside_the_evaluated_sample_has_held_out_clicks_too(lab):
    settings = [*QUICK, "eval.users=5", "train.epochs=1"]
    run = lab("train", "--dataset", "tasty", "--preset", "in_batch", "--set", *settings)[1]
    everybody = {f"u{number:03}" for number in range(300)}
    assert run["facts"]["users"] == 5
    found = [lab("recall", run["run"], "--user", user)[1]["held_out"] for user in sorted(everybody)[:12]]
    assert sum(map(bool, found)) > 5


def test_a_list_is_never_longer_than_the_pool(lab):
    assert len(lab("recall", "taught", "--user", "u001", "-k", "100000000000")[1]["recall"]) <= 120


def test_map_may_be_repeated(empty, tmp_path):
    (tmp_path / "log.csv").write_text("reader,story\nu,a\nv,b\n")
    code, report, err = empty(
        "ingest", "--format", "generic", "--exposures", str(tmp_path / "log.csv"),
        "--map", "user_id=reader", "--map", "article_id=story",
    )  # fmt: skip
    assert code == 0, err
    assert report["clicks"] == 2


def test_a_home_that_cannot_be_made_is_told(capsys):
    assert main(["demo", "--home", "/dev/null/nowhere", "--users", "50", "--articles", "60", "--days", "2"]) == 2
    assert "choose another --home" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_a_name_that_is_not_utf8_is_kept_as_well_as_text_can(tmp_path):
    log = tmp_path / "log\udcff.csv"
    log.write_text("user_id,article_id\nu,a\n")
    files = ["--format", "generic", "--exposures", str(log), "--home", str(tmp_path / "home"), "--json"]
    assert main(["ingest", *files]) == 0
    assert main(["ingest", *files, "--name", "name\udcff"]) == 0
    names = [manifest["name"] for manifest in Workspace(tmp_path / "home", bundled=None).datasets()]
    assert sorted(names) == ["log\ufffd.csv", "name\ufffd"]


@pytest.fixture
def noted(lab, trained):
    """The same command line; what it notes of the run that all tests share is gone after the test."""
    yield lab
    (trained.run_folder("taught") / "notes.json").unlink()


def test_a_note_and_tags_are_written_shown_and_listed(noted):
    lab = noted
    assert lab("note", "taught")[1] == {"run": "taught", "text": "", "tags": []}
    lab("note", "taught", "--text", "the one", "--tag", "paper", "to keep")
    _, noted, _ = lab("note", "taught", "--tag", "paper", "--tag", "best")
    assert noted == {"run": "taught", "text": "the one", "tags": ["paper", "best"]}
    _, runs, _ = lab("runs")
    assert next(run["tags"] for run in runs["runs"] if run["id"] == "taught") == ["paper", "best"]
    assert lab("note", "taught", "--text", "", "--tag")[1] == {"run": "taught", "text": "", "tags": []}


def test_a_note_that_is_too_long_is_refused_in_a_sentence(lab):
    code, _, err = lab("note", "taught", "--text", "a" * 2001)
    assert code == 2 and "write up to 2,000" in err


def test_what_is_deleted_can_be_listed_and_restored(lab, trained):
    describe_run(trained.new_run_folder("useless"), "tasty", Config(), "of no use", "")
    (run,) = [listed["id"] for listed in lab("runs")[1]["runs"] if listed["name"] == "of no use"]
    assert lab("delete", run)[1]["kind"] == "run"
    assert (run, "run") in [(one["id"], one["kind"]) for one in lab("restore")[1]["deleted"]]
    assert lab("restore", run)[1] == {"restored": run, "kind": "run"}
    assert run not in [one["id"] for one in lab("restore")[1]["deleted"]]
    assert "gone for good" in lab("delete", run, "--for-good")[1]["note"]
    code, _, err = lab("restore", run)
    assert code == 2 and f"unknown deleted dataset, run or sweep '{run}'" in err
