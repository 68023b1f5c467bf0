import numpy as np
import pytest

from dssm_core.misses import REASONS, counts, reasons

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
