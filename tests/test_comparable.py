import pytest

from dssm_core.comparable import baseline_run_id, comparison_key
from dssm_core.config import Config, with_settings


@pytest.mark.parametrize("setting", ["split.test_days=2", "pool.remove_seen=false", "eval.users=5", "eval.k=10"])
def test_what_changes_the_test_changes_the_key(setting):
    assert comparison_key("d", with_settings(Config(), [setting])) != comparison_key("d", Config())


@pytest.mark.parametrize("setting", ["negatives.k=2", "seed=3", "index.kind=annoy", "eval.bootstrap=200"])
def test_what_changes_the_model_alone_does_not(setting):
    assert comparison_key("d", with_settings(Config(), [setting])) == comparison_key("d", Config())


def test_datasets_are_not_comparable():
    assert comparison_key("d", Config()) != comparison_key("e", Config())


def test_a_baseline_has_one_run_for_each_key():
    assert baseline_run_id("popular", "d", Config()) == f"popular-{comparison_key('d', Config())}"
