import json
import zipfile
from io import BytesIO

import pytest

from dssm_core.bundle import bundle_run, write_bundle
from dssm_core.cli import asked_config, main, parser
from dssm_core.config import Config
from dssm_core.errors import UserError
from dssm_core.pipeline import carry_out
from dssm_core.processes import held_lock
from dssm_core.runs import EventLog, Run, describe_run, open_run, write_status
from tests.real_runs import measured


@pytest.fixture
def failed(trained):
    """A run that failed, which is gone after the test."""
    folder = trained.new_run_folder("unlucky")
    describe_run(folder, "tasty", Config(seed=7), "un *lucky*", "")
    write_status(folder, "failed", "the log lacks what it needs")
    EventLog(folder / "events.jsonl")({"type": "failed", "reason": "the log lacks what it needs"})
    yield Run(folder)
    trained.delete_run("unlucky", for_good=True)


def unpacked(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_run_repeated_from_its_bundle_has_the_same_metrics(trained, tmp_path):
    run = open_run(trained, "taught")
    (tmp_path / "config.json").write_text(unpacked(bundle_run(trained, run))["config.json"])
    options = parser().parse_args(["train", "--dataset", "tasty", "--config", str(tmp_path / "config.json")])
    folder = trained.new_run_folder("taught-again")
    describe_run(folder, options.dataset, asked_config(options), "again", "")
    carry_out(trained, Run(folder), EventLog(folder / "events.jsonl"))
    try:
        assert measured(open_run(trained, "taught-again")) == measured(run)
    finally:
        trained.delete_run("taught-again", for_good=True)


def test_the_same_run_gives_the_same_bytes(trained, tmp_path, monkeypatch):
    run = open_run(trained, "taught")
    once = bundle_run(trained, run)
    monkeypatch.chdir(tmp_path)
    assert bundle_run(trained, open_run(trained, "taught")) == once


def test_a_bundle_tells_the_dataset_the_versions_and_what_came_out(trained):
    files = unpacked(bundle_run(trained, open_run(trained, "taught")))
    dataset = json.loads(files["dataset.json"])
    assert (dataset["id"], dataset["users"], dataset["exposures"]) == ("tasty", 300, 12_000)
    assert len(dataset["files"]["exposures.parquet"]) == 64
    told = json.loads(files["versions.json"])
    assert told["of"] == "the run" and {"tensorflow", "numpy", "faiss-cpu"} <= told["packages"].keys()
    assert told["python"].startswith("3.") and told["project"]
    assert json.loads(files["metrics.json"]) == open_run(trained, "taught").metrics()
    assert any(json.loads(line)["type"] == "epoch" for line in files["events.jsonl"].splitlines())
    assert "--config config.json" in files["README.txt"] and "Seed 0." in files["README.txt"]
    assert str(trained.home) not in "".join(files.values())


def test_a_failed_run_is_bundled_with_its_reason_and_without_metrics(trained, failed):
    files = unpacked(bundle_run(trained, failed))
    assert "metrics.json" not in files
    assert "State: failed (the log lacks what it needs). Seed 7." in files["README.txt"]
    assert json.loads(files["config.json"])["seed"] == 7
    assert "the run did not note its own" in json.loads(files["versions.json"])["of"]


def test_a_dataset_that_is_gone_is_said_without_a_folder_of_the_exporter(trained):
    folder = trained.new_run_folder("orphan")
    describe_run(folder, "nowhere", Config(), "", "")
    write_status(folder, "cancelled", "cancelled")
    try:
        told = json.loads(unpacked(bundle_run(trained, Run(folder)))["dataset.json"])
    finally:
        trained.delete_run("orphan", for_good=True)
    assert told["id"] == "nowhere" and "deleted" in told["missing"]
    assert str(trained.home) not in told["missing"]


def test_a_run_at_work_is_refused(trained, failed):
    write_status(failed.folder, "running")
    with held_lock(failed.folder), pytest.raises(UserError, match="is running: bundle it when it has ended"):
        bundle_run(trained, failed)


def test_the_command_line_writes_the_zip_and_tells_where_it_cannot(trained, tmp_path, capsys):
    target = tmp_path / "new" / "run.zip"
    assert main(["bundle", "taught", "--to", str(target), "--home", str(trained.home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": "taught", "file": str(target)}
    assert target.read_bytes() == bundle_run(trained, open_run(trained, "taught"))
    with pytest.raises(UserError, match="cannot write"):
        write_bundle(trained, open_run(trained, "taught"), target / "inside.zip")
