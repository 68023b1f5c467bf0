import pytest

from dssm_core.errors import UserError
from dssm_core.workspace import Workspace
from lab.saved_mappings import SavedMapping, mapping_path, save_mapping, saved_mapping

NAMES = ("uid", "item", "rating")
MAPPING = SavedMapping({"user_id": "uid", "article_id": "item", "expo_time": ""}, "rating>=4")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, bundled=None)


def test_a_mapping_comes_back_for_the_same_columns_alone(workspace):
    save_mapping(workspace, "exposures", NAMES, MAPPING)
    assert saved_mapping(workspace, "exposures", NAMES) == MAPPING
    assert saved_mapping(workspace, "users", NAMES) is None
    assert saved_mapping(workspace, "exposures", (*NAMES, "more")) is None
    assert mapping_path(workspace, "exposures", ("a,b",)) != mapping_path(workspace, "exposures", ("a", "b"))


def test_the_last_mapping_counts(workspace):
    save_mapping(workspace, "exposures", NAMES, MAPPING)
    save_mapping(workspace, "exposures", NAMES, SavedMapping({"user_id": "item"}))
    assert saved_mapping(workspace, "exposures", NAMES) == SavedMapping({"user_id": "item"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"columns": 3}',
        '{"columns": {"user_id": "gone"}}',
        '{"columns": {"nonsense": "uid"}}',
        '{"columns": {"user_id": ["uid"]}}',
        '{"columns": {}, "click": 4}',
        '{"columns": {}, "more": 1}',
        '{"click": ""}',
        "\ud800",
    ],
)
def test_a_file_that_holds_no_fitting_mapping_is_told(workspace, text):
    path = mapping_path(workspace, "exposures", NAMES)
    path.parent.mkdir()
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match="does not fit these columns"):
        saved_mapping(workspace, "exposures", NAMES)
