import pytest

from dssm_core.config import Config, with_settings
from dssm_core.errors import UserError
from dssm_core.presets import find_preset
from dssm_core.readiness import check
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
