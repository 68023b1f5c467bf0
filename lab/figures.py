"""Plotly figures as pure functions of tables. Each title says what to conclude; each axis has its unit.

Log text that reaches a label or a hover is escaped first, since Plotly reads tags there.
"""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dssm_core.inspection import NEVER
from lab import palette, words
from lab.language import t

_TITLE_WIDTH = 46
"""Letters a title line: what fits a phone's screen and half a laptop's."""
_WIDE = r"[\u2e80-\uffef]"
"""A Chinese character or mark."""
_CLOSING = "[，。、；：！？）》」』”％]"
"""Chinese marks that no line begins with."""
_TITLE_LINE = 20
_COUNTED = {"exposures": "{count} exposures", "clicks": "{count} clicks"}
_PARTS = {"left out": palette.GREY, "train": palette.BLUE, "validation": palette.CYAN, "test": palette.ORANGE}


def metric_dots(table: pd.DataFrame, metric: str) -> go.Figure:
    """A dot a run with its 95 % interval, best on top; `table` as `tables.metric_rows` makes it."""
    figure = go.Figure()
    for row in table[::-1].itertuples():
        look = palette.look(row.preset)
        known = pd.notna(row.low)
        figure.add_scatter(
            x=[row.value],
            y=[words.as_html(row.run)],
            mode="markers",
            marker={"color": look.colour, "symbol": look.symbol, "size": 12},
            error_x={
                "array": [row.high - row.value if known else 0],
                "arrayminus": [row.value - row.low if known else 0],
                "color": look.colour,
                "thickness": 2.5,
                "width": 0,
            },
            hovertemplate=f"%{{y}}<br>{metric} {words.interval(row._asdict())}<extra></extra>",
            showlegend=False,
        )
    figure.update_xaxes(title=with_interval(metric), tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(type="category", automargin=True, ticklabelstandoff=6)
    return finished(figure, says_best(table, metric), height=130 + 29 * len(table), grid="x")


def with_interval(metric: str) -> str:
    """An axis of a metric whose dots have intervals."""
    return t("{metric} (95 % interval)", metric=metric)


def says_best(table: pd.DataFrame, metric: str) -> str:
    """The sentence for a table of `metric_rows`: who is best, and how far the best baseline is behind."""
    if table.empty:
        return t("No run has {metric}", metric=metric)
    best = table.iloc[0]
    others = table[table["preset"].isin(palette.BASELINES)]
    told = {"run": best["run"], "metric": metric, "value": best["value"]}
    if best["preset"] in palette.BASELINES:
        return t("No trained run beats {run}: {metric} {value:.1%}", **told)
    if others.empty:
        return t("{run} is best: {metric} {value:.1%}", **told)
    told |= {"rival": others.iloc[0]["run"], "other": others.iloc[0]["value"]}
    return t("{run} is best: {metric} {value:.1%}, where {rival} has {other:.1%}", **told)


def says_beaten(table: pd.DataFrame, differences: pd.DataFrame) -> str:
    """How many trained runs beat the best baseline: `table` of `metric_rows`, `differences` from that baseline.

    A run clearly beats it where the interval of the paired difference lies above 0.
    """
    trained = table[~table["preset"].isin(palette.BASELINES)]
    rival = table.loc[table["preset"].isin(palette.BASELINES), "run"].iloc[0]
    better = set(differences.loc[differences["low"] > 0, "run"])
    n = int(trained["id"].isin(better).sum())
    told = {"n": n, "all": len(trained), "rival": rival}
    if trained.empty:
        return t("No trained run is among these; the best baseline is {rival}", rival=rival)
    if len(trained) == 1:
        told = {"run": trained["run"].iloc[0], "rival": rival}
        if n:
            return t("{run} clearly beats the best baseline, {rival}", **told)
        return t("{run} is not clearly above the best baseline, {rival}", **told)
    if n == len(trained):
        return t("All {n} trained runs clearly beat the best baseline, {rival}", n=n, rival=rival)
    if not n:
        return t("None of {all} trained runs clearly beat the best baseline, {rival}", all=told["all"], rival=rival)
    return t("{n} of {all} trained runs clearly beat the best baseline, {rival}", **told)


def days(table: pd.DataFrame, column: str) -> go.Figure:
    """Exposures or clicks a day, stacked by what the split makes of them; `table` as `tables.days` makes it."""
    figure = go.Figure()
    for part, colour in _PARTS.items():
        rows = table[table["part"] == part]
        if len(rows):
            figure.add_bar(
                x=rows["day"],
                y=rows[column],
                name=t(part),
                marker_color=colour,
                hovertemplate=f"%{{x|%Y-%m-%d}}<br>{t(part)}: {t(_COUNTED[column], count='%{y:,}')}<extra></extra>",
            )
    total = table.groupby("part")[column].sum()
    test, train = total.get("test", 0), total.get("train", 0) + total.get("validation", 0)
    title = t(
        "{test} to test on after the cut, {train} to train on before it",
        test=t(_COUNTED[column], count=f"{test:,}"),
        train=t(_COUNTED[column], count=f"{train:,}"),
    )
    figure.update_layout(barmode="stack", bargap=0.25)
    figure.update_xaxes(title=t("day"), type="date", **_day_ticks(table["day"]))
    figure.update_yaxes(title=t("exposures a day") if column == "exposures" else t("clicks a day"))
    return finished(figure, title, legend=True)


def _day_ticks(days: pd.Series) -> dict:
    """One tick a day for short logs, where Plotly would put ticks at noon too; months and years for long ones."""
    if days.nunique() <= 8:
        return {"dtick": 86_400_000, "tickformat": t("%d %b")}
    long = pd.Timestamp(days.max()) - pd.Timestamp(days.min()) > pd.Timedelta(days=300)
    return {"nticks": 6, "tickformat": t("%b %Y")} if long else {"nticks": 8, "tickformat": t("%d %b")}


def popularity(table: pd.DataFrame, share: float) -> go.Figure:
    """Exposures and clicks against the article's rank, both axes logarithmic; `share` is the top tenth's."""
    figure = go.Figure()
    for column, colour in (("exposures", palette.BLUE), ("clicks", palette.ORANGE)):
        shown = table[table[column] > 0]
        figure.add_scatter(
            x=shown["rank"],
            y=shown[column],
            name=t(column),
            mode="markers",
            marker={"color": colour, "size": 5, "opacity": 0.75},
            hovertemplate=t("rank {rank}", rank="%{x:,}") + f"<br>{t(_COUNTED[column], count='%{y:,}')}<extra></extra>",
        )
    figure.update_xaxes(title=t("article's rank by exposures (log scale)"), type="log", **decades(table["rank"]))
    top = table[["exposures", "clicks"]].max(axis=None) if len(table) else 1
    # from 1 on, so that the axis has a power of ten to count from
    counted = {"range": [-0.15, np.log10(max(top, 10)) + 0.15], **decades(pd.Series([top]))}
    figure.update_yaxes(title=t("count per article (log scale)"), type="log", **counted)
    title = t("A tenth of the articles takes {share:.0%} of the exposures", share=share)
    return finished(figure, title, legend=True)


def decades(values: pd.Series) -> dict:
    """Ticks of a logarithmic axis at the powers of ten, as far as `values` go."""
    decades = int(np.ceil(np.log10(max(values.max(), 10)))) if len(values) else 1
    ticks = [10**power for power in range(decades + 1)]
    return {"tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks]}


def deciles(table: pd.DataFrame, strategies: dict[str, str]) -> go.Figure:
    """Where the draws of some strategies fall on the scale of popularity; `table` of inspection.decile_shares.

    `strategies`: each column's name in the table → the strategy that it looks like.
    """
    figure = go.Figure()
    place = table["decile"].where(table["decile"] < NEVER, NEVER + 0.4)
    for name, strategy in strategies.items():
        look = palette.STRATEGY_LOOKS[strategy]
        figure.add_bar(
            x=place,
            y=table[name],
            name=name,
            marker={
                "color": look.colour,
                "line_width": 0,
                "pattern": {"shape": look.pattern, "bgcolor": look.colour, "fgcolor": "white", "solidity": 0.2},
            },
            hovertemplate="%{customdata}<br>"
            + t("{name}: {share} of the negatives", name=name, share="%{y:.2%}")
            + "<extra></extra>",
            customdata=[_decile_name(decile) for decile in table["decile"]],
        )
    for column, dash, symbol in (("exposures", "dot", "circle-open"), ("clicks", "solid", "x-thin-open")):
        name = t("share of the exposures") if column == "exposures" else t("share of the clicks")
        figure.add_scatter(
            x=place,
            y=table[column],
            name=name,
            mode="lines+markers",
            line={"color": palette.GREY, "width": 1.5, "dash": dash},
            marker={"symbol": symbol, "size": 8, "color": palette.GREY},
            hovertemplate=f"%{{customdata}}<br>{name}: %{{y:.2%}}<extra></extra>",
            customdata=[_decile_name(decile) for decile in table["decile"]],
        )
    figure.update_layout(barmode="group", bargap=0.2)
    figure.update_xaxes(title=_says_groups(table), tickvals=place, ticktext=decile_ticks(table), tickangle=0)
    figure.update_yaxes(title=t("share of the negatives"), tickformat=".0%", rangemode="tozero")
    # a phone has one legend entry a line
    return finished(figure, says_deciles(table, list(strategies)), legend=True, height=360 + 13 * len(strategies))


def decile_ticks(table: pd.DataFrame) -> list[str]:
    """The labels of an axis of deciles by train exposures; `table` has the column decile."""
    ends = {1: f"1<br>{t('most')}", NEVER: t("never")}
    return [ends.get(decile, str(decile)) for decile in table["decile"]]


def _decile_name(decile: int) -> str:
    return t("never exposed in train") if decile == NEVER else t("decile {decile} by exposures", decile=decile)


def _says_groups(table: pd.DataFrame) -> str:
    """The axis of popularity in words: what a decile is, and how many articles were never exposed."""
    never = int(table.loc[table["decile"] == NEVER, "articles"].sum())
    each = words.counted(int(table["articles"].iloc[0]), "article")
    told = t("decile by train exposures, {articles} each", articles=each)
    return f"{told}<br>{t('never exposed: {articles}', articles=words.counted(never, 'article'))}" if never else told


def says_deciles(table: pd.DataFrame, strategies: list[str]) -> str:
    """Which strategy draws the most exposed decile most, beside the share of the exposures that it takes."""
    if table.empty or table["decile"].iloc[0] != 1:
        return t("Nothing was exposed in train")
    top = table.iloc[0]
    ordered = sorted(strategies, key=lambda name: top[name])
    lowest, highest = ordered[0], ordered[-1]
    told = {"share": top[highest], "highest": highest, "exposures": top["exposures"]}
    if len(ordered) == 1:
        return t(
            "The most exposed tenth is {share:.0%} of what {highest} draws; it has {exposures:.0%} of the exposures",
            **told,
        )
    if top[highest] - top[lowest] < 0.005:
        return t(
            "The most exposed tenth is {share:.0%} of what every strategy here draws; it has {exposures:.0%} of the "
            "exposures",
            share=told["share"],
            exposures=told["exposures"],
        )
    return t(
        "The most exposed tenth is {share:.0%} of what {highest} draws and {least:.0%} of {lowest}'s; it has "
        "{exposures:.0%} of the exposures",
        **told,
        least=top[lowest],
        lowest=lowest,
    )


def field_weights(table: pd.DataFrame) -> go.Figure:
    """The mean gate of every field, each side's largest on top; `table` as `tables.field_weights` makes it."""
    figure = go.Figure()
    for side, one, colour in (("articles", "article", palette.ORANGE), ("users", "user", palette.BLUE)):
        rows = table[table["side"] == side][::-1]
        figure.add_bar(
            x=rows["weight"],
            y=[f"{t(one)} · {short(field)}" for field in rows["field"]],
            orientation="h",
            name=t(side),
            marker_color=colour,
            text=[f"{weight:.2f}" for weight in rows["weight"]],
            textposition="auto",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    figure.update_xaxes(title=t("mean gate of the field"), rangemode="tozero")
    figure.update_yaxes(automargin=True, ticklabelstandoff=6)
    return finished(figure, says_field_weights(table), height=130 + 27 * len(table), grid="x")


def says_field_weights(table: pd.DataFrame) -> str:
    """Which field counts most and which least on each side."""
    sides = [_says_side(str(side), rows) for side, rows in table.groupby("side", sort=False)]
    if not sides:
        return t("No field has a gate")
    sentence = t("; ").join(sides)
    return sentence[0].upper() + sentence[1:]


def _says_side(side: str, rows: pd.DataFrame) -> str:
    most, least = rows.loc[rows["weight"].idxmax()], rows.loc[rows["weight"].idxmin()]
    told = {"side": t(side), "most": most["field"], "high": most["weight"]}
    if len(rows) == 1:
        return t("of {side}, {most} counts most ({high:.2f})", **told)
    told |= {"least": least["field"], "low": least["weight"]}
    return t("of {side}, {most} counts most ({high:.2f}), {least} least ({low:.2f})", **told)


def losses(epochs: pd.DataFrame, steps: pd.DataFrame) -> go.Figure:
    """Loss of train (every step) and of validation (every epoch), against epochs.

    `epochs` has epoch, loss, validation_loss; `steps` has progress (in epochs) and loss.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=steps["progress"],
        y=steps["loss"],
        name=t("train, each step"),
        mode="lines",
        line={"color": palette.BLUE, "width": 1},
        opacity=0.55,
        hovertemplate=f"{t('epoch {epoch}', epoch='%{x:.2f}')}<br>{t('loss {loss}', loss='%{y:.4g}')}<extra></extra>",
    )
    for column, name, colour in (
        ("loss", t("train, epoch mean"), palette.BLUE),
        ("validation_loss", t("validation"), palette.ORANGE),
    ):
        _epoch_line(figure, epochs, column, name, colour, "%{y:.4g}")
    figure.update_yaxes(title=t("loss a click (nats)"))
    return _over_epochs(figure, epochs, says_losses(epochs), legend=True)


def says_losses(epochs: pd.DataFrame) -> str:
    """What the loss curves show so far."""
    validation = _column(epochs, "validation_loss")
    if len(validation) < 2:
        return t("The loss so far: two epochs make a trend")
    best = int(validation.idxmin())
    if best == validation.index[-1]:
        return t("The validation loss still falls: more epochs may help")
    lowest = int(epochs.at[best, "epoch"])
    return t("The validation loss was lowest after epoch {epoch}: from there it memorizes", epoch=lowest)


def validation_recall(epochs: pd.DataFrame) -> go.Figure:
    """Recall@50 of the validation clicks, a point an epoch; `epochs` has epoch and validation_recall@50."""
    figure = go.Figure()
    name = t("validation {metric}", metric="recall@50")
    _epoch_line(figure, epochs, "validation_recall@50", name, palette.GREEN, "%{y:.1%}")
    figure.update_yaxes(title=name, tickformat=".1%", rangemode="tozero")
    recall = _column(epochs, "validation_recall@50")
    if recall.empty:
        return _over_epochs(figure, epochs, t("Recall of the validation clicks shows after the first epoch"))
    best = int(recall.idxmax())
    title = t(
        "Best after epoch {epoch}: {recall:.1%} of the validation clicks in 50",
        epoch=int(epochs.at[best, "epoch"]),
        recall=recall[best],
    )
    return _over_epochs(figure, epochs, title)


def scores(positive: dict, negative: dict) -> go.Figure:
    """Histograms of the cosines of clicked articles and of negatives; each has `edges` (n + 1) and `counts` (n)."""
    figure = go.Figure()
    sides = ((negative, t("negatives"), palette.ORANGE), (positive, t("clicked"), palette.BLUE))
    for histogram, name, colour in sides:
        edges, counts = np.asarray(histogram["edges"], float), np.asarray(histogram["counts"], float)
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts / max(1.0, counts.sum()),
            width=np.diff(edges),
            name=name,
            marker={"color": colour, "line_width": 0},
            opacity=0.6,
            hovertemplate=t("{name}: {share} at cosine {cosine}", name=name, share="%{y:.1%}", cosine="%{x:.2f}")
            + "<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(title=t("cosine of user and article vector"))
    figure.update_yaxes(title=t("share of the pairs"), tickformat=".0%")
    return finished(figure, says_scores(_mean(positive) - _mean(negative)), legend=True)


def says_scores(apart: float) -> str:
    """How far clicked articles score above negatives."""
    if apart >= 0:
        return t("Clicked articles score {apart:.2f} above negatives on average", apart=apart)
    return t("Clicked articles score {apart:.2f} below negatives on average", apart=-apart)


def _mean(histogram: dict) -> float:
    edges, counts = np.asarray(histogram["edges"], float), np.asarray(histogram["counts"], float)
    return float(((edges[1:] + edges[:-1]) / 2 * counts).sum() / max(1.0, counts.sum()))


def health(epochs: pd.DataFrame) -> go.Figure:
    """Share of distinct user vectors and mean cosine between users, a point an epoch."""
    figure = go.Figure()
    _epoch_line(figure, epochs, "distinct_users", t("distinct user vectors"), palette.GREEN, "%{y:.1%}")
    _epoch_line(figure, epochs, "mean_cosine", t("mean cosine between users"), palette.PURPLE, "%{y:.2f}")
    figure.update_yaxes(title=t("share · cosine"), range=[min(-0.05, _lowest(epochs, "mean_cosine")), 1.08])
    return _over_epochs(figure, epochs, says_health(epochs), legend=True)


def _lowest(epochs: pd.DataFrame, column: str) -> float:
    values = _column(epochs, column)
    return float(values.min()) - 0.05 if len(values) else 0.0


def says_health(epochs: pd.DataFrame) -> str:
    """Whether the user vectors have collapsed onto each other."""
    distinct, cosine = _column(epochs, "distinct_users"), _column(epochs, "mean_cosine")
    if distinct.empty or cosine.empty:
        return t("Health of the vectors shows after the first epoch")
    if distinct.iloc[-1] < 0.5 or cosine.iloc[-1] > 0.95:
        return t("Collapsed: user vectors are nearly all alike")
    return t("Healthy: {share:.0%} of the user vectors are distinct", share=distinct.iloc[-1])


def recall_curves(curves: pd.DataFrame) -> go.Figure:
    """Recall against the length of the list; columns run, preset, k, value. K on a logarithmic axis."""
    figure = go.Figure()
    looks = palette.looks(dict(zip(curves["run"], curves["preset"], strict=True)))
    for run, rows in curves.groupby("run", sort=False):
        look = looks[str(run)]
        figure.add_scatter(
            x=rows["k"],
            y=rows["value"],
            name=words.as_html(str(run)),
            mode="lines+markers",
            line={"color": look.colour, "width": 2, "dash": look.dash},
            marker={"symbol": look.symbol, "size": 6},
            hovertemplate="%{fullData.name}<br>recall@%{x}: %{y:.1%}<extra></extra>",
        )
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if k <= curves["k"].max()]
    figure.update_xaxes(title=t("K, length of the recall list (log scale)"), type="log", tickvals=ticks)
    figure.update_yaxes(title=t("recall@K, mean over users"), tickformat=".0%", rangemode="tozero")
    # a phone has one legend entry a line
    return finished(figure, says_curves(curves), legend=True, height=400 + 13 * len(looks))


def says_curves(curves: pd.DataFrame) -> str:
    """Which run leads, and whether it leads at every length of the list."""
    table = curves.pivot_table(index="k", columns="run", values="value", sort=False)
    leader = table.idxmax(axis=1)
    last = leader.iloc[-1]
    if table.shape[1] == 1:
        return t(
            "{run} recalls {recall:.1%} of the held-out clicks in {k}",
            run=last,
            recall=table[last].iloc[-1],
            k=table.index[-1],
        )
    if (leader == last).all():
        return t("{run} leads at every K", run=last)
    if leader.iloc[0] == last:
        ends = {"run": last, "first": leader.index[0], "last": leader.index[-1]}
        return t("{run} leads at K = {first} and {last}, others in between", **ends)
    from_ = leader.index[::-1][(leader[::-1] == last).cumprod().astype(bool)].min()
    return t("{run} leads from K = {k}, {other} in the shortest list", run=last, k=from_, other=leader.iloc[0])


def segments(table: pd.DataFrame, presets: dict[str, str], segment: str, metric: str) -> go.Figure:
    """A dot a run and a row a part of the segmentation; `table` is of `comparing.by_segment`, `presets` by run id."""
    figure = go.Figure()
    order = list(dict.fromkeys(table["part"]))
    looks = palette.looks(presets)
    for number, (id, rows) in enumerate(table.groupby("id", sort=False)):
        look = looks[str(id)]
        offset = (number - (table["id"].nunique() - 1) / 2) * 0.7 / max(1, table["id"].nunique())
        figure.add_scatter(
            x=rows["recall"],
            y=[-order.index(part) - offset for part in rows["part"]],
            name=words.as_html(rows["run"].iloc[0]),
            mode="markers",
            # a dot at 0 % is whole
            cliponaxis=False,
            marker={"color": look.colour, "symbol": look.symbol, "size": 9},
            error_x={
                "array": (rows["high"] - rows["recall"]).fillna(0),
                "arrayminus": (rows["recall"] - rows["low"]).fillna(0),
                "color": look.colour,
                "thickness": 1.5,
                "width": 0,
            },
            customdata=np.column_stack([[words.as_html(str(part)) for part in rows["part"]], rows["held_out_clicks"]]),
            hovertemplate="%{fullData.name}<br>%{customdata[0]}: "
            + t("{share} of {count} clicks", share="%{x:.1%}", count="%{customdata[1]}")
            + "<extra></extra>",
        )
    counts = table.drop_duplicates("part").set_index("part")["held_out_clicks"]
    ticks = [f"{short(part)}<br>{words.counted(int(counts[part]), 'click')}" for part in order]
    figure.update_yaxes(
        tickvals=[-place for place in range(len(order))], ticktext=ticks, automargin=True, zeroline=False
    )
    figure.update_xaxes(title=with_interval(metric), tickformat=".0%", rangemode="tozero")
    height = 190 + len(order) * max(46, 16 * table["id"].nunique()) + 12 * table["id"].nunique()
    return finished(figure, says_segments(table, segment), legend=True, height=height, grid="x")


def short(text: object, longest: int = 18) -> str:
    """A label of at most so many letters, harmless to Plotly."""
    text = str(text)
    return words.as_html(text if len(text) <= longest else f"{text[: longest - 1]}…")


def shorts(texts: Iterable[object], longest: int = 18) -> list[str]:
    """Labels of an axis, each as `short` makes it; those that are alike then are told apart by a number."""
    labels, seen = [short(text, longest) for text in texts], Counter()
    for place, label in enumerate(labels):
        seen[label] += 1
        labels[place] = label if seen[label] == 1 else f"{label} ({seen[label]})"
    return labels


def says_segments(table: pd.DataFrame, segment: str) -> str:
    """Where the best run of the table is strongest and weakest."""
    if table.empty:
        return t("No held-out clicks by {segment}", segment=segment)
    # of all clicks together: a mean over the segments would weigh five clicks like a thousand
    hits = (table["recall"] * table["held_out_clicks"]).groupby(table["run"], sort=False).sum()
    best = (hits / table.groupby("run", sort=False)["held_out_clicks"].sum()).idxmax()
    mine = table[table["run"] == best]
    low, high = mine.loc[mine["recall"].idxmin()], mine.loc[mine["recall"].idxmax()]
    told = {"segment": segment, "run": best, "high": high["recall"], "best": high["part"]}
    if low["part"] == high["part"]:
        return t("By {segment}: {run} has {high:.1%} for {best}", **told)
    told |= {"low": low["recall"], "worst": low["part"]}
    return t("By {segment}: {run} has {high:.1%} for {best}, {low:.1%} for {worst}", **told)


def overlap(table: pd.DataFrame, k: int) -> go.Figure:
    """A square of shares: of the articles in either top K, those in both. `table` as `comparing.overlap` makes it."""
    names = shorts(table.index, 22)
    values = table.to_numpy(float)
    text = [["" if np.isnan(value) else f"{value:.0%}" for value in row] for row in values]
    figure = go.Figure(
        cells(
            values,
            np.array(text, object),
            (0, 1),
            palette.sequential(),
            x=names,
            y=names,
            hovertemplate="%{y} · %{x}<br>"
            + t("{share} of the articles in either list are in both", share="%{text}")
            + "<extra></extra>",
        )
    )
    apart = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    title = t("Lists of {k}: one run only", k=k)
    if np.isfinite(apart).any():
        row, column = np.unravel_index(np.nanargmin(apart), apart.shape)
        title = t(
            "{one} and {other} differ most: {share:.0%} of what is in either top {k} is in both",
            one=table.index[row],
            other=table.columns[column],
            share=apart[row, column],
            k=k,
        )
    figure.update_xaxes(title=t("run"), type="category", tickangle=-50, automargin=True, tickvals=names)
    figure.update_yaxes(title=t("run"), type="category", autorange="reversed", automargin=True)
    return finished(figure, title, height=230 + 36 * len(names), grid="")


def cells(
    values: np.ndarray, texts: np.ndarray, ends: tuple[float, float], scale: list[str], **settings
) -> list[go.Heatmap]:
    """A matrix that says its numbers in its cells: a heat map for each colour of letters, which cells of a map share.

    `values`, `texts`: (rows, columns); `ends`: what the first and the last colour of `scale` stand for. NaN: blank.
    """
    blank = np.isnan(values)
    inks = palette.inks(scale, (np.where(blank, ends[0], values) - ends[0]) / (ends[1] - ends[0]))
    return [
        go.Heatmap(
            z=np.where(inks == ink, values, np.nan),
            text=np.where((inks == ink) & ~blank, texts, ""),
            texttemplate="%{text}",
            textfont={"color": ink},
            zmin=ends[0],
            zmax=ends[1],
            colorscale=scale,
            xgap=2,
            ygap=2,
            # every cell says its number: a scale would take a phone's width from them
            showscale=False,
            hoverongaps=False,
            **settings,
        )
        for ink in np.unique(inks)
    ]


def overlap_with(table: pd.DataFrame, run: str, presets: dict[str, str], k: int) -> go.Figure:
    """A bar a run: how much of its top K it shares with one `run`, most on top; `table` as for `overlap`, `presets` by
    the names that it has."""
    shares = table[run].drop(run).dropna().sort_values(kind="stable")
    colours = [palette.look(presets[name]).colour for name in shares.index]
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=shorts(shares.index, 22),
            orientation="h",
            marker={"color": colours, "line_width": 0},
            insidetextfont={"color": [palette.ink(colour) for colour in colours]},
            text=[f"{share:.0%}" for share in shares],
            textposition="auto",
            textangle=0,
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_xaxes(title=t("share in both, of either top {k}", k=k), tickformat=".0%")
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(type="category", ticklabelstandoff=6)
    return finished(figure, says_overlap_with(shares, run), height=130 + 24 * len(shares), grid="x")


def says_overlap_with(shares: pd.Series, run: str) -> str:
    """Whose lists are most and least like those of a run."""
    if shares.empty:
        return t("Nothing to hold against {run}", run=run)
    told = {"run": run, "most": shares.index[-1], "high": shares.iloc[-1]}
    told |= {"least": shares.index[0], "low": shares.iloc[0]}
    return t("Most like {run}: {most}, {high:.0%} in both; least: {least}, {low:.0%}", **told)


def _column(epochs: pd.DataFrame, name: str) -> pd.Series:
    return epochs[name].dropna() if name in epochs else pd.Series(dtype=float)


def _epoch_line(figure: go.Figure, epochs: pd.DataFrame, column: str, name: str, colour: str, value: str) -> None:
    values = _column(epochs, column)
    figure.add_scatter(
        x=epochs.loc[values.index, "epoch"] if len(values) else [],
        y=values,
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        hovertemplate=f"{t('epoch {epoch}', epoch='%{x}')}<br>{name} {value}<extra></extra>",
    )


def _over_epochs(figure: go.Figure, epochs: pd.DataFrame, title: str, legend: bool = False) -> go.Figure:
    whole = {"dtick": 1} if len(epochs) <= 10 else {"nticks": 8}
    figure.update_xaxes(title=t("epoch"), rangemode="tozero", **whole)
    return finished(figure, title, legend=legend)


def faint(colour: str, opacity: float) -> str:
    """A colour (#RRGGBB) that lets through what lies behind it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def finished(figure: go.Figure, title: str, legend: bool = False, height: int = 340, grid: str = "y") -> go.Figure:
    """What every figure ends with: its title, wrapped, a legend below if wanted, and margins that fit a phone too."""
    lines = _wrapped(title)
    height += _TITLE_LINE * (len(lines) - 1) + (34 if legend else 0)
    figure.update_layout(
        title={
            "text": "<br>".join(words.as_html(line) for line in lines),
            "font_size": 15,
            "x": 0,
            "xref": "container",
            # the top edge of a title is its first line's middle, half of which would be cut off
            "y": 1 - _TITLE_LINE / height,
            "yref": "container",
            "yanchor": "top",
        },
        height=height,
        margin={"l": 12, "r": 16, "t": 36 + _TITLE_LINE * len(lines), "b": 8},
        showlegend=legend,
        # below the plot: beside it a phone has no room, above it the title is
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "title": None,
            "traceorder": "normal",
        },
        modebar={"orientation": "v"},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(showgrid="x" in grid, automargin=True, zeroline=False)
    figure.update_yaxes(showgrid="y" in grid, automargin=True, zeroline=False)
    return figure


def align(*row: go.Figure) -> None:
    """Give figures that stand side by side the room of the longest title, so that their plots begin at one height."""
    top = max((figure.layout.margin.t for figure in row), default=0)
    for figure in row:
        height = figure.layout.height + top - figure.layout.margin.t
        figure.update_layout(height=height, margin_t=top, title_y=1 - _TITLE_LINE / height)


def _wrapped(title: str) -> list[str]:
    """The lines of a title. A Chinese character is as wide as two letters, and a line may end behind it."""
    lines, room = [""], _TITLE_WIDTH
    for piece in re.findall(rf"(?:{_WIDE}|\s*[^\s\u2e80-\uffef]+\s*|\s+){_CLOSING}*", title):
        width = sum(1 + bool(re.match(_WIDE, letter)) for letter in piece.rstrip())
        if width > room and lines[-1]:
            lines.append("")
            room = _TITLE_WIDTH
        lines[-1] += piece if lines[-1] else piece.lstrip()
        room -= width + len(piece) - len(piece.rstrip())
    return [line.rstrip() for line in lines]
