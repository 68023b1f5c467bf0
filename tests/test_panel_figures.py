import pandas as pd

from lab import compare_figures, figures, panel_figures

CURVES = pd.DataFrame(
    {
        "group": ["a", "a", "b", "b", "c", "c"],
        "run": ["one", "one", "two", "two", "<b>three", "<b>three"],
        "preset": ["in_batch", "in_batch", "uniform", "uniform", "popular", "popular"],
        "k": [1, 50] * 3,
        "value": [0.1, 0.3, 0.2, 0.5, 0.05, 0.1],
        "low": [0.05, 0.2, 0.1, 0.4, 0.0, 0.05],
        "high": [0.15, 0.4, 0.3, 0.6, 0.1, 0.15],
    }
)


def test_each_run_has_a_panel_of_the_same_scale_best_first_that_says_its_recall():
    panels = panel_figures.curves(CURVES, "c")
    assert list(panels) == ["b", "a", "c"]
    assert "50.0% (40.0–60.0) in 50" in panels["b"].layout.title.text
    assert "&lt;b&gt;three" in panels["c"].layout.title.text
    assert len({panel.layout.yaxis.range for panel in panels.values()}) == 1


def test_a_panel_has_its_run_last_over_the_others_as_one_broken_line_and_the_baseline_dashed():
    others, baseline, band, own = panel_figures.curves(CURVES, "c")["a"].data
    assert list(others.x) == [1, 50, None, 1, 50, None]
    assert baseline.line.dash == "dash" and list(baseline.y) == [0.05, 0.1]
    assert list(band.y) == [0.15, 0.4, 0.2, 0.05]
    assert list(own.y) == [0.1, 0.3]
    assert [trace.line.dash for trace in panel_figures.curves(CURVES, "c")["c"].data] == [None] * 3


def test_each_part_has_a_panel_with_all_runs_in_one_order_and_the_baseline_as_a_line():
    table = pd.DataFrame(
        {
            "id": ["a", "b", "a", "b"],
            "run": ["one", "two", "one", "two"],
            "part": ["head", "head", "tail", "tail"],
            "held_out_clicks": [10, 10, 90, 90],
            "recall": [0.2, 0.9, 0.5, 0.1],
            "low": [0.1] * 4,
            "high": [0.95] * 4,
        }
    )
    panels = panel_figures.parts(table, {"a": "in_batch", "b": "popular"}, "b", "recall@50")
    assert [list(panel.data[0].y) for panel in panels.values()] == [["two", "one"]] * 2, "one has more hits in all"
    assert [panel.layout.shapes[0].x0 for panel in panels.values()] == [0.9, 0.1]
    assert "two leads: 90.0% of 10 clicks" in panels["head"].layout.title.text


def test_the_overlap_with_a_run_leaves_itself_out_and_is_sorted():
    table = pd.DataFrame([[1, 0.2, 0.6], [0.2, 1, 0.4], [0.6, 0.4, 1]], list("abc"), list("abc"))
    bars = figures.overlap_with(table, "a", {"a": "in_batch", "b": "uniform", "c": "popular"}, 50)
    assert list(bars.data[0].y) == ["b", "c"] and list(bars.data[0].x) == [0.2, 0.6]
    assert bars.layout.title.text == "Most like a: c, 60% in both; least: b, 20%"


def test_of_many_knobs_those_with_most_values_are_drawn():
    table = pd.DataFrame({name: list("aaaa") for name in "pqrst"} | {"two": list("aabb"), "all": list("abcd")})
    assert list(compare_figures.most_varied(table)) == ["all", "two", "p"]


def test_the_leaderboard_has_a_line_at_the_baseline_where_there_is_another_run():
    board = pd.DataFrame(
        {
            "id": ["a", "b"],
            "run": ["one", "two"],
            "preset": ["in_batch", "popular"],
            "value": [0.4, 0.2],
            "low": [0.3, 0.1],
            "high": [0.5, 0.3],
            "seeds": [1, 1],
            "verdict": ["▲ better", "the baseline"],
        }
    )
    single = board[["id", "value"]].rename(columns={"id": "group"})
    assert compare_figures.leaderboard(board, single, "recall@50").layout.shapes[0].x0 == 0.2
    assert not compare_figures.leaderboard(board[1:], single, "recall@50").layout.shapes
