import numpy as np
import pandas as pd
import pytest

from dssm_core.segments import (
    Segment,
    activity_bins,
    age_bins,
    attribute_segment,
    popularity_thirds,
    segment_recall,
    segment_recall_of_seeds,
    segments_of,
)

HOUR = 3_600_000


def test_head_torso_and_tail_gather_a_third_of_the_clicks_each():
    # of 12 clicks, a third is 4: the first article has it, the next two (2 + 2) make the second third
    assert popularity_thirds(np.array([0, 4, 2, 2, 1, 1, 1, 1])).tolist() == [2, 0, 1, 1, 2, 2, 2, 2]


def test_an_article_that_begins_inside_the_head_belongs_to_it():
    assert popularity_thirds(np.array([2, 2, 2])).tolist() == [0, 1, 2]
    assert popularity_thirds(np.array([3, 3, 3, 3])).tolist() == [0, 0, 1, 2]  # of 12: begins at 0, 3, 6, 9


def test_without_train_clicks_everything_is_tail():
    assert popularity_thirds(np.zeros(3, np.int64)).tolist() == [2, 2, 2]


def test_ages_are_parted_at_6_hours_1_day_and_3_days():
    ctime = np.full(7, 100 * HOUR)
    hours = np.array([0, 5.99, 6, 23.99, 24, 72, 500])
    time = ctime + (hours * HOUR).astype(np.int64)
    assert age_bins(time, ctime).tolist() == [0, 0, 1, 1, 2, 3, 3]


def test_an_age_needs_both_times():
    assert age_bins(np.array([0, 5, 5]), np.array([5, 0, 5])).tolist() == [-1, -1, 0]


def test_activity_is_parted_at_1_5_and_20_train_clicks():
    assert activity_bins(np.array([0, 1, 4, 5, 19, 20, 900])).tolist() == [0, 1, 1, 2, 2, 3, 3]


def test_an_attribute_keeps_the_eight_values_with_most_held_out_clicks():
    column = pd.Series(["unknown", *(f"v{i}" for i in range(12))])
    rows = np.concatenate([np.repeat(np.arange(3, 11), 3), [1, 2]])
    segment = attribute_segment("article cate", column, rows)
    assert set(segment.values) == {f"v{i}" for i in range(2, 10)}
    assert (segment.codes[-2:] == -1).all()
    assert [segment.values[code] for code in segment.codes[:24]] == column.iloc[rows[:24]].tolist()


@pytest.mark.parametrize("values", [1, 21])
def test_an_attribute_with_one_or_too_many_values_parts_nothing(values):
    column = pd.Series(["unknown", *(f"v{i}" for i in range(values))])
    assert attribute_segment("user city", column, np.array([1])) is None


def held_out_of(**columns):
    given = {"user": [1, 1, 2], "article": [1, 2, 2], "time": [0, 0, 0], "warm": [True, False, False]}
    return pd.DataFrame({**given, "list_rank": [1, 0, 3], **columns})


def test_segments_without_times_leave_the_age_out():
    users = pd.DataFrame({"user_id": ["", "u", "v"], "city": ["unknown", "x", "y"]})
    articles = pd.DataFrame({"article_id": ["", "a", "b"], "ctime": [0, 0, 0], "title": ["", "s", "t"]})
    found = list(segments_of(held_out_of(), users, articles, np.array([0, 3, 0]), np.array([0, 7, 0])))
    names = ["article popularity", "article in train", "user train clicks", "user city"]
    assert [segment.name for segment in found] == names
    assert found[0].codes.tolist() == [0, 2, 2]
    assert found[2].codes.tolist() == [2, 2, 0]
    timed = held_out_of(time=[9, 9, 9])
    found = segments_of(timed, users, articles.assign(ctime=[0, 1, 0]), np.array([0, 3, 0]), np.array([0, 7, 0]))
    assert [segment.codes.tolist() for segment in found if segment.name == "article age"] == [[0, -1, -1]]


def test_segment_recall_is_the_share_of_its_clicks_that_are_hit(rng):
    segment = Segment("article in train", ("warm", "cold", "nobody"), np.array([0, 1, 1]))
    rows = segment_recall([segment], held_out_of(), [1, 3], 100, rng)
    assert [(row["segment"], row["value"], row["held_out_clicks"]) for row in rows] == [
        ("article in train", "warm", 1),
        ("article in train", "cold", 2),
    ]
    assert [row["recall@1"]["value"] for row in rows] == [1, 0]
    assert [row["recall@3"]["value"] for row in rows] == [1, 0.5]
    cold = rows[1]["recall@3"]
    assert (cold["low"], cold["high"]) == (0, 1)


def test_segment_recall_of_seeds_is_their_mean_and_that_of_one_seed_its_own(rng):
    segment = Segment("s", ("a", "b", "none"), np.array([0, 0, 1]))
    seeds = [held_out_of(), held_out_of(list_rank=[1, 2, 0])]
    rows = segment_recall_of_seeds(segment, seeds, 3)
    assert [(row["value"], row["held_out_clicks"]) for row in rows] == [("a", 2), ("b", 1)]
    assert [row["recall@3"]["value"] for row in rows] == [(0.5 + 1) / 2, (1 + 0) / 2]
    assert rows[0]["recall@3"]["low"] is None, "one user has no interval"
    alone = segment_recall([segment], held_out_of(), [3], 100, rng)
    assert [row["recall@3"]["value"] for row in segment_recall_of_seeds(segment, [held_out_of()], 3)] == [
        row["recall@3"]["value"] for row in alone
    ]
