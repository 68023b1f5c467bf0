"""The figure of Map: articles in two dimensions, drawn by WebGL, with a user and what belongs to them on top."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab import palette, words
from lab.figures import finished, short
from lab.language import t

HEIGHT = 640
"""Pixels of the map."""
_SHOWN_CATEGORIES = 9
_SCALE = [[0, palette.GREY], [0.5, palette.BLUE], [1, palette.ORANGE]]
"""From low to high; all of it stands out on a light and on a dark ground."""
_MOST_TITLES = 20_000
"""Up to so many points have their titles to hover over: more make the page too heavy to send."""
_MARKS = {
    "clicked in train": (palette.BLUE, "circle-open", 11),
    "recalled": (palette.PURPLE, "square-open", 10),
    "recalled and clicked": (palette.GREEN, "star", 15),
    "missed": (palette.ORANGE, "x", 11),
    "the user": (palette.RED, "diamond", 18),
    "found": (palette.PINK, "circle-open", 16),
}
"""What is drawn over the points: name → colour, symbol, size."""
OTHER = "other"
"""What stands for all but the most frequent categories."""


@dataclass(frozen=True)
class Drawn:
    """A map and, for each of its traces, the article rows of its points, which a selection is told by."""

    figure: go.Figure
    rows: list[np.ndarray]

    def selected(self, points: list[dict]) -> np.ndarray:
        """The distinct article rows of what a lasso, a box or a click caught: (n,) int64."""
        caught = [self.rows[point["curve_number"]][point["point_index"]] for point in points]
        return np.unique([row for row in caught if row >= 0]).astype(np.int64)


def articles(points: pd.DataFrame, colour: str, total: int, kept: float | None) -> Drawn:
    """Articles by category, or by a number.

    `points`: columns x, y, row, title, category and, for the numbers, age (days) and clicks. `colour`: category, age or
    popularity. `total`: articles in the pool. `kept`: the share of the variance that the projection keeps.
    """
    figure, rows = go.Figure(), []
    if colour == "category":
        hues = iter(palette.HUES)
        for name, some in _by_category(points):
            hue = palette.GREY if name == OTHER else next(hues)
            _add(figure, some, t(name) if name == OTHER else short(name), {"color": hue}, len(points))
            rows.append(some["row"].to_numpy())
    else:
        values, title = _numbers(points, colour)
        scale = {"title": title, "thickness": 10}
        if colour == "popularity":
            ticks = [0, 1, 10, 100, 1000, 10_000]
            scale |= {"tickvals": np.log10(np.array(ticks) + 1), "ticktext": [f"{tick:,}" for tick in ticks]}
        _add(figure, points, t("articles"), {"color": values, "colorscale": _SCALE, "colorbar": scale}, len(points))
        rows.append(points["row"].to_numpy())
    figure.update_xaxes(title=t("first direction"), showticklabels=False)
    figure.update_yaxes(title=t("second direction"), showticklabels=False, scaleanchor="x")
    figure = finished(figure, says_map(len(points), total, kept), legend=True, height=HEIGHT, grid="")
    figure.update_layout(dragmode="pan", legend={"itemsizing": "constant"})
    return Drawn(figure, rows)


def _by_category(points: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    frequent = points["category"].value_counts().index[:_SHOWN_CATEGORIES]
    shown = points["category"].where(points["category"].isin(frequent), OTHER)
    # the rest first: it is everywhere, and would cover the others
    named = [*([OTHER] if (shown == OTHER).any() and OTHER not in frequent else []), *frequent]
    return [(name, points[shown == name]) for name in named]


def _numbers(points: pd.DataFrame, colour: str) -> tuple[np.ndarray, str]:
    if colour == "age":
        return points["age"].to_numpy(np.float32), t("age (days)")
    return np.log10(points["clicks"].to_numpy(np.float32) + 1), t("train clicks")


def _add(figure: go.Figure, some: pd.DataFrame, name: str, marker: dict, shown: int) -> None:
    titles = shown <= _MOST_TITLES
    figure.add_scattergl(
        x=some["x"].to_numpy(np.float32),
        y=some["y"].to_numpy(np.float32),
        mode="markers",
        name=name,
        marker={"size": 4 if shown > 5000 else 6, "opacity": 0.6, **marker},
        text=[words.as_html(title) for title in some["title"]] if titles else None,
        hovertemplate="%{text}<extra>%{fullData.name}</extra>" if titles else "%{fullData.name}<extra></extra>",
    )


def mark(drawn: Drawn, what: str, points: pd.DataFrame, labels: bool = False) -> None:
    """Draw some articles, or the user, over the map; `points`: columns x, y, title and row (−1: no article)."""
    if points.empty:
        return
    colour, symbol, size = _MARKS[what]
    drawn.figure.add_scattergl(
        x=points["x"].to_numpy(np.float32),
        y=points["y"].to_numpy(np.float32),
        mode="markers",
        name=t(what),
        marker={"color": colour, "symbol": symbol, "size": size, "line": {"width": 2, "color": colour}},
        text=[words.as_html(title) for title in points["title"]],
        hovertemplate=f"%{{text}}<extra>{t(what)}</extra>",
    )
    if labels:
        for point in points.itertuples():
            drawn.figure.add_annotation(
                x=point.x, y=point.y, text=short(point.title, 24), showarrow=True, ax=18, ay=-18
            )
    drawn.rows.append(points["row"].to_numpy())


def says_map(shown: int, total: int, kept: float | None) -> str:
    """How much of the pool is shown, and how much of the truth two dimensions can hold."""
    told = {"shown": shown, "total": total, "kept": kept}
    if kept is None and shown == total:
        return t("All {total:,} articles; near ones are near, but distances mean nothing", **told)
    if kept is None:
        return t(
            "{shown:,} of {total:,} articles, stratified by category; near ones are near, but distances mean nothing",
            **told,
        )
    if shown == total:
        return t("All {total:,} articles; two directions keep {kept:.0%} of the variance", **told)
    return t(
        "{shown:,} of {total:,} articles, stratified by category; two directions keep {kept:.0%} of the variance",
        **told,
    )
