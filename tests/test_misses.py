import numpy as np
import pandas as pd
import pytest

from dssm_core.misses import REASONS, counts, reasons, reasons_at

MISSED = {
    "k": 10,
    "list_rank": 0,
    "in_pool": True,
    "exact_rank": 50,
    "score": 0.2,
    "last_score": 0.5,
    "warm_article": True,
    "warm_user": True,
}


def reason(**facts):
    given = {**MISSED, **facts}
    (found,) = reasons(**{name: value if name == "k" else np.array([value]) for name, value in given.items()})
    return found


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"list_rank": 10, "exact_rank": 10}, "hit"),
        ({"in_pool": False, "exact_rank": 0, "score": np.nan, "warm_article": False}, "not in pool"),
        ({"exact_rank": 0, "score": np.nan, "warm_user": False}, "removed as seen"),
        ({"exact_rank": 10, "score": 0.6, "warm_article": False}, "lost by the index"),
        ({"exact_rank": 3, "score": 0.6, "last_score": np.nan}, "lost by the index"),
        ({"exact_rank": 11, "score": 0.6, "last_score": 0.5}, "outranked"),
        ({"exact_rank": 10, "score": 0.5}, "outranked"),
        ({"exact_rank": 10, "score": 0.5 + 1e-8}, "outranked"),
        ({"exact_rank": 10, "score": 0.5, "warm_article": False}, "cold article"),
        ({"warm_article": False, "warm_user": False}, "cold article"),
        ({"warm_user": False}, "cold user"),
        ({}, "outranked"),
    ],
)
def test_a_held_out_click_has_the_first_reason_that_holds(facts, expected):
    assert reason(**facts) == expected


def test_counts_name_every_reason_in_order_and_add_up():
    found = counts(np.array(["hit", "outranked", "hit", "cold user"], object))
    assert tuple(found) == REASONS and sum(found.values()) == 4
    assert (found["hit"], found["cold user"], found["outranked"], found["not in pool"]) == (2, 1, 1, 0)


HELD_OUT = pd.DataFrame(
    [
        # list_rank, exact_rank, reason, warm, warm_user, and the reason in lists of 10
        (3, 3, "hit", True, True, "hit"),
        (30, 30, "hit", True, True, "outranked"),
        (30, 30, "hit", False, True, "cold article"),
        (30, 30, "hit", True, False, "cold user"),
        (0, 8, "lost by the index", True, True, "lost by the index"),
        (0, 30, "lost by the index", True, True, "outranked"),
        (0, 30, "lost by the index", False, True, "cold article"),
        (0, 0, "not in pool", False, True, "not in pool"),
        (0, 0, "removed as seen", True, True, "removed as seen"),
        (0, 90, "outranked", True, True, "outranked"),
    ],
    columns=["list_rank", "exact_rank", "reason", "warm", "warm_user", "at_10"],
)


def test_in_a_shorter_list_a_click_has_the_first_reason_that_holds_there():
    assert reasons_at(HELD_OUT, 10).tolist() == HELD_OUT["at_10"].tolist()


def test_in_the_whole_list_the_reasons_are_those_of_the_run():
    assert reasons_at(HELD_OUT, 50).tolist() == HELD_OUT["reason"].tolist()
