"""The figures of Compare: pure functions of tables. Each title says what to conclude; each axis has its unit."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dssm_core.inspection import NEVER
from dssm_core.misses import HIT, REASONS
from lab import figures, palette, words
from lab.figures import finished, short, shorts

_REASON_COLOURS = dict(
    zip(
        REASONS,
        (palette.GREEN, palette.GREY, palette.CYAN, palette.RED, palette.BLUE, palette.PURPLE, palette.ORANGE),
        strict=True,
    )
)
_LEAST_CLICKS = 10
"""Cells of fewer clicks are left blank: their differences say nothing."""


def leaderboard(table: pd.DataFrame, single: pd.DataFrame, metric: str) -> go.Figure:
    """A dot a group with its interval, best on top, and a small dot for each of its seeds.

    `table` is of `tables.leaderboard`; `single` (group, value) has the value of every run.
    """
    figure = figures.metric_dots(table, metric)
    several = table[table["seeds"] > 1]
    for row in several.itertuples():
        values = single.loc[single["group"] == row.id, "value"]
        figure.add_scatter(
            x=values,
            y=[words.as_html(row.run)] * len(values),
            mode="markers",
            marker={"color": palette.look(row.preset).colour, "size": 9, "symbol": "line-ns-open", "opacity": 0.8},
            hovertemplate="one seed: %{x:.1%}<extra></extra>",
            showlegend=False,
        )
    return figure


def curves(table: pd.DataFrame, bands: bool) -> go.Figure:
    """Recall against the length of the list with 95 % bands; `table` as `comparing.curves` makes it."""
    figure = figures.recall_curves(table)
    if not bands:
        return figure
    lines = {trace.name: trace.line.color for trace in figure.data}
    for run, rows in table.groupby("run", sort=False):
        colour = lines[words.as_html(str(run))]
        figure.add_scatter(
            x=[*rows["k"], *rows["k"][::-1]],
            y=[*rows["high"], *rows["low"][::-1]],
            fill="toself",
            fillcolor=_faint(colour),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )
    return figure


def _faint(colour: str, opacity: float = 0.15) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def reasons(table: pd.DataFrame, column: str, k: int) -> go.Figure:
    """A stacked bar a run, or a part of the clicks: the share of each reason; `table` as `comparing.reasons` makes it.

    `column`: run or part, whichever the bars are of.
    """
    figure = go.Figure()
    order = list(dict.fromkeys(table[column]))[::-1]
    labels = shorts(order, 30)
    for reason in REASONS:
        rows = table[table["reason"] == reason].set_index(column).reindex(order)
        if not rows["share"].any():
            continue
        figure.add_bar(
            x=rows["share"],
            y=labels,
            orientation="h",
            name=reason,
            marker={"color": _REASON_COLOURS[reason], "line_width": 0},
            text=[f"{share:.0%}" if share >= 0.06 else "" for share in rows["share"]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            customdata=rows["clicks"],
            hovertemplate=f"%{{y}}<br>{reason}: %{{x:.1%}}, %{{customdata:,.0f}} clicks<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.3)
    figure.update_xaxes(title=f"share of the held-out clicks, lists of {k}", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(type="category", automargin=True, ticklabelstandoff=6)
    height = 190 + 34 * len(order)
    return finished(figure, says_reasons(table, column), legend=True, height=height, grid="x")


def says_reasons(table: pd.DataFrame, column: str) -> str:
    """What most misses are due to, and where it differs most."""
    missed = table[table["reason"] != HIT]
    # of all clicks together: a mean over parts would weigh five clicks like a thousand
    clicks = table.groupby(column, sort=False)["clicks"].sum()
    weighed = missed["share"] * missed[column].map(clicks) / clicks.sum()
    share = weighed.groupby(missed["reason"], sort=False).sum()
    if not share.sum():
        return "Nothing was missed"
    most = share.idxmax()
    if table[column].nunique() == 1:
        return f"Most misses are {most}: {share[most]:.0%} of the held-out clicks"
    spread = missed.pivot_table(index=column, columns="reason", values="share", sort=False)
    widest = (spread.max() - spread.min()).idxmax()
    low, high = spread[widest].idxmin(), spread[widest].idxmax()
    told = f"{spread[widest].max():.0%} for {high}, {spread[widest].min():.0%} for {low}"
    if widest == most:
        return f"Most misses are {most}: {told}"
    return f"Most misses are {most}; {widest} differs most: {told}"


def matrix(table: pd.DataFrame, run: str, baseline: str, metric: str) -> go.Figure:
    """Differences of recall by kind of article; `table` as compare.difference_matrix makes it.

    Rows are popularity and whether the article was in train, columns its age. Cells whose interval includes 0 are pale.
    """
    rows = _joined(table, ["article popularity", "article in train"])
    columns = table["article age"] if "article age" in table else pd.Series("any age", index=table.index)
    row_names, column_names = list(dict.fromkeys(rows)), _ages(columns)
    values = np.full((len(row_names), len(column_names)), np.nan)
    texts = np.full(values.shape, "", object)
    for row, column, cell in zip(rows, columns, table.itertuples(), strict=True):
        place = row_names.index(row), column_names.index(column)
        texts[place] = f"{cell.held_out_clicks:,} clicks"
        if cell.held_out_clicks >= _LEAST_CLICKS:
            told = cell.low > 0 or cell.high < 0
            # a pale cell: what is not told apart from 0 must not shine
            values[place] = cell.value if told else cell.value * 0.25
            points = f"{100 * cell.value:+.1f}"
            texts[place] = f"<b>{points}</b><br>{texts[place]}" if told else f"({points})<br>{texts[place]}"
    largest = max(0.05, float(np.nanmax(np.abs(values), initial=0.0)))
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=column_names,
            y=row_names,
            text=texts,
            texttemplate="%{text}",
            zmin=-largest,
            zmax=largest,
            colorscale=[[0, palette.ORANGE], [0.5, "#F2F6FA"], [1, palette.BLUE]],
            xgap=2,
            ygap=2,
            textfont={"color": "#1B2733"},
            # every cell says its number: a scale would take a phone's width from them
            showscale=False,
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title="age of the article when clicked", side="bottom")
    figure.update_yaxes(autorange="reversed", automargin=True)
    height = 210 + 56 * len(row_names)
    return finished(figure, says_matrix(table, run, baseline, metric), height=height, grid="")


def _joined(table: pd.DataFrame, names: list[str]) -> pd.Series:
    known = [name for name in names if name in table]
    return table[known].agg(", ".join, axis=1)


def _ages(column: pd.Series) -> list[str]:
    order = ("under 6 h", "6–24 h", "1–3 days", "over 3 days", "any age")
    return [age for age in order if age in set(column)]


def says_matrix(table: pd.DataFrame, run: str, baseline: str, metric: str) -> str:
    """Where a run gains most over the baseline and where it loses most, among cells that are told apart from 0."""
    told = table[((table["low"] > 0) | (table["high"] < 0)) & (table["held_out_clicks"] >= _LEAST_CLICKS)]
    if told.empty:
        return f"In no kind of article is {run} told apart from {baseline}"
    names = [name for name in ("article popularity", "article in train", "article age") if name in table]
    best, worst = told.loc[told["value"].idxmax()], told.loc[told["value"].idxmin()]

    def cell(row: pd.Series) -> str:
        return f"{', '.join(row[names])} ({100 * row['value']:+.1f} points)"

    if best["value"] <= 0:
        return f"{run} is behind {baseline} in {metric} wherever they differ, most for {cell(worst)}"
    if worst["value"] >= 0:
        return f"{run} is ahead of {baseline} in {metric} wherever they differ, most for {cell(best)}"
    return f"{run} beats {baseline} most for {cell(best)} and loses most for {cell(worst)}"


def popularity(table: pd.DataFrame, names: dict[str, str], presets: dict[str, str], k: int) -> go.Figure:
    """How popular what is recalled is, beside what is clicked, by decile of train exposures.

    `table` as `comparing.popularity` makes it; `names` and `presets` of its groups.
    """
    figure = go.Figure()
    place = table["decile"].where(table["decile"] < NEVER, NEVER + 0.4)
    figure.add_bar(
        x=place,
        y=table["clicks"],
        name="held-out clicks",
        marker={"color": palette.GREY, "opacity": 0.4, "line_width": 0},
        hovertemplate="%{y:.1%} of the held-out clicks<extra></extra>",
    )
    looks = palette.looks(presets)
    for group, name in names.items():
        look = looks[group]
        figure.add_scatter(
            x=place,
            y=table[group],
            name=words.as_html(name),
            mode="lines+markers",
            line={"color": look.colour, "width": 2, "dash": look.dash},
            marker={"symbol": look.symbol, "size": 7},
            hovertemplate="%{fullData.name}<br>%{y:.1%} of what is recalled<extra></extra>",
        )
    ticks = ["1<br>most" if decile == 1 else "never" if decile == NEVER else str(decile) for decile in table["decile"]]
    figure.update_xaxes(title="decile of the article by train exposures", tickvals=place, ticktext=ticks, tickangle=0)
    figure.update_yaxes(title=f"share of the places in lists of {k}", tickformat=".0%", rangemode="tozero")
    return finished(figure, says_popularity(table, names), legend=True, height=380 + 13 * len(names))


def says_popularity(table: pd.DataFrame, names: dict[str, str]) -> str:
    """Who recalls the most exposed tenth most and least, beside the share of the clicks that it has."""
    top = table.iloc[0]
    ordered = sorted(names, key=lambda group: top[group])
    clicks = f"{top['clicks']:.0%} of the held-out clicks"
    if len(ordered) == 1:
        return (
            f"The most exposed tenth takes {top[ordered[0]]:.0%} of what {names[ordered[0]]} recalls; it has {clicks}"
        )
    low, high = ordered[0], ordered[-1]
    return (
        f"The most exposed tenth takes {top[high]:.0%} of what {names[high]} recalls, {top[low]:.0%} of "
        f"{names[low]}'s; it has {clicks}"
    )


def hardness(table: pd.DataFrame) -> go.Figure:
    """Mean cosine of the negatives over epochs, a line a run; `table` as `comparing.epochs` makes it."""
    figure = _over_epochs(table, "negative", "mean cosine of the negatives", ".2f")
    return finished(figure, says_hardness(table), legend=True, height=340 + 13 * table["run"].nunique())


def says_hardness(table: pd.DataFrame) -> str:
    """Whose negatives were hardest and easiest in the last epoch."""
    last = table.dropna(subset="negative").groupby("run", sort=False)["negative"].last()
    if last.empty:
        return "No run tells how hard its negatives were"
    # + 0.0: what rounds to 0 has no sign
    low, high = (f"{round(value, 2) + 0.0:.2f}" for value in (last.min(), last.max()))
    if len(last) > 1 and low == high:
        return f"The negatives of all runs end alike: mean cosine {high}"
    title = f"{last.idxmax()} ends with the hardest negatives: mean cosine {high}"
    return f"{title}, {last.idxmin()} with the easiest, {low}" if len(last) > 1 else title


def false_negatives(table: pd.DataFrame) -> go.Figure:
    """Share of each epoch's negatives that their user clicks later, a line a run."""
    figure = _over_epochs(table, "false_negatives", "share of the negatives that the user clicks later", ".3%")
    return finished(figure, says_false_negatives(table), legend=True, height=340 + 13 * table["run"].nunique())


