import numpy as np
import pytest

from dssm_core.config import FeaturesConfig
from dssm_core.errors import UserError
from dssm_core.features import make_features
from dssm_core.split import Split
from tests.conftest import MONDAY, make_dataset

ROWS = [("u", "a", MONDAY, 1), ("u", "b", MONDAY, 0), ("v", "a", MONDAY, 1), ("w", "c", MONDAY, 1)]
USERS = {"u": {"city": "north"}, "v": {"city": "south"}, "w": {"city": "west"}}
ARTICLES = {
    "a": {"cate": "sport", "sub_cate": "ball/foot", "title": "A", "key_words": "^x:1"},
    "b": {"cate": "music", "sub_cate": "jazz"},
    "c": {"cate": "film", "sub_cate": "new"},
}


@pytest.fixture
def dataset():
    return make_dataset(ROWS, ARTICLES, USERS)


@pytest.fixture
def split():
    """The last exposure (w, c) is test."""
    none = np.zeros(0, np.int64)
    pool = np.array([1, 2], np.int32)
    return Split("random", np.array([0, 1, 2]), none, np.array([3]), pool, pool, None, None)


def field(side, name):
    return next(field for field in side.fields if field.name == name)


def test_vocabularies_are_fitted_on_train_alone(dataset, split):
    features = make_features(dataset, split, FeaturesConfig())
    assert field(features.users, "user_id").values == ["unknown", "u", "v"]
    assert field(features.users, "city").values == ["unknown", "north", "south"]
    assert field(features.articles, "article_id").values == ["unknown", "a", "b"]
    assert set(field(features.articles, "cate").values) == {"unknown", "sport", "music"}


def test_what_train_never_saw_takes_the_unknown_row(dataset, split):
    users = make_features(dataset, split, FeaturesConfig()).users
    w = dataset.user_row("w")
    assert users.slots[w].tolist() == [field(users, "user_id").first_row, field(users, "city").first_row]


def test_several_values_share_the_weight_of_their_field(dataset, split):
    articles = make_features(dataset, split, FeaturesConfig()).articles
    start = sum(other.width for other in articles.fields[: [f.name for f in articles.fields].index("sub_cate")])
    sub_cate = field(articles, "sub_cate")
    assert sub_cate.width == 2
    values = [sub_cate.values[slot - sub_cate.first_row] for slot in articles.slots[1, start : start + 2]]
    assert values == ["ball", "foot"]
    assert articles.weights[1, start : start + 2].tolist() == [0.5, 0.5]
    assert articles.weights[2, start : start + 2].tolist() == [1, 0]
    assert articles.slots[2, start + 1] == 0, "padding"


def test_fields_share_one_table_without_overlap(dataset, split):
    for side in (f := make_features(dataset, split, FeaturesConfig())).users, f.articles:
        first_rows = [field.first_row for field in side.fields]
        assert first_rows == [1 + sum(len(other.values) for other in side.fields[:i]) for i in range(len(side.fields))]
        assert side.slots.max() < side.table_rows
        assert side.slots.dtype == np.int32


def test_titles_and_key_words_are_not_embedded_as_categories(dataset, split):
    names = [field.name for field in make_features(dataset, split, FeaturesConfig()).articles.fields]
    assert sorted(names) == ["article_id", "cate", "sub_cate"]
    assert names[0] == "article_id", "the id comes first: id dropout relies on it"


def test_rare_values_are_unknown(dataset, split):
    config = FeaturesConfig(min_count=2)
    assert field(make_features(dataset, split, config).articles, "article_id").values == ["unknown", "a"]


def test_ids_alone(dataset, split):
    config = FeaturesConfig(user_attributes=[], article_attributes=[])
    features = make_features(dataset, split, config)
    assert [side.widths for side in (features.users, features.articles)] == [(1,), (1,)]


def test_an_unknown_attribute_is_named_with_the_known_ones(dataset, split):
    with pytest.raises(UserError, match="unknown user attribute 'town': one of city"):
        make_features(dataset, split, FeaturesConfig(user_attributes=["town"]))


def test_a_side_without_fields_is_refused(dataset, split):
    with pytest.raises(UserError, match="the user tower has no features"):
        make_features(dataset, split, FeaturesConfig(user_id=False, user_attributes=[]))
