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
