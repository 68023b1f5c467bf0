"""The figures of Compare: pure functions of tables. Each title says what to conclude; each axis has its unit."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dssm_core.inspection import NEVER
from dssm_core.misses import HIT, REASONS
from lab import figures, palette, words
from lab.figures import decile_ticks, faint, finished, short, shorts
from lab.language import t
from lab.tables import BASELINE

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
    """A dot a group with its interval, best on top, a mark for each of its seeds, and a line at the baseline's value.

    `table` is of `tables.leaderboard`; `single` (group, value) has the value of every run.
    """
    figure = figures.metric_dots(table, metric)
    for row in table[table["verdict"] == BASELINE].itertuples() if len(table) > 1 else ():
        figure.add_vline(x=row.value, line={"color": palette.GREY, "dash": "dash", "width": 1.5})
        axis = t("{metric} (95 % interval)<br>dashed: {baseline}", metric=metric, baseline=short(row.run, 24))
        figure.update_xaxes(title=axis)
    several = table[table["seeds"] > 1]
    for row in several.itertuples():
        values = single.loc[single["group"] == row.id, "value"]
        figure.add_scatter(
            x=values,
            y=[words.as_html(row.run)] * len(values),
            mode="markers",
            marker={"color": palette.look(row.preset).colour, "size": 9, "symbol": "line-ns-open", "opacity": 0.8},
            hovertemplate=t("one seed: {value}", value="%{x:.1%}") + "<extra></extra>",
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
            fillcolor=faint(colour, 0.15),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )
    return figure


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
            name=t(reason),
            marker={"color": _REASON_COLOURS[reason], "line_width": 0},
            text=[f"{share:.0%}" if share >= 0.06 else "" for share in rows["share"]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": palette.ink(_REASON_COLOURS[reason])},
            customdata=rows["clicks"],
            hovertemplate="%{y}<br>"
            + t("{reason}: {share}, {count} clicks", reason=t(reason), share="%{x:.1%}", count="%{customdata:,.0f}")
            + "<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.3)
    figure.update_xaxes(title=t("share of the held-out clicks, lists of {k}", k=k), tickformat=".0%", range=[0, 1])
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
        return t("Nothing was missed")
    most = share.idxmax()
    if table[column].nunique() == 1:
        return t("Most misses are {reason}: {share:.0%} of the held-out clicks", reason=t(most), share=share[most])
    spread = missed.pivot_table(index=column, columns="reason", values="share", sort=False)
    widest = (spread.max() - spread.min()).idxmax()
    told = {"reason": t(most), "high": spread[widest].max(), "most": spread[widest].idxmax()}
    told |= {"low": spread[widest].min(), "least": spread[widest].idxmin()}
    if widest == most:
        return t("Most misses are {reason}: {high:.0%} for {most}, {low:.0%} for {least}", **told)
    return t(
        "Most misses are {reason}; {other} differs most: {high:.0%} for {most}, {low:.0%} for {least}",
        **told,
        other=t(widest),
    )


def matrix(table: pd.DataFrame, run: str, baseline: str, metric: str) -> go.Figure:
    """Differences of recall by kind of article; `table` as compare.difference_matrix makes it.

    Rows are popularity and whether the article was in train, columns its age. Cells whose interval includes 0 are pale.
    """
    rows = _joined(table, ["article popularity", "article in train"])
    columns = table["article age"] if "article age" in table else pd.Series(_ANY_AGE, index=table.index)
    row_names, column_names = list(dict.fromkeys(rows)), _ages(columns)
    values = np.full((len(row_names), len(column_names)), np.nan)
    texts = np.full(values.shape, "", object)
    for row, column, cell in zip(rows, columns, table.itertuples(), strict=True):
        place = row_names.index(row), column_names.index(column)
        if cell.held_out_clicks >= _LEAST_CLICKS:
            told = cell.low > 0 or cell.high < 0
            # a pale cell: what is not told apart from 0 must not shine
            values[place] = cell.value if told else cell.value * 0.25
            points, clicks = f"{100 * cell.value:+.1f}", words.counted(cell.held_out_clicks, "click")
            texts[place] = f"<b>{points}</b><br>{clicks}" if told else f"({points})<br>{clicks}"
    largest = max(0.05, float(np.nanmax(np.abs(values), initial=0.0)))
    figure = go.Figure(
        figures.cells(
            values,
            texts,
            (-largest, largest),
            palette.diverging(),
            x=[t(age) for age in column_names],
            y=row_names,
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title=t("age of the article when clicked"), side="bottom")
    figure.update_yaxes(autorange="reversed", automargin=True)
    height = 210 + 56 * len(row_names)
    return finished(figure, says_matrix(table, run, baseline, metric), height=height, grid="")


def _joined(table: pd.DataFrame, names: list[str]) -> pd.Series:
    known = [name for name in names if name in table]
    return table[known].map(t).agg(t(", ").join, axis=1)


_ANY_AGE = "any age"


def _ages(column: pd.Series) -> list[str]:
    order = ("under 6 h", "6–24 h", "1–3 days", "over 3 days", _ANY_AGE)
    return [age for age in order if age in set(column)]


def says_matrix(table: pd.DataFrame, run: str, baseline: str, metric: str) -> str:
    """Where a run gains most over the baseline and where it loses most, among cells that are told apart from 0."""
    told = table[((table["low"] > 0) | (table["high"] < 0)) & (table["held_out_clicks"] >= _LEAST_CLICKS)]
    if told.empty:
        return t("In no kind of article is {run} told apart from {baseline}", run=run, baseline=baseline)
    names = [name for name in ("article popularity", "article in train", "article age") if name in table]
    best, worst = told.loc[told["value"].idxmax()], told.loc[told["value"].idxmin()]

    def cell(row: pd.Series) -> str:
        kind = t(", ").join(t(part) for part in row[names])
        return t("{kind} ({points:+.1f} points)", kind=kind, points=100 * row["value"])

    told = {"run": run, "baseline": baseline, "best": cell(best), "worst": cell(worst)}
    if best["value"] <= 0:
        told |= {"metric": metric}
        return t("{run} is behind {baseline} in {metric} wherever they differ, most for {worst}", **told)
    if worst["value"] >= 0:
        told |= {"metric": metric}
        return t("{run} is ahead of {baseline} in {metric} wherever they differ, most for {best}", **told)
    return t("{run} beats {baseline} most for {best} and loses most for {worst}", **told)


def popularity(table: pd.DataFrame, names: dict[str, str], presets: dict[str, str], k: int) -> go.Figure:
    """How popular what is recalled is, beside what is clicked, by decile of train exposures.

    `table` as `comparing.popularity` makes it; `names` and `presets` of its groups.
    """
    figure = go.Figure()
    place = decile_places(table)
    figure.add_bar(
        x=place,
        y=table["clicks"],
        name=t("held-out clicks"),
        marker={"color": palette.GREY, "opacity": 0.4, "line_width": 0},
        hovertemplate=t("{share} of the held-out clicks", share="%{y:.1%}") + "<extra></extra>",
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
            hovertemplate="%{fullData.name}<br>"
            + t("{share} of what is recalled", share="%{y:.1%}")
            + "<extra></extra>",
        )
    axis = t("decile of the article by train exposures")
    figure.update_xaxes(title=axis, tickvals=place, ticktext=decile_ticks(table), tickangle=0)
    figure.update_yaxes(title=t("share of the places in lists of {k}", k=k), tickformat=".0%", rangemode="tozero")
    return finished(figure, says_popularity(table, names), legend=True, height=380 + 13 * len(names))


def decile_places(table: pd.DataFrame) -> pd.Series:
    """Where deciles stand on their axis: those of articles that were never exposed a little apart."""
    return table["decile"].where(table["decile"] < NEVER, NEVER + 0.4)


def says_popularity(table: pd.DataFrame, names: dict[str, str]) -> str:
    """Who recalls the most exposed tenth most and least, beside the share of the clicks that it has."""
    top = table.iloc[0]
    ordered = sorted(names, key=lambda group: top[group])
    low, high = ordered[0], ordered[-1]
    told = {"high": top[high], "most": names[high], "clicks": top["clicks"]}
    if len(ordered) == 1:
        return t(
            "The most exposed tenth takes {high:.0%} of what {most} recalls; it has {clicks:.0%} of the held-out "
            "clicks",
            **told,
        )
    return t(
        "The most exposed tenth takes {high:.0%} of what {most} recalls, {low:.0%} of {least}'s; it has {clicks:.0%} "
        "of the held-out clicks",
        **told,
        low=top[low],
        least=names[low],
    )


def hardness(table: pd.DataFrame) -> go.Figure:
    """Mean cosine of the negatives over epochs, a line a run; `table` as `comparing.epochs` makes it."""
    figure = _over_epochs(table, "negative", t("mean cosine of the negatives"), ".2f")
    return finished(figure, says_hardness(table), legend=True, height=340 + 13 * table["run"].nunique())


def says_hardness(table: pd.DataFrame) -> str:
    """Whose negatives were hardest and easiest in the last epoch."""
    last = table.dropna(subset="negative").groupby("run", sort=False)["negative"].last()
    if last.empty:
        return t("No run tells how hard its negatives were")
    # + 0.0: what rounds to 0 has no sign
    low, high = (f"{round(value, 2) + 0.0:.2f}" for value in (last.min(), last.max()))
    told = {"hardest": last.idxmax(), "high": high}
    if len(last) == 1:
        return t("{hardest} ends with negatives of mean cosine {high}", **told)
    if low == high:
        return t("The negatives of all runs end alike: mean cosine {high}", high=high)
    told |= {"easiest": last.idxmin(), "low": low}
    return t("{hardest} ends with the hardest negatives: mean cosine {high}, {easiest} with the easiest, {low}", **told)


def false_negatives(table: pd.DataFrame) -> go.Figure:
    """Share of each epoch's negatives that their user clicks later, a line a run."""
    figure = _over_epochs(table, "false_negatives", t("share of the negatives that the user clicks later"), ".3%")
    return finished(figure, says_false_negatives(table), legend=True, height=340 + 13 * table["run"].nunique())


