import pytest

from dssm_core.clicks import UserArticles
from dssm_core.config import Config, with_settings
from dssm_core.earlier import earlier_run, first_stage, needs_earlier
from dssm_core.errors import UserError
from dssm_core.popularity import train_clicks
from dssm_core.runs import list_runs, open_run
from dssm_core.split import make_split
from dssm_core.workspace import load_dataset


@pytest.fixture
def clicked(trained) -> UserArticles:
    """The train clicks of the run "taught"."""
    dataset, config = load_dataset(trained, "tasty"), open_run(trained, "taught").config
    return train_clicks(dataset, make_split(dataset, config.split, config.pool))


def mining(config, run):
    return with_settings(config, ["negatives.strategy=mined", f"negatives.run={run}", "loss.kind=sampled_softmax"])


def test_a_finished_runs_vectors_are_read_for_every_user_with_a_click(trained, clicked):
    run = open_run(trained, "taught")
    earlier = earlier_run(trained, "tasty", mining(run.config, "taught"), clicked)
    assert earlier.user_vectors.shape[1] == earlier.pool_vectors.shape[1] == run.config.tower.dim
    assert len(earlier.pool) == len(earlier.pool_vectors)
    assert set(earlier.users.tolist()) == {user for user in range(301) if len(clicked.of(user))}


def test_a_run_that_is_not_there_or_of_another_dataset_or_split_is_refused(trained, clicked):
    config = open_run(trained, "taught").config
    with pytest.raises(UserError, match="gone"):
        earlier_run(trained, "tasty", mining(config, "gone"), clicked)
    with pytest.raises(UserError, match=r"is of dataset tasty, not of other: set negatives\.run"):
        earlier_run(trained, "other", mining(config, "taught"), clicked)
    resplit = with_settings(mining(config, "taught"), ["split.seed=5"])
    with pytest.raises(UserError, match="split another way, so it may know clicks that are held out"):
        earlier_run(trained, "tasty", resplit, clicked)


def test_a_baseline_has_no_vectors_to_mine(trained, clicked):
    popular = next(run.id for run in list_runs(trained) if run.model == "popular")
    with pytest.raises(UserError, match="baseline popular, which has no vectors"):
        earlier_run(trained, "tasty", mining(open_run(trained, "taught").config, popular), clicked)


def test_the_first_stage_is_the_same_run_in_batch():
    config = mining(Config(), "first_stage")
    first = first_stage(config, pool=1000)
    assert first.negatives.strategy == "in_batch"
    assert first.tower == config.tower
    assert not needs_earlier(config)
    assert needs_earlier(mining(Config(), "some-run"))
    assert first_stage(mining(Config(), "some-run"), pool=1000) is None


def test_a_first_stage_over_a_pool_shorter_than_the_window_is_refused():
    with pytest.raises(UserError, match="train pool has 50 articles, so none is at rank 101"):
        first_stage(mining(Config(), "first_stage"), pool=50)
