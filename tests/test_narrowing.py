import numpy as np
import pandas as pd
import pytest

from dssm_core.errors import UserError
from dssm_core.narrowing import Outcome, narrowed
from tests.conftest import MONDAY, make_dataset


def outcome(lists: dict[int, list[int]], clicks: list[tuple[int, int]], pool: list[int]) -> Outcome:
    """Lists by user, held-out (user, article) clicks, and the pool; a click outside its list was outranked."""
    recall = pd.DataFrame(
        [(user, place + 1, article) for user, articles in lists.items() for place, article in enumerate(articles)],
        columns=["user", "rank", "article"],
    ).astype(np.int32)
    held_out = pd.DataFrame(clicks, columns=["user", "article"]).astype(np.int32)
    ranks = [lists[user].index(article) + 1 if article in lists[user] else 0 for user, article in clicks]
    reason = ["hit" if rank else "outranked" for rank in ranks]
    held_out = held_out.assign(list_rank=ranks, reason=reason, in_pool=True)
    return Outcome(held_out, recall, np.array(pool, np.int32), max(map(len, lists.values())))


ONE = outcome({1: [5, 6, 7, 8], 2: [6, 5, 8, 7]}, [(1, 7), (1, 5), (2, 6)], [5, 6, 7, 8])
OTHER = outcome({1: [9, 7, 6, 5], 3: [5, 6, 7, 9]}, [(1, 5), (1, 7), (3, 6)], [5, 6, 7, 9])


def test_only_clicks_that_all_held_out_are_left():
    for some in narrowed({"one": ONE, "other": OTHER}).values():
        assert some.held_out[["user", "article"]].to_numpy().tolist() == [[1, 5], [1, 7]]


def test_ranks_are_counted_among_the_articles_that_all_could_recall():
    outcomes = narrowed({"one": ONE, "other": OTHER})
    assert outcomes["one"].recall["article"].tolist() == [5, 6, 7]
    assert outcomes["other"].recall["article"].tolist() == [7, 6, 5]
    assert outcomes["one"].held_out["list_rank"].tolist() == [1, 3]
    assert outcomes["other"].held_out["list_rank"].tolist() == [3, 1]


def test_lists_are_as_long_as_the_shortest_one_left():
    short = outcome({1: [9, 7]}, [(1, 5), (1, 7)], [5, 6, 7, 9])
    outcomes = narrowed({"one": ONE, "short": short})
    assert [some.longest for some in outcomes.values()] == [1, 1]
    assert outcomes["one"].held_out["list_rank"].tolist() == [1, 0]
    assert outcomes["short"].held_out["list_rank"].tolist() == [0, 1]
    assert outcomes["short"].held_out["reason"].tolist() == ["outranked", "hit"]


def test_a_click_outside_the_common_pool_is_a_miss_of_all():
    without = outcome({1: [5, 6]}, [(1, 5), (1, 7)], [5, 6])
    for some in narrowed({"one": ONE, "without": without}).values():
        assert some.held_out["reason"].tolist() == ["hit", "not in pool"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (outcome({3: [5]}, [(3, 5)], [5]), "no held-out click in common"),
        (outcome({1: [9]}, [(1, 5)], [9]), "no article of the candidate pools in common"),
    ],
)
def test_runs_without_common_ground_are_refused(other, message):
    with pytest.raises(UserError, match=message):
        narrowed({"one": ONE, "other": other})


def test_another_datasets_rows_are_matched_by_raw_ids():
    own = make_dataset([("u", "x", MONDAY, 1), ("v", "y", MONDAY, 1)])
    other = make_dataset([("t", "y", MONDAY, 1), ("v", "z", MONDAY, 1)])
    # in `own` v is user 2 and y article 2; in `other` v is user 2 and y article 1
    own_outcome = outcome({1: [1, 2], 2: [1, 2]}, [(2, 2), (1, 1)], [1, 2])
    moved = own_outcome.in_rows_of(own, other.__class__(**{**other.__dict__, "id": "other"}))
    assert moved.held_out[["user", "article"]].to_numpy().tolist() == [[2, 1]]
    assert moved.pool.tolist() == [1]
