"""Figures of how a log was read."""

import plotly.graph_objects as go

from lab import figures, palette, words
from lab.language import t

_NEAR_THE_END = 0.5


def funnel(counts: dict, table: str) -> go.Figure:
    """From the rows of a table, reason by reason, to those that were accepted; `counts` as the report has them.

    `counts`: {"rows_in", "accepted", "set_aside": {reason: n}}. Each bar begins where the one above it ends.
    """
    rows_in, reasons = counts["rows_in"], {reason: n for reason, n in counts["set_aside"].items() if n}
    left, ends = rows_in, []
    for n in reasons.values():
        left -= n
        ends.append(left)
    labels = [t("rows in"), *map(t, reasons), t("accepted")]
    starts, widths = [0, *ends, 0], [rows_in, *reasons.values(), counts["accepted"]]
    colours = [palette.BLUE, *[palette.ORANGE] * len(reasons), palette.GREEN]
    figure = go.Figure(
        go.Bar(
            y=[words.as_html(label) for label in labels],
            x=widths,
            base=starts,
            orientation="h",
            # a line, so that a dozen rows of a million can be seen
            marker={"color": colours, "line": {"color": colours, "width": 2}},
            hovertemplate=t("{reason}: {rows} rows", reason="%{y}", rows="%{x:,}") + "<extra></extra>",
            showlegend=False,
        )
    )
    for label, start, width in zip(labels, starts, widths, strict=True):
        _write_count(figure, label, start, width, rows_in)
    figure.update_xaxes(
        title=t("rows of {table}", table=t(table)), range=[0, rows_in * 1.02], tickformat=",d", nticks=6
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figures.finished(figure, says_read(counts, table), height=120 + 38 * len(labels), grid="x")


def _write_count(figure: go.Figure, label: str, start: int, width: int, rows_in: int) -> None:
    """A bar's count: inside a wide bar, beside a narrow one, on the side where there is room."""
    text = f"{width:,} ({words.share(width, rows_in)})"
    wide = width > 0.4 * rows_in
    at_end = start > _NEAR_THE_END * rows_in
    figure.add_annotation(
        x=start if wide or at_end else start + width,
        y=words.as_html(label),
        text=text,
        showarrow=False,
        xanchor="left" if wide or not at_end else "right",
        xshift=6 if wide or not at_end else -6,
        font={"color": "white"} if wide else None,
    )


def says_read(counts: dict, table: str) -> str:
    """How much of a table was accepted, and what most of the rest fell to."""
    rows_in, accepted = counts["rows_in"], counts["accepted"]
    if not rows_in or accepted == rows_in:
        return t("All {rows:,} rows of {table} were accepted", rows=rows_in, table=t(table))
    worst = max(counts["set_aside"], key=counts["set_aside"].get)
    return t(
        "{share} of the {rows:,} rows of {table} were accepted; most of the others: {reason}",
        share=words.share(accepted, rows_in),
        rows=rows_in,
        table=t(table),
        reason=t(worst),
    )
