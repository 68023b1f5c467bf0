"""The figure of Index: recall against speed."""

import pandas as pd
import plotly.graph_objects as go

from lab import palette
from lab.figures import finished
from lab.language import t

_FAMILIES = {"ivf": (palette.BLUE, "circle"), "annoy trees=10": (palette.ORANGE, "square")}
_FAMILIES |= {"annoy trees=50": (palette.PURPLE, "diamond")}
_NEAR, _ALIKE = 0.002, 0.95
"""A setting that loses no more recall, and returns this share of the exact list, is as good as exact."""


def family(setting: str) -> str:
    """What joins settings to one line: the kind, and the trees where there are some."""
    words = setting.split()
    return " ".join(word for word in words if not word.startswith(("probes", "search_k")))


def recall_by_speed(table: pd.DataFrame, k: int) -> go.Figure:
    """Recall@k through each index against its queries a second (log), exact as a reference line.

    `table`: the rows of IndexLoss as a frame.
    """
    figure = go.Figure()
    exact = table[table["setting"] == "exact"].iloc[0]
    others = table[table["setting"] != "exact"]
    for name, rows in others.groupby(others["setting"].map(family), sort=False):
        colour, symbol = _FAMILIES.get(name, (palette.RED, "x"))
        figure.add_scatter(
            x=rows["queries_per_second"],
            y=rows["recall"],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"symbol": symbol, "size": 9},
            customdata=rows[["setting", "share_of_exact"]],
            hovertemplate="%{customdata[0]}<br>"
            + t("{recall}, {speed} queries/s", recall=f"recall@{k} %{{y:.2%}}", speed="%{x:,.0f}")
            + "<br>"
            + t("{share} of the exact list", share="%{customdata[1]:.1%}")
            + "<extra></extra>",
        )
    figure.add_scatter(
        x=[exact["queries_per_second"]],
        y=[exact["recall"]],
        name="exact",
        mode="markers",
        marker={"color": palette.GREY, "symbol": "star", "size": 14},
        hovertemplate="exact<br>"
        + t("{recall}, {speed} queries/s", recall=f"recall@{k} %{{y:.2%}}", speed="%{x:,.0f}")
        + "<extra></extra>",
    )
    figure.add_hline(y=exact["recall"], line={"color": palette.GREY, "dash": "dash", "width": 1.5})
    figure.update_xaxes(title=t("queries a second (log scale)"), type="log", dtick=1)
    figure.update_yaxes(title=t("{metric} through the index, dashed: exact", metric=f"recall@{k}"), tickformat=".1%")
    return finished(figure, says_fastest(table, k), legend=True, height=420)


def says_fastest(table: pd.DataFrame, k: int) -> str:
    """The fastest setting that loses next to nothing, or the one that loses least."""
    exact = table[table["setting"] == "exact"].iloc[0]
    others = table[table["setting"] != "exact"]
    if others.empty:
        return t("Exact search has {metric} {value:.1%}", metric=f"recall@{k}", value=exact["recall"])
    near = others[(others["loss"] <= _NEAR) & (others["share_of_exact"] >= _ALIKE)]
    best = near.loc[near["queries_per_second"].idxmax()] if len(near) else others.loc[others["loss"].idxmin()]
    kept = best["recall"] / exact["recall"] if exact["recall"] else 1.0
    # both speeds of one moment: the machine may have been busier at another
    speed = best["queries_per_second"] / best["exact_queries_per_second"]
    return t(
        "{setting} keeps {kept:.1%} of {metric} at {speed:.3g} times the speed of exact",
        setting=best["setting"],
        kept=kept,
        metric=f"recall@{k}",
        speed=speed,
    )
