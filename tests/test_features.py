from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dssm_core.config import FeaturesConfig
from dssm_core.errors import UserError
from dssm_core.features import SideSize, field_names, make_features, side_sizes
from dssm_core.split import Split
from dssm_core.title_ngrams import title_ngrams
from tests.conftest import MONDAY, make_dataset

ROWS = [("u", "a", MONDAY, 1), ("u", "b", MONDAY, 0), ("v", "a", MONDAY, 1), ("w", "c", MONDAY, 1)]
PLAIN = FeaturesConfig(title=False, key_words=False)
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


@pytest.mark.parametrize(
    "config",
    [
        FeaturesConfig(),
        PLAIN,
        FeaturesConfig(user_id=False, key_words=True, article_attributes=["cate"]),
        FeaturesConfig(dense=["img_num"], article_id=False),
    ],
)
def test_the_names_of_fields_are_known_before_they_are_made(split, config):
    articles = {name: {**facts, "img_num": "2", "key_words": "^x:1"} for name, facts in ARTICLES.items()}
    dataset = make_dataset(ROWS, articles, USERS)
    made = make_features(dataset, split, config)
    assert field_names(dataset, config) == {field.name for side in (made.users, made.articles) for field in side.fields}


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
    for side in (f := make_features(dataset, split, PLAIN)).users, f.articles:
        first_rows = [field.first_row for field in side.fields]
        assert first_rows == [1 + sum(other.table_rows for other in side.fields[:i]) for i in range(len(side.fields))]
        assert [field.table_rows for field in side.fields] == [len(field.values) for field in side.fields]
        assert side.slots.max() < side.table_rows
        assert side.slots.dtype == np.int32


def test_titles_and_key_words_are_not_embedded_as_categories(dataset, split):
    names = [field.name for field in make_features(dataset, split, PLAIN).articles.fields]
    assert sorted(names) == ["article_id", "cate", "sub_cate"]
    assert names[0] == "article_id", "the id comes first: id dropout relies on it"


def test_titles_and_key_words_are_fields_of_their_own_where_the_log_has_them(dataset, split):
    fields = make_features(dataset, split, FeaturesConfig()).articles.fields
    assert [field.name for field in fields][-2:] == ["title", "key_words"]
    bare = replace(dataset, articles=dataset.articles.drop(columns=["title", "key_words"]))
    assert {"title", "key_words"}.isdisjoint(
        field.name for field in make_features(bare, split, FeaturesConfig()).articles.fields
    )


def test_rare_values_are_unknown(dataset, split):
    config = FeaturesConfig(min_count=2)
    assert field(make_features(dataset, split, config).articles, "article_id").values == ["unknown", "a"]


def test_ids_alone(dataset, split):
    config = PLAIN.model_copy(update={"user_attributes": [], "article_attributes": []})
    features = make_features(dataset, split, config)
    assert [side.widths for side in (features.users, features.articles)] == [(1,), (1,)]


def test_an_unknown_attribute_is_named_with_the_known_ones(dataset, split):
    with pytest.raises(UserError, match="unknown user attribute 'town': one of city"):
        make_features(dataset, split, FeaturesConfig(user_attributes=["town"]))


def test_a_side_without_fields_is_refused(dataset, split):
    with pytest.raises(UserError, match="the user tower has no features"):
        make_features(dataset, split, FeaturesConfig(user_id=False, user_attributes=[]))


def of_field(side, name):
    """Slots of one field, counted from its first row (padding: negative), and weights: (rows, width)."""
    names = [field.name for field in side.fields]
    start = sum(side.widths[: names.index(name)])
    columns = slice(start, start + field(side, name).width)
    return side.slots[:, columns] - field(side, name).first_row, side.weights[:, columns]


def words_of(side, row):
    """The key words of an article with their weights."""
    slots, weights = of_field(side, "key_words")
    values = field(side, "key_words").values
    return {values[slot]: float(w) for slot, w in zip(slots[row], weights[row], strict=True) if w}


WEIGHTED = {
    "a": {"key_words": "^x:1,3:0:3", "title": "good"},
    "b": {"key_words": "^x:1,new:1"},
    "c": {"key_words": "^new:1", "title": "足球"},
    "d": {},
}


@pytest.fixture
def weighted():
    """The articles of WEIGHTED: a and b are in train, a twice."""
    return make_dataset(ROWS, WEIGHTED, USERS)


def test_titles_are_hashed_to_rows_of_the_table(weighted, split):
    articles = make_features(weighted, split, FeaturesConfig(title=True, title_buckets=100)).articles
    title = field(articles, "title")
    assert (title.values, title.table_rows, title.width) == ([], 100, 4)
    slots, weights = of_field(articles, "title")
    expected, _ = title_ngrams(pa.array(["good", "足球"]), 100)
    assert slots[1].tolist() == expected[0].tolist()
    assert slots[3, :3].tolist() == expected[1, :3].tolist()
    np.testing.assert_allclose(weights[[1, 3]], [[1 / 4] * 4, [1 / 3] * 3 + [0]])


