"""The two figures of Overview, small enough to stand side by side on the first screen."""

import pandas as pd
import plotly.graph_objects as go

from lab import figures, palette
from lab.language import t

_ROW = 12
"""Pixels a run: all strategies and baselines are seen at once."""
_AROUND = 84
"""Pixels of what stands above and below the rows, the title's second line aside."""


def strategies(table: pd.DataFrame, metric: str) -> go.Figure:
    """Every run's dot and interval, best on top, and a line at the best baseline; `table` of `tables.metric_rows`."""
    figure = figures.metric_dots(table, metric)
    figure.update_traces(marker_size=8, error_x_thickness=2)
    figure.update_yaxes(tickfont_size=10, dtick=1, range=[-0.7, len(table) - 0.3])
    figure.update_xaxes(title=t("{metric}, 95 % interval", metric=metric))
    baselines = table[table["preset"].isin(palette.BASELINES)]
    if len(baselines):
        figure.add_vline(baselines["value"].iloc[0], line={"color": palette.GREY, "width": 1, "dash": "dot"})
    return _compact(figures.finished(figure, figures.says_best(table, metric), height=height_of(len(table)), grid="x"))


def _compact(figure: go.Figure) -> go.Figure:
    """The figure with less room below its title."""
    return figure.update_layout(margin_t=figure.layout.margin.t - 16)


def height_of(runs: int) -> int:
    """Pixels that a figure of so many rows takes."""
    return max(280, _AROUND + _ROW * runs)


def for_whom(table: pd.DataFrame, run: str, baseline: str, metric: str, height: int) -> go.Figure:
    """What a run gains over a baseline in each part of the held-out clicks, with intervals.

    `table` has part (as people read it), held_out_clicks, value, low, high: paired differences of recall.
    """
    points = table[["value", "low", "high"]] * 100
    figure = go.Figure()
    figure.add_vline(0, line={"color": palette.GREY, "width": 1})
    figure.add_scatter(
        x=points["value"],
        y=table["part"],
        mode="markers",
        marker={"color": [_colour(row) for row in points.itertuples()], "size": 9},
        error_x={
            "array": (points["high"] - points["value"]).fillna(0),
            "arrayminus": (points["value"] - points["low"]).fillna(0),
            "color": palette.GREY,
            "thickness": 2,
            "width": 0,
        },
        customdata=table["held_out_clicks"],
        hovertemplate="%{y}: %{x:+.1f} (%{customdata:,})<extra></extra>",
    )
    figure.update_yaxes(type="category", autorange="reversed", tickfont_size=11)
    figure.update_xaxes(title=t("points of {metric} above {baseline}", metric=metric, baseline=baseline))
    return _compact(figures.finished(figure, says_for_whom(table, run, baseline), height=height, grid="x"))


def _colour(row) -> str:
    """By what is sure: above, below, or not told apart."""
    if row.low > 0:
        return palette.GREEN
    return palette.RED if row.high < 0 else palette.GREY


def says_for_whom(table: pd.DataFrame, run: str, baseline: str) -> str:
    """Where a run gains most over a baseline and where it clearly loses."""
    gains, losses = table[table["low"] > 0], table[table["high"] < 0]
    told = {"run": run, "baseline": baseline}
    if gains.empty:
        return t("{run} is nowhere clearly above {baseline}", **told)
    most = gains.loc[gains["value"].idxmax()]
    told |= {"most": most["part"], "gain": 100 * most["value"]}
    if losses.empty:
        return t("{run} gains most on {most}: {gain:+.0f} points, and clearly loses nowhere", **told)
    least = losses.loc[losses["value"].idxmin()]
    return t(
        "{run} gains most on {most}: {gain:+.0f} points, and loses on {least}: {loss:+.0f}",
        **told,
        least=least["part"],
        loss=100 * least["value"],
    )


PARTS = {
    "article popularity": {"head": "head articles", "torso": "torso articles", "tail": "tail articles"},
    "article in train": {"warm": "warm articles", "cold": "cold articles"},
    "user train clicks": {
        "0": "users without clicks",
        "1–4": "users of 1–4 clicks",
        "5–19": "users of 5–19 clicks",
        "20+": "users of 20+ clicks",
    },
}
"""The segments that Overview tells of, and what each part is called, in English."""


def named(segment: str, part: str) -> str:
    """What a part of a segment is called."""
    return t(PARTS[segment][part])
