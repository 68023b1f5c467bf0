import pytest

from dssm_core.errors import UserError
from dssm_core.presets import PRESETS, find_preset


@pytest.mark.parametrize("name", PRESETS)
class TestEveryPreset:
    def test_is_a_valid_config(self, name):
        assert find_preset(name).config

    def test_says_when_to_use_it_and_where_it_comes_from(self, name):
        assert find_preset(name).summary.endswith(".")
        assert find_preset(name).source


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(UserError, match=r"unknown preset 'best': one of .*in_batch"):
        find_preset("best")