def says_false_negatives(table: pd.DataFrame) -> str:
    """Who trained on the most false negatives and who on the fewest, as a mean over the epochs."""
    mean = table.dropna(subset="false_negatives").groupby("run", sort=False)["false_negatives"].mean()
    if mean.empty:
        return "No run tells how many of its negatives were false"
    low, high = (words.fine_interval(value, np.nan, np.nan) for value in (mean.min(), mean.max()))
    if len(mean) > 1 and low == high:
        return f"All runs trained on as many false negatives: {high}"
    title = f"{mean.idxmax()} trained on the most false negatives: {high}"
    return f"{title}, {mean.idxmin()} on the fewest, {low}" if len(mean) > 1 else title


def _over_epochs(table: pd.DataFrame, column: str, axis: str, form: str) -> go.Figure:
    figure = go.Figure()
    looks = palette.looks(dict(zip(table["run"], table["preset"], strict=True)))
    for run, rows in table.dropna(subset=column).groupby("run", sort=False):
        look = looks[str(run)]
        figure.add_scatter(
            x=rows["epoch"],
            y=rows[column],
            name=words.as_html(str(run)),
            mode="lines+markers",
            line={"color": look.colour, "width": 2, "dash": look.dash},
            marker={"symbol": look.symbol, "size": 6},
            hovertemplate=f"%{{fullData.name}}<br>epoch %{{x}}: %{{y:{form}}}<extra></extra>",
        )
    figure.update_xaxes(title="epoch", rangemode="tozero", nticks=8)
    figure.update_yaxes(title=axis, tickformat=form, rangemode="tozero")
    return figure


