import pytest

from dssm_core.config import DESCRIPTIONS, KEYS, Config, differences, flatten, unflatten, with_settings
from dssm_core.errors import UserError


def test_a_config_survives_flattening():
    config = with_settings(Config(), ["negatives.k=7", "eval.k=5,10", "tower.hidden=[]", "pool.max_age_days=2.5"])
    assert unflatten(flatten(config)) == config
    assert flatten(config)["eval.k"] == [5, 10]


def test_every_key_has_a_sentence_that_says_what_it_does():
    assert set(DESCRIPTIONS) == set(KEYS)
    assert all(DESCRIPTIONS.values())


def test_an_unknown_key_is_refused_by_name_with_the_known_ones():
    with pytest.raises(UserError, match=r"unknown config key 'negatives\.kk': one of .*negatives\.k,"):
        with_settings(Config(), ["negatives.kk=3"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("negatives.k=abc", "bad value 'abc' for negatives.k"),
        ("negatives.strategy=popularty", "for negatives.strategy: input should be 'uniform', 'popularity'"),
        ("eval.k=0", "bad value 0 for eval.k"),
        ("train.epochs=0", "for train.epochs: input should be greater than or equal to 1"),
        ("loss.temperature", "write it as key=value"),
        ("loss.temperature=nan", "bad value .* for loss.temperature"),
        ("loss.temperature=1e-300", "for loss.temperature: input should be greater than or equal to 0.001"),
        ("eval.k=10,50,10", r"bad value \[10, 50, 10\] for eval.k: 10 is named more than once: name each length"),
        ("negatives.k=2.5", "bad value 2.5 for negatives.k"),
    ],
)
def test_a_bad_value_is_refused_by_name(setting, message):
    with pytest.raises(UserError, match=message):
        with_settings(Config(), [setting])


def test_in_batch_softmax_needs_a_strategy_of_the_batch():
    with pytest.raises(UserError, match=r"set loss\.kind=sampled_softmax"):
        with_settings(Config(), ["loss.kind=in_batch_softmax", "negatives.strategy=uniform"])


def test_a_strategy_drawn_per_user_cannot_be_shared():
    with pytest.raises(UserError, match=r"exposed cannot be shared by a batch"):
        with_settings(Config(), ["negatives.strategy=exposed", "negatives.shared=64"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["negatives.strategy=mined"], r"set negatives\.run to its id, or to first_stage"),
        (["negatives.blend=mined"], r"set negatives\.run to its id"),
        (["negatives.strategy=mined", "negatives.run=x", "negatives.rank_from=9", "negatives.rank_to=5"], "swap them"),
        (["negatives.strategy=mined", "negatives.run=x", "negatives.hard_share=1.5"], "1.5 for negatives.hard_share"),
        (["negatives.strategy=mixed", "negatives.blend_share=-0.1"], "-0.1 for negatives.blend_share"),
        (["negatives.blend=in_batch"], "is the strategy itself"),
        (["negatives.blend=cross_batch"], "both take the batch's other positives"),
        (["negatives.strategy=mixed", "negatives.blend_share=1"], "leaves none of the batch's other positives"),
        (["negatives.blend=funrec_mix"], "is itself a blend"),
        (["negatives.strategy=uniform", "negatives.blend=mixed"], "is itself a blend"),
        (["negatives.strategy=in_batch_hard", "train.batch_size=64"], r"hardest=100 of a batch of 64"),
        (['tower.field_dims={"cate": 64}'], "64 is above tower.embedding_dim=16"),
        (['tower.field_dims={"cate": 4}', "tower.hidden=[]"], "needs hidden layers"),
        (["tower.kind=deepmatch", "loss.kind=in_batch_softmax", "features.title=true"], "sees single categories only"),
        (["tower.kind=deepmatch", "loss.kind=in_batch_softmax", "negatives.blend=uniform"], "without a blend"),
    ],
)
def test_knobs_that_do_not_fit_together_are_refused_with_what_to_choose(settings, message):
    with pytest.raises(UserError, match=message):
        with_settings(Config(), settings)


def test_a_batch_that_is_blended_in_has_its_softmax_too():
    settings = ["negatives.strategy=exposed", "negatives.blend=in_batch", "loss.kind=in_batch_softmax"]
    assert with_settings(Config(), settings).loss.kind == "in_batch_softmax"


def test_a_mapping_is_written_as_json_and_none_takes_a_blend_out():
    config = with_settings(Config(), ['tower.field_dims={"cate": 4}', "negatives.blend=ralm"])
    assert config.tower.field_dims == {"cate": 4}
    assert with_settings(config, ["negatives.blend=none"]).negatives.blend is None


def test_none_empties_an_optional_knob():
    config = with_settings(Config(), ["pool.max_age_days=3"])
    assert with_settings(config, ["pool.max_age_days=none"]).pool.max_age_days is None


def test_attributes_may_be_written_as_a_plain_list():
    assert with_settings(Config(), ["features.user_attributes=city,age"]).features.user_attributes == ["city", "age"]


def test_differences_name_only_what_differs():
    other = with_settings(Config(), ["negatives.k=7"])
    assert differences(Config(), other) == {"negatives.k": (5, 7)}


@pytest.mark.parametrize("setting", ["negatives.strategy=uniform", "loss.kind=bce", "features.article_id=false"])
def test_deepmatch_is_refused_what_it_would_ignore(setting):
    settings = ["tower.kind=deepmatch", "loss.kind=in_batch_softmax", setting]
    with pytest.raises(
        UserError, match=r"tower.kind deepmatch trains by its own in-batch softmax|in_batch_softmax takes"
    ):
        with_settings(Config(), settings)


def test_none_gives_all_attributes():
    config = with_settings(Config(), ["features.user_attributes=city"])
    assert with_settings(config, ["features.user_attributes=none"]).features.user_attributes is None


def test_a_hidden_layer_has_units():
    with pytest.raises(UserError, match=r"bad value 0 for tower\.hidden"):
        with_settings(Config(), ["tower.hidden=[0]"])
