"""What holds of every format: one made-up log, written in each, gives the same dataset and trains."""

import numpy as np
import pytest

from dssm_core.config import with_settings
from dssm_core.errors import UserError
from dssm_core.formats import FORMATS
from dssm_core.ingest import ingest
from dssm_core.leakage import leakage_report
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run
from dssm_core.split import make_split
from dssm_core.workspace import Workspace, load_dataset
from tests.format_samples import TELLS_HISTORY, WRITERS, counted, impressions


@pytest.fixture(scope="module")
def log():
    return impressions()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("formats"), bundled=None)


@pytest.fixture(scope="module")
def datasets(log, workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    return {
        name: load_dataset(workspace, ingest(workspace, name, **write(folder / name, log))["dataset"])
        for name, write in WRITERS.items()
    }


def test_every_format_has_a_sample():
    assert set(WRITERS) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_exposures_and_clicks_are_those_that_a_slow_reader_counts(name, datasets, log):
    report = datasets[name].report
    assert (report["accepted"], report["clicks"]) == counted(log, history=name in TELLS_HISTORY)
    assert report["rows_in"] == report["accepted"] + sum(report["set_aside"].values())
    assert datasets[name].timezone == FORMATS[name].timezone


@pytest.mark.parametrize("name", FORMATS)
def test_users_and_articles_keep_their_ids(name, datasets, log):
    dataset = datasets[name]
    exposures = dataset.exposures
    users, articles = dataset.users["user_id"].to_numpy(), dataset.articles["article_id"].to_numpy()
    shown = ~exposures.history
    found = set(zip(users[exposures.user[shown]], articles[exposures.article[shown]], strict=True))
    assert found == {(one.user, article) for one in log for article in one.shown}


@pytest.mark.parametrize("name", TELLS_HISTORY)
def test_the_history_comes_before_the_log_and_keeps_its_order(name, datasets, log):
    dataset = datasets[name]
    exposures, articles = dataset.exposures, dataset.articles["article_id"].to_numpy()
    history = np.flatnonzero(exposures.history)
    assert exposures.click[history].all()
    assert exposures.time[history].max() < exposures.time[~exposures.history].min()
    for one in log:
        rows = history[exposures.user[history] == dataset.user_row(one.user)]
        assert articles[exposures.article[rows]].tolist() == one.history


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_that_a_format_has_no_file_of_is_refused(name, workspace, tmp_path):
    for table in {"users", "articles", "history"} - set(FORMATS[name].tables):
        with pytest.raises(UserError, match=f"the {name} format has no file of {table}: it has exposures"):
            ingest(workspace, name, tmp_path / "log", **{table: tmp_path / "file"})


@pytest.mark.parametrize("kind", ["time", "leave_last", "random"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_trains_on_every_split_and_nothing_leaks(name, kind, datasets, workspace):
    dataset = datasets[name]
    settings = (f"split.kind={kind}", "split.validation_users=5", "eval.k=20", "eval.bootstrap=100")
    config = with_settings(find_preset("popular").config, settings)
    split = make_split(dataset, config.split, config.pool)
    guards = [guard for guard in leakage_report(dataset, split) if "must be 0" in guard.text]
    assert not [guard for guard in guards if guard.count]
    run = f"{name}-{kind}"
    describe_run(workspace.new_run_folder(run), dataset.id, config, run, "popular")
    folder = workspace.home / "runs" / run
    carry_out(workspace, Run(folder), EventLog(folder / "events.jsonl"))
    assert Run(folder).metrics()["metrics"]["recall@20"]["value"] > 0