def knobs(table: pd.DataFrame, metric: str) -> go.Figure:
    """Parallel coordinates of the knobs that vary, coloured by the metric.

    `table`: a row a run, a column a knob (text as the config has it) and, last, the metric.
    """
    dimensions = [_dimension(name, table[name]) for name in table.columns[:-1]]
    values = table[metric]
    dimensions.append({"label": metric, "values": values, "tickformat": ".1%"})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": values, "colorscale": [[0, palette.ORANGE], [0.5, "#B9C4CF"], [1, palette.BLUE]]},
            labelangle=-20,
        )
    )
    best = table.loc[values.idxmax()]
    told = ", ".join(f"{name}={best[name]}" for name in list(table.columns[:-1])[:3])
    figure = finished(figure, f"The best run has {told}: {metric} {best[metric]:.1%}", height=440)
    figure.update_layout(margin={"t": figure.layout.margin.t + 50, "l": 60, "r": 60, "b": 30})
    return figure


def _dimension(name: str, texts: pd.Series) -> dict:
    """A knob's axis with its values as ticks: numbers where they stand, other values in their order."""
    known = sorted(set(texts))
    numbers = pd.to_numeric(pd.Series(known), errors="coerce")
    places = numbers.tolist() if numbers.notna().all() else list(range(len(known)))
    place = dict(zip(known, places, strict=True))
    return {
        "label": words.as_html(name),
        "values": [place[text] for text in texts],
        "tickvals": places,
        "ticktext": [short(text, 24) for text in known],
    }
