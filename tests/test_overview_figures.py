import pandas as pd
import pytest

from lab import overview_figures


def parts(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["part", "value", "low", "high"]).assign(held_out_clicks=10)


RUNS = pd.DataFrame(
    [("m", "mine", "in_batch", 0.4, 0.3, 0.5), ("p", "popular", "popular", 0.2, 0.1, 0.3)],
    columns=["id", "run", "preset", "value", "low", "high"],
)


def test_the_best_baseline_is_a_line_through_all_strategies():
    figure = overview_figures.strategies(RUNS, "recall@50")
    (line,) = figure.layout.shapes
    assert line.x0 == line.x1 == 0.2 and len(figure.data) == 2


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [("cold", 0.4, 0.3, 0.5), ("warm", 0.1, 0.05, 0.2), ("head", -0.1, -0.2, -0.05)],
            "mine gains most on cold: +40 points, and loses on head: -10",
        ),
        (
            [("cold", 0.4, 0.3, 0.5), ("head", -0.1, -0.2, 0.05)],
            "mine gains most on cold: +40 points, and clearly loses nowhere",
        ),
        ([("cold", 0.4, -0.1, 0.5)], "mine is nowhere clearly above popular"),
    ],
)
def test_a_gain_or_loss_counts_where_its_interval_excludes_nothing(rows, told):
    assert overview_figures.says_for_whom(parts(*rows), "mine", "popular") == told


def test_differences_are_drawn_in_points():
    figure = overview_figures.for_whom(parts(("cold", 0.4, 0.3, 0.5)), "mine", "popular", "recall@50", 300)
    assert figure.data[0].x.tolist() == pytest.approx([40]) and figure.data[0].error_x.array[0] == pytest.approx(10)
