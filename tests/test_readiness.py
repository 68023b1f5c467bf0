import os
import re

import pytest

from dssm_core.config import Config, with_settings
from dssm_core.errors import UserError
from dssm_core.free_memory import held_bytes
from dssm_core.presets import find_preset
from dssm_core.readiness import Counted, check, room
from dssm_core.workspace import load_dataset
from tests.conftest import QUICK, make_dataset


@pytest.mark.parametrize("preset", ["recommended", "same_attribute", "mined", "popular"])
def test_what_the_log_has_passes(trained, preset):
    settings = [*QUICK, *(["negatives.rank_from=11", "negatives.rank_to=60"] if preset == "mined" else [])]
    check(trained, load_dataset(trained, "tasty"), with_settings(find_preset(preset).config, settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["negatives.k=500", "negatives.strategy=uniform"], r"negatives\.k=500 draws from a pool of only 120"),
        (["negatives.blend=same_attribute", "negatives.attribute=colour"], "unknown attribute"),
        (["negatives.blend=mined", "negatives.run=nowhere"], "nowhere"),
        (["negatives.blend=mined", "negatives.run=taught", "negatives.rank_from=300"], "none is at rank 300"),
        (["negatives.blend=exposed", "train.batch_size=1024"], "would take 1,023 negatives of its own"),
        (["features.article_attributes=colour"], "unknown article attribute 'colour'"),
        (["features.dense=colour"], "unknown attribute in features.dense 'colour'"),
        (
            ["features.user_id=false", "features.user_attributes=[]"],
            r"user tower has no features: turn on features\.user_id",
        ),
        (["features.key_words=true"], "needs the articles' key_words"),
        (
            ["tower.hidden=[16]", 'tower.field_dims={"colour": 4}'],
            r"unknown field in tower\.field_dims 'colour': one of article_id, cate, city, title, user_id",
        ),
    ],
)
def test_what_it_lacks_is_refused_by_name(trained, settings, message):
    with pytest.raises(UserError, match=message):
        check(trained, load_dataset(trained, "tasty"), with_settings(Config(), [*QUICK, *settings]))


def test_a_log_of_clicks_alone_has_no_exposed_negatives_and_no_attributes(trained):
    clicks = make_dataset([(f"u{i % 9}", f"a{i % 7}", None, 1) for i in range(63)])
    for preset, message in (
        ("exposed", "no exposure without a click"),
        ("same_attribute", r"no attribute of articles or users .* negatives\.blend=none leaves it out"),
        ("in_batch", r"use split\.kind=random"),
    ):
        kind = [] if preset == "in_batch" else ["split.kind=random"]
        with pytest.raises(UserError, match=message):
            check(trained, clicks, with_settings(find_preset(preset).config, kind))


def test_a_batch_above_the_train_clicks_is_refused_with_their_number_which_itself_passes(trained):
    dataset, quick = load_dataset(trained, "tasty"), find_preset("in_batch").config
    clicks = int(Counted(dataset).counts(with_settings(quick, QUICK)).clicks.sum())
    with pytest.raises(UserError, match=rf"train\.batch_size={clicks + 1} is more than the {clicks:,} train clicks .*"):
        check(trained, dataset, with_settings(quick, [*QUICK, f"train.batch_size={clicks + 1}"]))
    check(trained, dataset, with_settings(quick, [*QUICK, f"train.batch_size={clicks}"]))


def test_a_batch_above_what_subsampling_leaves_is_refused_with_that_number(trained):
    thin = with_settings(
        find_preset("in_batch").config, [*QUICK, "negatives.subsample=0.0001", "train.batch_size=2000"]
    )
    with pytest.raises(
        UserError, match=r"the [\d,]+ train clicks of this split that negatives\.subsample=0\.0001 leaves"
    ) as told:
        check(trained, load_dataset(trained, "tasty"), thin)
    most = re.search(r"set train\.batch_size=(\d+) or less", str(told.value))[1]
    check(trained, load_dataset(trained, "tasty"), with_settings(thin, [f"train.batch_size={most}"]))


def test_what_does_not_fit_into_the_memory_that_is_free_is_refused_and_the_value_proposed_passes(trained, monkeypatch):
    monkeypatch.setenv("DSSM_FREE_BYTES", "3000000000")
    dataset = load_dataset(trained, "tasty")
    large = with_settings(
        find_preset("in_batch").config, [*QUICK, "features.title_buckets=5000000", "tower.dim=1024", "tower.hidden=[]"]
    )
    with pytest.raises(
        UserError, match=r"features\.title_buckets=5000000 does not fit .* and 3\.0 GB are free"
    ) as told:
        check(trained, dataset, large)
    check(trained, dataset, with_settings(large, [str(told.value).rpartition(": set ")[2]]))


def test_a_run_at_work_gives_its_memory_back_before_the_next_begins(trained, monkeypatch):
    monkeypatch.delenv("DSSM_FREE_BYTES", raising=False)
    monkeypatch.setattr("dssm_core.readiness.is_locked", lambda folder: folder.name == "taught")
    monkeypatch.setattr("dssm_core.readiness.process_number", lambda folder: os.getpid())
    monkeypatch.setattr("dssm_core.readiness.free_bytes", lambda given_back: given_back)
    assert room(trained) == pytest.approx(held_bytes(), rel=0.1)


def test_ease_of_too_many_articles_and_recent_clicks_without_times_are_refused_before_they_start(trained, monkeypatch):
    monkeypatch.setattr("dssm_core.baselines.EASE_ARTICLES", 50)
    with pytest.raises(UserError, match="ease takes up to 50 articles with train clicks, this dataset has 120"):
        check(trained, load_dataset(trained, "tasty"), with_settings(find_preset("ease").config, QUICK))
    clicks = make_dataset([(f"u{i % 9}", f"a{i % 7}", None, 1) for i in range(63)])
    with pytest.raises(UserError, match="recent_popular needs the time"):
        check(trained, clicks, with_settings(find_preset("recent_popular").config, ["split.kind=random"]))


def test_what_was_counted_for_one_config_is_not_taken_for_another(trained):
    counted = Counted(load_dataset(trained, "tasty"))
    one, other = (with_settings(Config(), [*QUICK, *more]) for more in ([], ["split.train_days=2"]))
    assert counted.counts(one) is counted.counts(with_settings(one, ["tower.dim=8"]))
    assert counted.counts(one).clicks.sum() > counted.counts(other).clicks.sum()
    without = with_settings(one, ["features.title=false"])
    assert counted.scale(one).articles.slots > counted.scale(without).articles.slots
    assert counted.scale(one).clicks > counted.scale(other).clicks
