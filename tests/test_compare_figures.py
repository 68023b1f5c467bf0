import numpy as np
import pandas as pd
import pytest

from dssm_core.misses import REASONS
from lab import compare_figures


def shares(**by_run):
    rows = [
        {"run": run, "reason": reason, "share": share.get(reason, 0.0), "clicks": 10}
        for run, share in by_run.items()
        for reason in REASONS
    ]
    return pd.DataFrame(rows)


def test_reasons_are_stacked_to_the_whole_in_one_bar_a_run():
    table = shares(a={"hit": 0.4, "outranked": 0.6}, b={"hit": 0.1, "outranked": 0.9})
    figure = compare_figures.reasons(table, "run", 50)
    assert [bar.name for bar in figure.data] == ["hit", "outranked"]
    assert np.sum([bar.x for bar in figure.data], axis=0).tolist() == pytest.approx([1, 1])
    assert list(figure.data[0].y) == ["b", "a"], "the first run is on top"


def test_the_title_names_the_reason_that_most_misses_have_and_the_one_that_differs():
    table = shares(
        a={"hit": 0.3, "outranked": 0.5, "cold article": 0.2}, b={"hit": 0.1, "outranked": 0.5, "cold article": 0.4}
    )
    assert compare_figures.says_reasons(table, "run") == (
        "Most misses are outranked; cold article differs most: 40% for b, 20% for a"
    )
    assert compare_figures.says_reasons(shares(a={"hit": 1.0}), "run") == "Nothing was missed"


def test_the_title_on_parts_weighs_them_by_their_clicks():
    parts = pd.DataFrame({"part": ["head", "head", "tail", "tail"], "reason": ["outranked", "cold article"] * 2})
    parts = parts.assign(share=[0.9, 0.1, 0.2, 0.8], clicks=[9, 1, 200, 800])
    assert compare_figures.says_reasons(parts, "part").startswith("Most misses are cold article")


def cells(*rows):
    names = ["article popularity", "article in train", "held_out_clicks", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def test_cells_that_are_not_told_apart_from_0_are_pale_and_those_of_few_clicks_blank():
    table = cells(
        ("head", "warm", 100, 0.2, 0.1, 0.3), ("torso", "warm", 100, 0.2, -0.1, 0.5), ("tail", "cold", 3, 0.9, 0.8, 1)
    )
    maps = compare_figures.matrix(table, "new", "old", "recall@50").data
    values = np.fmax.reduce([np.asarray(one.z, float).ravel() for one in maps])
    assert values[0] == 0.2 and 0 < values[1] < 0.1 and np.isnan(values[2])


def test_the_title_of_the_matrix_counts_only_what_is_told_apart():
    lost = ("tail", "cold", 50, -0.1, -0.2, -0.05)
    won = ("head", "warm", 50, 0.2, 0.1, 0.3)
    unsure = ("torso", "warm", 50, 0.5, -0.1, 0.9)

    def says(*rows):
        return compare_figures.says_matrix(cells(*rows), "new", "old", "recall@50")

    assert says(won, lost, unsure) == (
        "new beats old most for head, warm (+20.0 points) and loses most for tail, cold (-10.0 points)"
    )
    assert says(unsure) == "In no kind of article is new told apart from old"
    assert says(lost, unsure).startswith("new is behind old") and says(won).startswith("new is ahead of old")


def test_bands_lie_behind_every_curve():
    curves = pd.DataFrame(
        {"run": ["a", "a"], "preset": "in_batch", "k": [1, 5], "value": [0.1, 0.2], "low": 0.05, "high": 0.3}
    )
    figure = compare_figures.curves(curves, bands=True)
    assert [trace.fill for trace in figure.data] == [None, "toself"]
    assert list(figure.data[1].y) == [0.3, 0.3, 0.05, 0.05]
    assert len(compare_figures.curves(curves, bands=False).data) == 1


def test_runs_without_negatives_to_tell_of_say_so():
    table = pd.DataFrame({"run": ["a"], "preset": ["in_batch"], "epoch": [1], "negative": [np.nan]})
    table = table.assign(false_negatives=np.nan)
    assert "No run tells" in compare_figures.hardness(table).layout.title.text
    assert "No run tells" in compare_figures.false_negatives(table).layout.title.text.replace("<br>", " ")


def test_runs_whose_negatives_were_alike_are_not_ranked():
    table = pd.DataFrame({"run": ["a", "b"], "preset": "in_batch", "epoch": 1})
    table = table.assign(negative=[-0.001, 0.001], false_negatives=[0.00186, 0.00187])
    assert compare_figures.says_hardness(table) == "The negatives of all runs end alike: mean cosine 0.00"
    assert compare_figures.says_false_negatives(table) == "All runs trained on as many false negatives: 0.19%"
    other = table.assign(negative=[-0.1, 0.2], false_negatives=[0.0001, 0.002])
    assert compare_figures.says_hardness(other) == (
        "b ends with the hardest negatives: mean cosine 0.20, a with the easiest, -0.10"
    )
    assert compare_figures.says_false_negatives(other) == (
        "b trained on the most false negatives: 0.20%, a on the fewest, 0.010%"
    )


def test_a_knobs_numbers_stand_where_they_are_and_its_words_in_their_order():
    table = pd.DataFrame({"train.l2": ["0", "0.0001", "0"], "loss.kind": ["bpr", "bce", "bpr"], "m": [0.1, 0.2, 0.3]})
    dimensions = compare_figures.knobs(table, "m").data[0].dimensions
    assert list(dimensions[0]["values"]) == [0, 0.0001, 0] and list(dimensions[0].ticktext) == ["0", "0.0001"]
    assert list(dimensions[1]["values"]) == [1, 0, 1] and list(dimensions[1].ticktext) == ["bce", "bpr"]
