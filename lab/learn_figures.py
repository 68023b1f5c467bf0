"""The figures of Learn's lessons: pure functions of tables, whose titles say what was found."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dssm_core.lessons import Measured
from lab import figures, palette, words
from lab.language import t

_BINS = np.linspace(-1, 1, 21)
_WITH, _WITHOUT = "in_batch", "in_batch_uncorrected"


def cosines(without: np.ndarray, with_: np.ndarray, k: int, means: tuple[float, float]) -> go.Figure:
    """Histograms of the cosines between pairs of users, trained without negatives and with `k`; `means` over all."""
    figure = go.Figure()
    for values, name, colour in (
        (without, t("no negatives"), palette.GREY),
        (with_, t("with {k} negatives", k=k), palette.BLUE),
    ):
        counts, _ = np.histogram(values, _BINS)
        figure.add_bar(
            x=(_BINS[1:] + _BINS[:-1]) / 2,
            y=counts / counts.sum(),
            width=_BINS[1] - _BINS[0],
            name=name,
            marker={"color": colour, "line_width": 0},
            opacity=0.75,
            hovertemplate="%{x:.2f}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(title=t("cosine of two users' vectors"), range=[-1.02, 1.02])
    figure.update_yaxes(title=t("share of the pairs"), tickformat=".0%")
    title = t(
        "Without negatives two users' vectors have a cosine of {without:.2f} on average, "
        "with {k} negatives {with_:.2f}",
        without=means[0],
        with_=means[1],
        k=k,
    )
    return figures.finished(figure, title, legend=True)


def correction(table: pd.DataFrame, presets: dict[str, str], segment: str, metric: str) -> go.Figure:
    """Recall of each part of a segmentation with and without the correction; `table` of `learning.by_segment`."""
    table = table.assign(part=table["part"].map(t))
    figure = figures.segments(table, presets, segment, metric)
    return figures.finished(figure, says_correction(table), legend=True, height=figure.layout.height - 54, grid="x")


def says_correction(table: pd.DataFrame) -> str:
    """Which part loses most and which gains most where the correction is left out."""
    recall = table.pivot_table(index="part", columns="run", values="recall", sort=False)
    change = recall[_WITHOUT] - recall[_WITH]
    worst, best = change.idxmin(), change.idxmax()
    told = {"worst": worst, "worst_from": recall.at[worst, _WITH], "worst_to": recall.at[worst, _WITHOUT]}
    told |= {"best": best, "best_from": recall.at[best, _WITH], "best_to": recall.at[best, _WITHOUT]}
    return t(
        "Without the correction {worst} falls from {worst_from:.0%} to {worst_to:.0%}, and {best} goes from "
        "{best_from:.0%} to {best_to:.0%}",
        **told,
    )


def hard_alone(table: pd.DataFrame, metric: str, apart: Measured, baseline: str) -> go.Figure:
    """Runs by what their negatives are; `table` of `tables.metric_rows`, `apart`: of exposed from `baseline`."""
    figure = figures.metric_dots(table, metric)
    height = figure.layout.height
    return figures.finished(figure, says_exposed(apart, metric, baseline), height=height - 20, grid="x")


def says_exposed(apart: Measured, metric: str, baseline: str) -> str:
    """What negatives that were all exposed cost in points."""
    points = [100 * apart[end] for end in ("value", "low", "high")]
    told = {"metric": metric, "baseline": baseline}
    if points[1] <= 0 <= points[2]:
        return t("Exposed negatives alone are not told apart from {baseline} by {metric}", **told)
    told |= dict(zip(("points", "low", "high"), [abs(points[0]), *sorted(map(abs, points[1:]))], strict=True))
    if points[0] > 0:
        return t(
            "Exposed negatives alone gain {points:.1f} points of {metric} ({low:.1f} to {high:.1f}) over {baseline}",
            **told,
        )
    return t(
        "Exposed negatives alone cost {points:.1f} points of {metric} ({low:.1f} to {high:.1f}) against {baseline}",
        **told,
    )


def annoy(table: pd.DataFrame, trees: int, k: int, exact: float) -> go.Figure:
    """Share of the exact list and recall against how many nodes Annoy looks at; `exact`: recall of the exact list."""
    figure = go.Figure()
    for column, name, colour in (
        ("share_of_exact", t("share of the exact list"), palette.BLUE),
        ("value", f"recall@{k}", palette.ORANGE),
    ):
        figure.add_scatter(
            x=table["search_k"],
            y=table[column],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 8},
            hovertemplate="search_k %{x:,}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.data[1].error_y = {
        "array": table["high"] - table["value"],
        "arrayminus": table["value"] - table["low"],
        "width": 0,
    }
    figure.add_hline(
        exact, line={"color": palette.GREY, "dash": "dash"}, annotation_text=t("recall@{k} of the exact list", k=k)
    )
    ticks = table["search_k"].tolist()
    figure.update_xaxes(title=t("nodes looked at, search_k (log scale)"), type="log", tickvals=ticks, ticktext=ticks)
    figure.update_yaxes(title=t("share"), tickformat=".0%", rangemode="tozero")
    default = table[table["search_k"] == trees * k]
    told = default.iloc[0] if len(default) else table.iloc[-1]
    title = t(
        "With {trees} trees and search_k = {search_k} Annoy returns {share:.0%} of the exact top {k}: "
        "recall@{k} {recall:.1%} instead of {exact:.1%}",
        trees=trees,
        search_k=int(told["search_k"]),
        share=told["share_of_exact"],
        k=k,
        recall=told["value"],
        exact=exact,
    )
    return figures.finished(figure, title, legend=True)


def fewer_users(table: pd.DataFrame, metric: str, users: int, apart: Measured, names: tuple[str, str]) -> go.Figure:
    """Runs with their intervals on so many users; `apart`: the first of `names` less the second, by user."""
    figure = figures.metric_dots(table, metric)
    title = says_difference(users, apart, names)
    return figures.finished(figure, title, height=figure.layout.height - 20, grid="x")


def says_difference(users: int, apart: Measured, names: tuple[str, str]) -> str:
    """Whether two runs are told apart on so many users."""
    points = {name: 100 * apart[name] for name in ("value", "low", "high")}
    told = {"users": words.counted(users, "user"), "one": names[0], "other": names[1], **points}
    if points["low"] <= 0 <= points["high"]:
        return t(
            "{users} do not tell {one} from {other}: {value:+.1f} points, anything from {low:+.1f} to {high:+.1f}",
            **told,
        )
    return t("{users} tell {one} from {other}: {value:+.1f} points ({low:+.1f} to {high:+.1f})", **told)