def test_no_title_weighs_nothing(split):
    dataset = make_dataset(ROWS, {"a": {"title": "good"}, "b": {"title": "unknown"}})
    articles = make_features(dataset, split, FeaturesConfig(title=True)).articles
    slots, weights = of_field(articles, "title")
    assert not weights[[0, 2, 3]].any()
    assert (slots[[0, 2, 3]] < 0).all()


def test_key_words_are_weighted_and_rare_ones_are_unknown(weighted, split):
    articles = make_features(weighted, split, FeaturesConfig(key_words=True)).articles
    assert field(articles, "key_words").values == ["unknown", "3:0", "x", "new"]
    assert words_of(articles, 1) == {"3:0": 0.75, "x": 0.25}
    assert words_of(articles, 4) == {"unknown": 1}
    articles = make_features(weighted, split, FeaturesConfig(key_words=True, min_count=2)).articles
    assert words_of(articles, 2) == {"x": 0.5, "unknown": 0.5}
    assert words_of(articles, 3) == {"unknown": 1}


def test_key_words_asked_for_as_an_attribute_too_are_one_field(weighted, split):
    config = FeaturesConfig(title=False, key_words=True, article_attributes=["key_words"])
    names = [field.name for field in make_features(weighted, split, config).articles.fields]
    assert names == ["article_id", "key_words"]


@pytest.mark.parametrize("name", ["title", "key_words"])
def test_a_dataset_without_the_column_is_told_what_to_set(split, name):
    dataset = make_dataset(ROWS)
    with pytest.raises(UserError, match=f"features.{name} needs the articles' {name}.*set features.{name}=false"):
        make_features(dataset, split, FeaturesConfig(**{name: True}))


NUMBERS = {"a": {"img_num": "1"}, "b": {"img_num": "4"}, "c": {"img_num": "100"}, "d": {"img_num": "上海"}}
AGES = {"u": {"age": "20"}, "v": {"age": "50"}, "w": {}}


def test_numbers_are_scaled_by_the_train_exposures(split):
    """Train shows a (1), b (4), a (1): mean 2, variance (1 + 4 + 1) / 3 = 2. c is only in test, and clipped."""
    dataset = make_dataset(ROWS, NUMBERS)
    articles = make_features(dataset, split, FeaturesConfig(dense=["img_num"])).articles
    img_num = field(articles, "img_num")
    assert (img_num.values, img_num.table_rows, img_num.width) == ([], 1, 1)
    slots, weights = of_field(articles, "img_num")
    np.testing.assert_allclose(weights[:, 0], [0, -1 / np.sqrt(2), 2 / np.sqrt(2), 5, 0], rtol=1e-6)
    assert slots[1:4].tolist() == [[0]] * 3, "its one row, weighted by the number"
    assert (slots[[0, 4]] < 0).all(), "missing, and no number: padding"
    assert articles.weights.dtype == np.float32


def test_a_number_is_taken_from_the_side_that_has_it_and_is_no_category(split):
    features = make_features(make_dataset(ROWS, NUMBERS, AGES), split, FeaturesConfig(dense=["age", "img_num"]))
    assert [field.name for field in features.users.fields] == ["user_id", "age"]
    assert [field.name for field in features.articles.fields] == ["article_id", "img_num"]
    np.testing.assert_allclose(of_field(features.users, "age")[1].ravel() * np.sqrt(2), [0, -1, 2, 0], rtol=1e-6)


def test_a_number_that_both_sides_have_is_taken_from_both(split):
    users = {user: {"img_num": row["age"]} for user, row in AGES.items() if row}
    features = make_features(make_dataset(ROWS, NUMBERS, users), split, FeaturesConfig(dense=["img_num"]))
    assert field(features.users, "img_num").table_rows == field(features.articles, "img_num").table_rows == 1


def test_a_number_named_among_the_attributes_too_is_one_field(split):
    config = FeaturesConfig(dense=["img_num", "img_num"], article_attributes=["img_num"])
    articles = make_features(make_dataset(ROWS, NUMBERS), split, config).articles
    assert [field.name for field in articles.fields] == ["article_id", "img_num"]
    assert field(articles, "img_num").values == []


@pytest.mark.parametrize("values", [("0.1", "0.1", "7"), ("unknown", "unknown", "7")])
def test_a_number_that_train_never_saw_vary_weighs_nothing(split, values):
    articles = {name: {"img_num": value} for name, value in zip("abc", values, strict=True)}
    features = make_features(make_dataset(ROWS, articles), split, FeaturesConfig(dense=["img_num"]))
    assert not of_field(features.articles, "img_num")[1].any()


def test_a_number_too_large_to_scale_is_none(split):
    articles = {"a": {"img_num": "1"}, "b": {"img_num": "3"}, "c": {"img_num": "1e308"}, "d": {"img_num": "1e999"}}
    features = make_features(make_dataset(ROWS, articles), split, FeaturesConfig(dense=["img_num"]))
    weights = of_field(features.articles, "img_num")[1].ravel()
    np.testing.assert_allclose(weights[[0, 3, 4]], 0)
    assert weights[1] < 0 < weights[2]


