"""What each knob adds to the estimate, on a log of round numbers; tests/campaigns/test_memory.py asks whole runs."""

from dataclasses import replace

import pytest

from dssm_core.config import Config, with_settings
from dssm_core.features import NO_FEATURES, SideSize
from dssm_core.memory_need import Scale, need_of_baseline, need_of_evaluation, need_of_run
from dssm_core.presets import PRESETS
from dssm_core.readiness import Counted, check_negatives, need
from dssm_core.workspace import load_dataset
from tests.conftest import QUICK

LARGE = Scale(
    held=400_000_000,
    exposures=6_000_000,
    users=SideSize(50_000, 7, 7, 50_000),
    articles=SideSize(630_000, 6, 72, 500_000, hashed=True),
    train_pool=570_000,
    pool=630_000,
    clicks=500_000,
    clicked=160_000,
    co_clicks=15_000_000,
    validation=1000,
    test_users=28_000,
)


@pytest.fixture
def strategy(trained):
    """A function from a preset's config to its strategy on a small log."""
    counted = Counted(load_dataset(trained, "tasty"))
    return lambda config: check_negatives(trained, "tasty", config, counted.counts(config))


@pytest.fixture
def gigabytes(strategy):
    """A function from settings over a preset to what a run of it needs on the large log."""

    def estimated(*settings, preset="in_batch", scale=LARGE):
        config = with_settings(PRESETS[preset].config, [*settings])
        return need_of_run(config, scale, strategy(config) if config.model == "two_tower" else None).bytes / 1e9

    return estimated


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_estimated_on_a_real_log(trained, preset):
    mined = ["negatives.rank_from=11", "negatives.rank_to=60"] if preset.startswith("mined") else []
    settings = [] if preset in ("exposed", "funrec") else ["tower.hidden=[8]"]
    config = with_settings(PRESETS[preset].config, [*QUICK, *settings, *mined])
    estimated = need(trained, Counted(load_dataset(trained, "tasty")), config).bytes
    assert (1.2e9 if config.model == "two_tower" else 3e8) < estimated < 3e9


def test_the_defaults_fit_a_small_machine_at_full_scale(gigabytes):
    assert 2.8 < gigabytes() < 3.9


@pytest.mark.parametrize(
    ("less", "more", "added"),
    [
        # 570,000 rows of 1,008 more numbers of 4 bytes: the table, its last and its best copy, and room at birth
        (["tower.embedding_dim=16"], ["tower.embedding_dim=1024"], (3 * 2.3, 5.5 * 2.3)),
        # a matrix of 16,384² numbers, some five times
        (["train.batch_size=1024"], ["train.batch_size=16384"], (5 * 1.07, 7 * 1.07)),
        # vectors of 680,000 users and articles while they are joined
        (["tower.dim=32"], ["tower.dim=1024"], (1.9 * 2.7, 2.3 * 2.7)),
        # 28,000 lists of 10,000 articles
        (["eval.users=28000", "eval.k=10"], ["eval.users=28000", "eval.k=10000"], (15, 20)),
        # beside 1,024 clicks each 1,024,000 remembered ones, but no more than an epoch's 500,000
        (["negatives.strategy=cross_batch"], ["negatives.strategy=cross_batch", "negatives.memory=1000"], (10, 13)),
        (["index.kind=annoy"], ["index.kind=annoy", "index.trees=1000"], (9, 13)),
        (["index.kind=exact"], ["index.kind=ivf"], (0.08, 0.1)),
    ],
)
def test_what_a_knob_adds(gigabytes, less, more, added):
    assert added[0] < gigabytes(*more) - gigabytes(*less) < added[1]


def test_own_negatives_cost_their_embeddings_not_a_matrix(gigabytes):
    own = ["negatives.strategy=uniform", "loss.kind=sampled_softmax", "negatives.shared=0"]
    assert 0.5 < gigabytes(*own, "negatives.k=100") - gigabytes(*own, "negatives.k=5") < 2


def test_a_log_without_titles_has_no_table_for_them(gigabytes):
    bare = replace(LARGE, articles=replace(LARGE.articles, hashed=False))
    many = "features.title_buckets=5000000"
    assert gigabytes(many) > gigabytes(many, scale=bare) + 1


def test_ease_takes_the_square_of_its_articles_at_least_twice_and_more_where_most_pairs_are_clicked_together():
    config = Config(model="ease")
    few = replace(LARGE, users=NO_FEATURES[0], articles=NO_FEATURES[1], clicked=20_000, co_clicks=1_000_000)
    assert 3.2 <= need_of_baseline(config, few).bytes / 1e9 < 4.5
    assert need_of_baseline(config, replace(few, co_clicks=10**9)).bytes / 1e9 > 4.7
    assert need_of_run(config, few, None).bytes > need_of_baseline(config, few).bytes + 7e8


def test_measuring_again_needs_no_training():
    config = with_settings(Config(), ["index.kind=annoy", "train.batch_size=65536", "tower.hidden=[65536]"])
    again = need_of_evaluation(config, 50_000, 630_000, 10_000)
    assert again.bytes < 1.5e9
    assert {knob for part in again.parts for knob in part.knobs} == {
        "index.trees",
        "index.kind",
        "eval.k",
        "eval.users",
    }
