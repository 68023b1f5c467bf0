import pytest

from dssm_core.config import Config, with_settings
from dssm_core.errors import UserError
from dssm_core.memory_bound import Need, Part, check_fits

GB = 10**9


def by_knob(knob, unit):
    """An estimate that grows with one knob."""
    section, name = knob.split(".")

    def estimate(config):
        value = getattr(getattr(config, section), name)
        size = sum(value) if isinstance(value, list) else value
        return Need((Part("the log", GB), Part("what grows", unit * size, (knob,))))

    return estimate


def test_what_fits_is_returned_with_the_sum_of_its_parts():
    need = check_fits(Config(), by_knob("tower.dim", GB), 33 * GB)
    assert need.bytes == 33 * GB


@pytest.mark.parametrize(
    ("settings", "knob", "free", "message"),
    [
        (
            ["tower.dim=1024"],
            "tower.dim",
            130 * GB,
            r"tower\.dim=1024 does not fit into memory: the run needs about 1,025\.0 GB, of which 1,024\.0 GB for what "
            r"grows, and 130\.0 GB are free: set tower\.dim=128$",
        ),
        (["eval.k=10,50,200"], "eval.k", 61 * GB, r"eval\.k=\[10, 50, 200\] .*: set eval\.k=10,50$"),
        (["tower.hidden=[64,32]"], "tower.hidden", 50 * GB, r"tower\.hidden=\[64, 32\] .*: set tower\.hidden=32,16$"),
    ],
)
def test_what_does_not_fit_is_named_with_its_size_what_is_free_and_a_value_that_fits(settings, knob, free, message):
    with pytest.raises(UserError, match=message):
        check_fits(with_settings(Config(), settings), by_knob(knob, GB), free)


def test_the_value_that_is_proposed_is_one_that_the_config_takes():
    with pytest.raises(UserError, match="make more memory free") as told:
        check_fits(with_settings(Config(), ["train.batch_size=2"]), by_knob("train.batch_size", 10 * GB), 12 * GB)
    assert "set train.batch_size=1" not in str(told.value)


def test_where_one_knob_is_not_enough_several_are_lowered():
    def estimate(config):
        sizes = {"tower.dim": config.tower.dim, "train.batch_size": config.train.batch_size}
        return Need(tuple(Part(knob, GB * size, (knob,)) for knob, size in sizes.items()))

    config = with_settings(Config(), ["tower.dim=1024", "train.batch_size=512"])
    with pytest.raises(UserError, match=r"^tower\.dim=1024 .*: set tower\.dim=256 and train\.batch_size=128$"):
        check_fits(config, estimate, 400 * GB)


def test_what_nobody_can_change_is_not_what_does_not_fit():
    def estimate(config):
        return Need((Part("libraries", 3 * GB),))

    with pytest.raises(UserError, match=r"^the run does not fit into memory: the run needs .*: make more memory free"):
        check_fits(Config(), estimate, 2 * GB)


def test_an_index_gives_way_to_one_that_takes_less():
    sizes = {"annoy": 9 * GB, "ivf": 5 * GB, "exact": 2 * GB}

    def estimate(config):
        return Need((Part("the index", sizes[config.index.kind], ("index.kind",)),))

    annoy = with_settings(Config(), ["index.kind=annoy"])
    with pytest.raises(UserError, match=r"index\.kind=annoy does not fit .*: set index\.kind=ivf$"):
        check_fits(annoy, estimate, 6 * GB)
    with pytest.raises(UserError, match=r": set index\.kind=exact$"):
        check_fits(annoy, estimate, 4 * GB)


def test_a_part_without_a_knob_says_what_to_do_instead():
    def estimate(config):
        return Need((Part("ease's matrix", 3 * GB, instead="use item_knn"),))

    with pytest.raises(UserError, match=r"^ease's matrix does not fit .* 3\.0 GB .* 2\.0 GB are free: use item_knn$"):
        check_fits(Config(), estimate, 2 * GB, "the baseline ease")


def test_of_several_knobs_the_one_that_is_turned_up_most_is_named_and_lowered_first():
    def estimate(config):
        size = GB * config.negatives.k * config.train.batch_size / 1024
        return Need((Part("what a step gathers", size, ("train.batch_size", "negatives.k")),))

    config = with_settings(Config(), ["negatives.k=1000", "train.batch_size=2048"])
    with pytest.raises(UserError, match=r"^negatives\.k=1000 does not fit .*: set negatives\.k=62$"):
        check_fits(config, estimate, 150 * GB)
    config = with_settings(Config(), ["negatives.k=10", "train.batch_size=65536"])
    with pytest.raises(UserError, match=r"^train\.batch_size=65536 does not fit .*: set train\.batch_size=8192$"):
        check_fits(config, estimate, 150 * GB)
