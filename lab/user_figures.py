"""The figures of Users: pure functions of tables. Each title says what to conclude; each axis has its unit."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab import palette, words
from lab.figures import finished, shorts
from lab.language import t

_DAY_MS = 86_400_000
_LOOKS = {
    "train": ("clicked in train", palette.BLUE, "circle"),
    # hits last: they are few, and must not lie under the misses
    "missed": ("held out, missed", palette.ORANGE, "x"),
    "hit": ("held out, recalled", palette.GREEN, "star"),
}
"""What a click is → (its name in English, colour, symbol)."""


def timeline(table: pd.DataFrame, cutoff: pd.Timestamp | None, k: int) -> go.Figure:
    """A user's clicks over time, a line a category; `table` as `user_tables.timeline` makes it.

    `cutoff`: the first instant of the test on the dataset's clock, drawn in; None where there is none.
    """
    figure = go.Figure()
    order = table["category"].value_counts().index.tolist()
    labels = dict(zip(order, shorts(order, 16), strict=True))
    for what, (name, colour, symbol) in _LOOKS.items():
        rows = table[table["what"] == what]
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows["time"],
            y=[labels[category] for category in rows["category"]],
            mode="markers",
            name=t(name),
            marker={"color": colour, "symbol": symbol, "size": 9 if what == "train" else 12, "opacity": 0.85},
            customdata=[words.as_html(title) for title in rows["title"]],
            hovertemplate=f"%{{customdata}}<br>{t(name)}, %{{x|%Y-%m-%d %H:%M}}<extra></extra>",
        )
    if cutoff is not None:
        figure.add_vline(x=cutoff, line={"color": palette.GREY, "dash": "dash", "width": 1.5})
    axis = t("time of the click") if cutoff is None else t("time of the click, dashed: the test begins")
    day = t("%d %b")
    formats = [
        {"dtickrange": [None, _DAY_MS - 1], "value": f"%H:%M<br>{day}"},
        {"dtickrange": [_DAY_MS, None], "value": f"{day}<br>%Y"},
    ]
    # fewer than Plotly's own, which touch on a phone
    figure.update_xaxes(title=axis, nticks=5, tickformatstops=formats)
    shown = list(labels.values())[::-1]
    figure.update_yaxes(type="category", title=t("category") if any(order) else None)
    figure.update_yaxes(categoryorder="array", categoryarray=shown)
    return finished(figure, says_timeline(table, k), legend=True, height=230 + 24 * len(order))


def says_timeline(table: pd.DataFrame, k: int) -> str:
    """Whether the held-out clicks are of the categories that the user clicked before."""
    held_out, train = table[table["what"] != "train"], table[table["what"] == "train"]
    hits = int((held_out["what"] == "hit").sum())
    if held_out.empty:
        return t("{clicks} in train, none held out", clicks=words.counted(len(train), "click"))
    told = {"hits": hits, "clicks": words.counted(len(held_out), "held-out click"), "k": k}
    if train.empty:
        return t("{hits} of {clicks} in the {k} recalled; nothing was clicked in train", **told)
    if not table["category"].any():
        return t("{hits} of {clicks} in the {k} recalled", **told)
    known = int(held_out["category"].isin(set(train["category"])).sum())
    return t(
        "{hits} of {clicks} in the {k} recalled; {known} of them in categories clicked before", **told, known=known
    )


def list_places(places: np.ndarray, lists: int, longest: int) -> go.Figure:
    """In how many recall lists an article stands, by rank; `places` (n,) ranks, of `lists` lists of `longest`."""
    width = max(1, -(-longest // 20))
    counts = np.bincount((places - 1) // width, minlength=-(-longest // width))
    starts = np.arange(len(counts)) * width + 1
    figure = go.Figure(
        go.Bar(
            x=starts + (width - 1) / 2,
            y=counts,
            width=width,
            marker={"color": palette.BLUE, "line_width": 0},
            customdata=[f"{start}–{start + width - 1}" for start in starts],
            hovertemplate=t("rank {ranks}: {lists} lists", ranks="%{customdata}", lists="%{y:,}") + "<extra></extra>",
        )
    )
    figure.update_xaxes(title=t("rank in the recall list"), range=[0.5, longest + 0.5])
    figure.update_yaxes(title=t("recall lists"), rangemode="tozero")
    told = {"places": len(places), "lists": lists}
    if not len(places):
        return finished(figure, t("In {places:,} of {lists:,} recall lists", **told), height=280)
    told["rank"] = int(np.median(places))
    return finished(
        figure, t("In {places:,} of {lists:,} recall lists, at rank {rank} in the middle", **told), height=280
    )
