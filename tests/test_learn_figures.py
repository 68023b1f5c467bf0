import numpy as np
import pandas as pd

from lab import learn_figures

LESS = {"value": -0.07, "low": -0.10, "high": -0.04}
MORE = {"value": 0.07, "low": 0.04, "high": 0.10}
UNSURE = {"value": -0.01, "low": -0.05, "high": 0.02}


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_cosines_of_both_ways_are_shares_of_their_pairs():
    figure = learn_figures.cosines(np.array([0.99, 0.98]), np.array([-0.5, 0.5]), 5, (0.985, 0.0))
    assert [trace.y.sum() for trace in figure.data] == [1, 1]
    assert title(figure).endswith("0.98 on average, with 5 negatives 0.00")


def test_what_loses_and_what_gains_most_without_the_correction_is_said():
    rows = [("head", "in_batch", 0.7), ("head", "in_batch_uncorrected", 0.2)]
    rows += [("tail", "in_batch", 0.3), ("tail", "in_batch_uncorrected", 0.4)]
    table = pd.DataFrame(rows, columns=["part", "run", "recall"])
    told = learn_figures.says_correction(table)
    assert told == "Without the correction head falls from 70% to 20%, and tail goes from 30% to 40%"


def test_exposed_negatives_cost_gain_or_are_not_told_apart():
    cost, gain, unsure = (learn_figures.says_exposed(one, "recall@10", "uniform") for one in (LESS, MORE, UNSURE))
    assert cost == "Exposed negatives alone cost 7.0 points of recall@10 (4.0 to 10.0) against uniform"
    assert gain == "Exposed negatives alone gain 7.0 points of recall@10 (4.0 to 10.0) over uniform"
    assert unsure == "Exposed negatives alone are not told apart from uniform by recall@10"


def test_annoy_s_title_speaks_of_its_own_default():
    rows = [(10, 0.4, 0.1, 0.05, 0.15), (20, 0.6, 0.12, 0.06, 0.16), (100, 0.9, 0.18, 0.1, 0.2)]
    table = pd.DataFrame(rows, columns=["search_k", "share_of_exact", "value", "low", "high"])
    told = title(learn_figures.annoy(table, trees=2, k=10, exact=0.19))
    assert told.startswith("With 2 trees and search_k = 20 Annoy returns 60% of the exact top 10")


def test_users_tell_a_difference_only_where_its_interval_excludes_0():
    sure = learn_figures.says_difference(600, MORE, ("one", "other"))
    unsure = learn_figures.says_difference(25, UNSURE, ("one", "other"))
    assert sure == "600 users tell one from other: +7.0 points (+4.0 to +10.0)"
    assert unsure == "25 users do not tell one from other: -1.0 points, anything from -5.0 to +2.0"