def test_an_unknown_number_is_named_with_the_known_attributes(split):
    dataset = make_dataset(ROWS, NUMBERS, AGES)
    with pytest.raises(UserError, match=r"features\.dense 'weight': one of age, img_num"):
        make_features(dataset, split, FeaturesConfig(dense=["weight"]))


def test_an_attribute_that_mostly_is_no_number_is_refused(dataset, split):
    articles = {**NUMBERS, "b": {"img_num": "云南"}, "c": {"img_num": "山东"}}
    with pytest.raises(UserError, match=r"features\.dense 'img_num': of 4 known values .* article .* only 1"):
        make_features(make_dataset(ROWS, articles), split, FeaturesConfig(dense=["img_num"]))
    with pytest.raises(UserError, match=r"features\.dense 'city': of 3 known values .* user .* only 0"):
        make_features(dataset, split, FeaturesConfig(dense=["city"]))


def test_the_fields_stand_in_the_order_that_is_documented(split):
    articles = {"a": {"cate": "sport", "img_num": "1", "key_words": "^x:1", "title": "A"}, "b": {"img_num": "2"}}
    config = FeaturesConfig(title=True, key_words=True, dense=["img_num", "age"])
    features = make_features(make_dataset(ROWS, articles, {"u": {"age": "1", "city": "x"}}), split, config)
    assert [field.name for field in features.users.fields] == ["user_id", "city", "age"]
    assert [field.name for field in features.articles.fields] == ["article_id", "cate", "title", "key_words", "img_num"]
    for side in (features.users, features.articles):
        assert side.slots.shape == side.weights.shape == (side.slots.shape[0], sum(side.widths))
        assert (side.slots.dtype, side.weights.dtype) == (np.int32, np.float32)
        assert 0 <= side.slots.min() <= side.slots.max() < side.table_rows


def test_nothing_is_fitted_on_test_rows(split):
    """The test exposure turns from c to d, unlike anything in train: what is made of all others stays as it was."""
    columns = [
        {"title": "good", "img_num": "1", "key_words": "^x:1", "cate": "sport"},
        {"title": "bad", "img_num": "5", "key_words": "^y:1", "cate": "music"},
        {"title": "new", "img_num": "900", "key_words": "^z:1", "cate": "film"},
        {"title": "else", "img_num": "-70", "key_words": "^zz:1", "cate": "news"},
    ]
    dataset = make_dataset(ROWS, dict(zip("abcd", columns, strict=True)), USERS)
    article = dataset.exposures.article.copy()
    article[split.test] = 4
    other = replace(dataset, exposures=replace(dataset.exposures, article=article))
    config = FeaturesConfig(title=True, key_words=True, dense=["img_num"])
    one, two = (make_features(some, split, config).articles for some in (dataset, other))
    assert one.fields == two.fields
    np.testing.assert_array_equal(one.slots, two.slots)
    np.testing.assert_array_equal(one.weights, two.weights)
    assert field(one, "key_words").values == ["unknown", "x", "y"]


def test_columns_that_a_large_file_gives_in_chunks_are_read_like_whole_ones(split):
    dataset = make_dataset(ROWS, WEIGHTED, USERS)
    halves = {
        name: pd.arrays.ArrowStringArray(pa.chunked_array([pa.array(column[:2]), pa.array(column[2:])]))
        for name, column in dataset.articles.items()
        if name != "ctime"
    }
    chunked = replace(dataset, articles=dataset.articles.assign(**halves))
    config = FeaturesConfig(title=True, key_words=True)
    one, two = (make_features(some, split, config).articles for some in (dataset, chunked))
    assert one.fields == two.fields
    np.testing.assert_array_equal(one.slots, two.slots)


@pytest.mark.parametrize(
    "config",
    [
        FeaturesConfig(),
        PLAIN,
        FeaturesConfig(user_id=False, dense=["city", "cate"], user_attributes=[], title_buckets=100),
        FeaturesConfig(article_id=False, article_attributes=["sub_cate"], key_words=False),
    ],
)
def test_sizes_told_ahead_are_those_of_the_features_but_for_values_that_train_lacks(dataset, config):
    none = np.zeros(0, np.int64)
    pool = np.array([1, 2, 3], np.int32)
    all_train = Split("random", np.arange(4), none, none, pool, pool, None, None)
    dataset.users["city"], dataset.articles["cate"] = ["0", "1", "2", "3"], ["0", "4", "5", "6"]
    made = make_features(dataset, all_train, config)
    for told, side in zip(side_sizes(dataset, config, 3, 3), (made.users, made.articles), strict=True):
        size = SideSize.of(side)
        assert replace(told, listed=0) == replace(size, listed=0)
        assert size.listed <= told.listed <= size.listed + len(side.fields)
        assert told.listed + (config.title_buckets if told.hashed else 0) >= side.table_rows
