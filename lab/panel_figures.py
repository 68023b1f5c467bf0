"""Small multiples for comparisons of many runs: a panel a run, or a panel a part of the clicks, where one axis would be
crowded. Pure functions of tables; each panel's title says what it shows, and all panels have one scale."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab import palette, words
from lab.compare_figures import decile_places
from lab.figures import decile_ticks, faint, finished, short, shorts, with_interval
from lab.language import t

_PALE = "rgba(130, 144, 160, 0.3)"
_HEIGHT = 250


def curves(table: pd.DataFrame, baseline: str) -> dict[str, go.Figure]:
    """Recall against the length of the list, best at the longest first; `table` as `comparing.curves` makes it."""
    lines = table.rename(columns={"k": "x", "value": "y"})
    longest = int(lines["x"].max())
    ends = lines[lines["x"] == longest].set_index("group")
    figures = {}
    for group, row in ends.sort_values("y", ascending=False).iterrows():
        says = t("{interval} in {k}", interval=words.interval({"value": row["y"], **row[["low", "high"]]}), k=longest)
        figures[group] = panel(lines, group, baseline, says)
        figures[group].update_xaxes(title=t("K (log scale)"), type="log", tickvals=_ticks(longest))
        figures[group].update_yaxes(title=t("recall@K"), tickformat=".0%")
    return figures


def _ticks(longest: int) -> list[int]:
    return [k for k in (1, 10, 100, 1000, 10_000) if k < longest / 1.5] + [longest]


def popularity(
    table: pd.DataFrame, names: dict[str, str], presets: dict[str, str], baseline: str
) -> dict[str, go.Figure]:
    """Share of the places by decile of train exposures, least on the most exposed tenth first; `table` as
    `comparing.popularity` makes it, `names` and `presets` of its groups."""
    place = decile_places(table)
    lines = pd.concat(
        [
            pd.DataFrame({"group": group, "run": name, "preset": presets[group], "x": place, "y": table[group]})
            for group, name in names.items()
        ]
    )
    # those between have no room
    ticks = ["1", *[""] * (len(table) - 2), decile_ticks(table)[-1]]
    figures = {}
    for group in sorted(names, key=lambda group: table[group].iloc[0]):
        figures[group] = panel(lines, group, baseline, t("{share:.0%} on decile 1", share=table[group].iloc[0]))
        figures[group].update_xaxes(title=t("decile by exposures"), tickvals=place, ticktext=ticks, tickangle=0)
        figures[group].update_yaxes(title=t("share of the places"), tickformat=".0%")
        figures[group].add_bar(
            x=place,
            y=table["clicks"],
            marker={"color": palette.GREY, "opacity": 0.3, "line_width": 0},
            hoverinfo="skip",
        )
    return figures


def hardness(table: pd.DataFrame) -> dict[str, go.Figure]:
    """Mean cosine of the negatives over epochs, hardest at the end first; `table` as `comparing.epochs` makes it."""
    return _over_epochs(table, "negative", t("mean cosine"), ".2f")


def false_negatives(table: pd.DataFrame) -> dict[str, go.Figure]:
    """Share of the negatives that were false, over epochs, most at the end first."""
    return _over_epochs(table, "false_negatives", t("share of the negatives"), ".2%")


def _over_epochs(table: pd.DataFrame, column: str, axis: str, form: str) -> dict[str, go.Figure]:
    lines = table.dropna(subset=column).rename(columns={"epoch": "x", column: "y"})
    last = lines.groupby("group", sort=False)["y"].last().sort_values(ascending=False)
    figures = {}
    for group, value in last.items():
        figures[group] = panel(lines, str(group), None, t("ends at {value}", value=f"{value:{form}}"))
        figures[group].update_xaxes(title=t("epoch"), nticks=4)
        figures[group].update_yaxes(title=axis, tickformat=form)
    return figures


def panel(lines: pd.DataFrame, group: str, baseline: str | None, says: str) -> go.Figure:
    """The line of one run over those of all others, which are pale, and of the baseline run, which is dashed.

    `lines`: columns group, run (name), preset, x, y and, where there are intervals, low and high.
    """
    mine = lines[lines["group"] == group]
    colour = palette.look(mine["preset"].iloc[0]).colour
    figure = go.Figure()
    figure.add_scatter(**_broken(lines[lines["group"] != group]), line={"color": _PALE, "width": 1})
    if baseline and baseline != group:
        of_baseline = lines[lines["group"] == baseline]
        dashed = {"color": palette.GREY, "width": 2, "dash": "dash"}
        figure.add_scatter(x=of_baseline["x"], y=of_baseline["y"], line=dashed)
    if "low" in mine and mine["low"].notna().all():
        x, y = [*mine["x"], *mine["x"][::-1]], [*mine["high"], *mine["low"][::-1]]
        figure.add_scatter(x=x, y=y, fill="toself", fillcolor=faint(colour, 0.25), line={"width": 0})
    figure.update_traces(mode="lines", hoverinfo="skip")
    figure.add_scatter(
        x=mine["x"],
        y=mine["y"],
        mode="lines+markers",
        line={"color": colour, "width": 2.5},
        marker={"size": 5},
        hovertemplate="%{x}: %{y}<extra></extra>",
    )
    low, high = min(0.0, lines["y"].min()), lines[[name for name in ("y", "high") if name in lines]].max(axis=None)
    figure.update_yaxes(range=[1.05 * low, 1.05 * high])
    return titled(figure, mine["run"].iloc[0], says, _HEIGHT)


def _broken(lines: pd.DataFrame) -> dict[str, list]:
    """Several lines as one, broken between them: a trace for each would make a page of panels slow."""
    x, y = [], []
    for _, rows in lines.groupby("group", sort=False):
        x += [*rows["x"], None]
        y += [*rows["y"], None]
    return {"x": x, "y": y}


def parts(table: pd.DataFrame, presets: dict[str, str], baseline: str, metric: str) -> dict[str, go.Figure]:
    """A panel a part of the clicks, a row a run, in every panel in one order: best of all clicks together on top.

    `table` is of `comparing.by_segment`, `presets` by run id; a dashed line is the baseline's value.
    """
    order = _best_last(table)
    names = table.drop_duplicates("id").set_index("id")["run"]
    labels = shorts(names[order], 22)
    highest = np.nanmax(table[["recall", "high"]].to_numpy(float), initial=0.01)
    figures = {}
    for part, rows in table.groupby("part", sort=False):
        rows = rows.set_index("id").reindex(order)
        figure = go.Figure(
            go.Scatter(
                x=rows["recall"],
                y=labels,
                mode="markers",
                cliponaxis=False,
                marker={"color": [palette.look(presets[id]).colour for id in order], "size": 8},
                error_x={
                    "array": (rows["high"] - rows["recall"]).fillna(0),
                    "arrayminus": (rows["recall"] - rows["low"]).fillna(0),
                    "color": palette.GREY,
                    "thickness": 1.5,
                    "width": 0,
                },
                hovertemplate="%{y}: %{x:.1%}<extra></extra>",
            )
        )
        if baseline in rows.index and pd.notna(rows.at[baseline, "recall"]):
            figure.add_vline(x=rows.at[baseline, "recall"], line={"color": palette.GREY, "dash": "dash", "width": 1.5})
        figure.update_xaxes(title=with_interval(metric), tickformat=".0%", range=[0, 1.03 * highest], nticks=5)
        figure.update_yaxes(type="category", ticklabelstandoff=6, showgrid=False)
        figures[str(part)] = titled(figure, str(part), says_part(rows), 130 + 20 * len(order), grid="x")
    return figures


def _best_last(table: pd.DataFrame) -> list[str]:
    hits = (table["recall"] * table["held_out_clicks"]).groupby(table["id"], sort=False).sum()
    return hits.sort_values(kind="stable").index.tolist()


def says_part(rows: pd.DataFrame) -> str:
    """Who is best in a part of the clicks, and of how many."""
    best = rows.loc[rows["recall"].idxmax()]
    clicks = words.counted(int(best["held_out_clicks"]), "click")
    return t("{run} leads: {value:.1%} of {clicks}", run=best["run"], value=best["recall"], clicks=clicks)


def titled(figure: go.Figure, name: str, says: str, height: int, grid: str = "y") -> go.Figure:
    """What every panel ends with: whose it is, and below that what it says."""
    figure = finished(figure, "", height=height, grid=grid)
    text = f"{short(name, 26)}<br><span style='font-weight: normal'>{words.as_html(says)}</span>"
    figure.update_layout(title={"text": text, "font_size": 13}, margin={"t": 52})
    figure.update_xaxes(title_font_size=12, title_standoff=4)
    figure.update_yaxes(title_font_size=12, title_standoff=4)
    return figure