def says_false_negatives(table: pd.DataFrame) -> str:
    """Who trained on the most false negatives and who on the fewest, as a mean over the epochs."""
    mean = table.dropna(subset="false_negatives").groupby("run", sort=False)["false_negatives"].mean()
    if mean.empty:
        return t("No run tells how many of its negatives were false")
    low, high = (words.fine_interval(value, np.nan, np.nan) for value in (mean.min(), mean.max()))
    told = {"most": mean.idxmax(), "high": high}
    if len(mean) == 1:
        return t("{high} of the negatives that {most} trained on were false", **told)
    if low == high:
        return t("All runs trained on as many false negatives: {high}", high=high)
    told |= {"fewest": mean.idxmin(), "low": low}
    return t("{most} trained on the most false negatives: {high}, {fewest} on the fewest, {low}", **told)


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
            hovertemplate=f"%{{fullData.name}}<br>{t('epoch {epoch}', epoch='%{x}')}: %{{y:{form}}}<extra></extra>",
        )
    figure.update_xaxes(title=t("epoch"), rangemode="tozero", nticks=8)
    figure.update_yaxes(title=axis, tickformat=form, rangemode="tozero")
    return figure


_MOST_KNOBS = 3
"""Axes of more knobs stand in each other's way on a phone."""


def most_varied(table: pd.DataFrame) -> pd.DataFrame:
    """The columns with most values, those first, and a few at most; `table` has a column a knob and no others."""
    return table[table.nunique().sort_values(ascending=False, kind="stable").index[:_MOST_KNOBS]]


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
    title = t("The best run has {knobs}: {metric} {value:.1%}", knobs=told, metric=metric, value=best[metric])
    figure = finished(figure, title, height=440)
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
        "ticktext": [short(text, 16) for text in known],
    }
