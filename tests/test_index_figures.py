import pandas as pd

from lab.index_figures import family, recall_by_speed, says_fastest


def row(setting, recall, loss, share, speed):
    told = {"setting": setting, "recall": recall, "loss": loss, "share_of_exact": share, "queries_per_second": speed}
    return told | {"exact_queries_per_second": 100}


EXACT = row("exact", 0.2, 0, 1, 100)


def test_the_fastest_that_is_as_good_as_exact_is_named():
    rows = [EXACT, row("ivf probes=2", 0.21, -0.01, 0.8, 900), row("ivf probes=8", 0.199, 0.001, 0.97, 500)]
    rows += [row("annoy trees=10 search_k=-1", 0.2, 0, 1, 50)]
    assert says_fastest(pd.DataFrame(rows), 50) == "ivf probes=8 keeps 99.5% of recall@50 at 5 times the speed of exact"


def test_where_none_is_as_good_the_least_loss_is_named():
    rows = [EXACT, row("ivf probes=1", 0.1, 0.1, 0.5, 900), row("ivf probes=2", 0.15, 0.05, 0.7, 700)]
    assert says_fastest(pd.DataFrame(rows), 50).startswith("ivf probes=2 keeps 75.0%")


def test_exact_alone_is_told_alone():
    assert says_fastest(pd.DataFrame([EXACT]), 50) == "Exact search has recall@50 20.0%"


def test_settings_of_one_index_are_one_line():
    assert family("annoy trees=10 search_k=2000") == "annoy trees=10" and family("ivf probes=4") == "ivf"
    rows = [EXACT, row("ivf probes=1", 0.1, 0.1, 0.5, 900), row("ivf probes=2", 0.15, 0.05, 0.7, 700)]
    figure = recall_by_speed(pd.DataFrame(rows), 50)
    assert [trace.name for trace in figure.data] == ["ivf", "exact"]
    assert list(figure.data[0].x) == [900, 700]
