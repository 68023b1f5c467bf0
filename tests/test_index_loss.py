import pytest

from dssm_core.answers import evaluate_run, keep_evaluation
from dssm_core.compare import unlike
from dssm_core.config import with_settings
from dssm_core.errors import UserError
from dssm_core.index_loss import SETTINGS, IndexLoss
from dssm_core.manifest import read_sealed, write_sealed
from dssm_core.runs import Run, list_runs, open_run

K = 20


@pytest.fixture(scope="module")
def measured(trained):
    return list(IndexLoss(trained, open_run(trained, "taught"), K).measure())


def test_every_setting_is_measured_in_order(measured):
    assert [tuple(row["settings"]) for row in measured] == list(SETTINGS)
    assert measured[0]["setting"] == "exact" and measured[1]["setting"] == "ivf probes=1"


def test_exact_loses_nothing_and_has_the_recall_of_the_run(trained, measured):
    exact = measured[0]
    assert (exact["loss"], exact["loss_low"], exact["loss_high"]) == (0, 0, 0)
    assert exact["recall"] == pytest.approx(open_run(trained, "taught").metrics()["metrics"][f"recall@{K}"]["value"])
    assert exact["share_of_exact"] == 1


def test_more_probes_return_more_of_the_exact_list(measured):
    shares = [row["share_of_exact"] for row in measured if row["setting"].startswith("ivf")]
    assert shares == sorted(shares) and shares[-1] == 1
    for row in measured:
        assert row["recall"] + row["loss"] == pytest.approx(measured[0]["recall"])
        assert row["low"] <= row["recall"] <= row["high"] and row["queries_per_second"] > 0


def test_what_was_measured_is_kept_and_what_is_missing_is_made_up_for(trained, measured, monkeypatch):
    loss = IndexLoss(trained, open_run(trained, "taught"), K)
    assert loss.rows() == measured
    path = trained.home / "index_loss" / f"taught-{K}.json"
    stored = read_sealed(path)
    gone = stored["rows"].pop("ivf probes=8")
    write_sealed(path, stored)
    assert len(loss.rows()) == len(SETTINGS) - 1
    again = {row["setting"]: row for row in loss.measure()}
    assert again["ivf probes=8"]["recall"] == gone["recall"]
    assert again["exact"] == measured[0], "what was known was not measured again"


def test_measurements_of_another_run_under_the_same_name_are_not_taken(trained, measured):
    path = trained.home / "index_loss" / f"taught-{K}.json"
    stored = read_sealed(path)
    write_sealed(path, {**stored, "manifest": "another"})
    assert IndexLoss(trained, open_run(trained, "taught"), K).rows() == []
    write_sealed(path, stored)


@pytest.mark.parametrize(("k", "message"), [(0, "bad value 0 for k"), (5000, "lists of up to")])
def test_a_k_that_was_not_evaluated_is_refused(trained, k, message):
    with pytest.raises(UserError, match=message):
        IndexLoss(trained, open_run(trained, "taught"), k)


def test_a_baseline_has_no_index_to_lose_by(trained):
    popular = next(run for run in list_runs(trained) if run.model == "popular")
    with pytest.raises(UserError, match="has no vectors to index"):
        IndexLoss(trained, popular, K)


def test_an_evaluation_under_another_index_is_kept_as_a_run_that_compares(trained):
    run = open_run(trained, "taught")
    config = with_settings(run.config, ["index.kind=ivf", "index.lists=8", "index.probes=1"])
    kept = keep_evaluation(trained, run, config, evaluate_run(trained, run, config), "narrow")
    again = Run(kept.folder)
    assert again.finished and again.name == "narrow" and again.config.index.probes == 1
    assert not unlike([run, again])
    assert again.held_out()["drawn"].tolist() == run.held_out()["drawn"].tolist()
    assert again.metrics()["facts"]["index"]["kind"] == "ivf"
    assert again.metrics()["facts"]["health"] == run.metrics()["facts"]["health"]
    assert "lost by the index" in set(again.held_out()["reason"])
    assert again.events() == run.events()
    trained.delete_run(kept.id)
