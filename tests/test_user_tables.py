import numpy as np
import pandas as pd
import pytest

from lab import user_tables
from tests.conftest import MONDAY, make_dataset

DATASET = make_dataset(
    [("u", "a", MONDAY, 1), ("u", "b", MONDAY + 1, 1), ("v", "c", MONDAY, 1)],
    {"a": {"title": "A", "cate": "sport"}, "b": {"title": "B", "cate": "film"}, "c": {"title": "C", "cate": "film"}},
)
ONE, TWO, THREE = 1, 2, 3


def recall(*articles, user=1, hits=()):
    rows = [(user, rank, article, 1 / rank, article in hits) for rank, article in enumerate(articles, 1)]
    return pd.DataFrame(rows, columns=["user", "rank", "article", "score", "hit"])


def held_out(*rows):
    table = pd.DataFrame(rows, columns=["article", "list_rank", "exact_rank", "score", "reason"])
    return table.assign(user=1, time=MONDAY + table.index, warm=True, warm_user=True)


def test_the_rows_of_a_user_are_cut_out_of_a_sorted_table():
    table = pd.DataFrame({"user": [1, 1, 3, 4], "rank": [1, 2, 1, 1]})
    assert user_tables.of_user(table, 1)["rank"].tolist() == [1, 2]
    assert len(user_tables.of_user(table, 2)) == 0 and len(user_tables.of_user(table, 4)) == 1


def test_an_outranked_click_shows_its_score_beside_that_of_the_article_at_rank_k():
    clicks = held_out((THREE, 0, 9, 0.0427, "outranked"), (TWO, 2, 2, 0.5, "hit"), (ONE, 0, 0, np.nan, "not in pool"))
    rows = user_tables.held_out_list(DATASET, clicks, recall(ONE, TWO), 1, "cosine").set_index("title")
    assert rows.at["C", "why"] == "cosine 0.0427; rank 1 has 1: A"
    assert rows.at["B", "why"] == "cosine 0.5; rank 1 has 1: A"
    assert rows.at["A", "why"].startswith("not in the candidate pool")
    assert rows["rank"].fillna(0).tolist() == [9, 2, 0]
    assert rows["reason"].tolist() == ["outranked", "outranked", "not in pool"]


def test_without_a_list_of_k_an_outranked_click_has_the_plain_reason():
    assert user_tables.why("outranked", 0.1, 50, "cosine") == "other articles scored higher"


def test_how_often_a_click_was_a_negative_is_shown_where_it_was_counted():
    clicks = held_out((ONE, 1, 1, 0.5, "hit"))
    assert user_tables.DRAWN not in user_tables.held_out_list(DATASET, clicks, recall(ONE), 1)
    rows = user_tables.held_out_list(DATASET, clicks.assign(drawn=7), recall(ONE), 1)
    assert rows[user_tables.DRAWN].tolist() == [7]


def test_a_click_moves_by_the_difference_of_its_ranks():
    one = held_out((ONE, 0, 40, 0.1, "outranked"), (TWO, 2, 2, 0.5, "hit"), (THREE, 0, 0, np.nan, "not in pool"))
    other = held_out((ONE, 3, 3, 0.1, "hit"), (TWO, 0, 12, 0.5, "outranked"), (THREE, 0, 0, np.nan, "not in pool"))
    rows = user_tables.moved(DATASET, one, other, ("first", "second"), 10).set_index("title")
    assert rows["moved"].fillna(0).tolist() == [37, -10, 0]
    assert rows["change"].tolist() == ["into the list", "out of the list", ""]


def test_articles_of_both_lists_come_first_and_are_told_from_those_of_one():
    rows = user_tables.both_lists(DATASET, recall(ONE, TWO), recall(THREE, TWO, hits=(THREE,)), ("x", "y"), 10)
    assert rows["title"].tolist() == ["B", "A", "C"]
    assert rows["in"].tolist() == ["both", "x", "y"]
    assert rows["hit"].tolist() == [False, False, True]
    assert rows["rank in x"].fillna(0).tolist() == [2, 1, 0]
    assert rows["rank in y"].fillna(0).tolist() == [2, 0, 1]


@pytest.mark.parametrize(("article", "places"), [(ONE, [1, 2]), (TWO, [2]), (9, [])])
def test_the_places_of_an_article_are_those_in_all_lists(article, places):
    lists = pd.concat([recall(ONE, TWO), recall(THREE, ONE, user=2)])
    assert user_tables.list_places(lists, article).tolist() == places


@pytest.mark.parametrize("name", ["title", "hit", "in", "article"])
def test_a_run_may_be_called_like_a_column(name):
    lists = user_tables.both_lists(DATASET, recall(ONE, TWO), recall(THREE, TWO), (name, "y"), 10)
    assert lists["title"].tolist() == ["B", "A", "C"]
    assert lists.columns.is_unique
    clicks = held_out((ONE, 1, 1, 0.5, "hit"))
    moved = user_tables.moved(DATASET, clicks, clicks, (name, "y"), 10)
    assert moved["title"].tolist() == ["A"] and moved.columns.is_unique


def test_a_user_attribute_may_be_called_like_the_column_of_ids():
    dataset = make_dataset([("u", "a", MONDAY, 1)], users={"u": {"user": "x", "hit": "y"}})
    readers = user_tables.readers(dataset, np.array([1]))
    assert readers["user_id"].tolist() == ["u"] and readers["user user"].tolist() == ["x"]
    assert readers.columns.is_unique
