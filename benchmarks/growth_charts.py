"""Two charts of how cost grows, relative to that at the smallest size; drawn by Plotly in headless Chromium."""

import math
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lab import palette

CHARTS = {
    "articles": ("growth_articles.svg", "articles in the catalogue", "the catalogue"),
    "rows": ("growth_rows.svg", "rows of the log", "the log"),
}
"""What grows → file, the axis' words, and what the grey line grows with."""
_FONT = "DejaVu Sans, Verdana, sans-serif"
_SVG = "data:image/svg+xml,"


def draw_growth(points: list[dict], folder: Path) -> None:
    """Write the charts of what `benchmarks.growth` told; without points or a Chromium there are none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if points and not chromium:
        print("no growth charts: there is no chromium on this machine", file=sys.stderr)
    if not points or not chromium:
        return
    figures = {file: growth(points, of) for of, (file, *_) in CHARTS.items()}
    for file, svg in drawn(figures, chromium).items():
        (folder / file).write_text(svg, encoding="utf-8")


def growth(points: list[dict], of: str) -> go.Figure:
    """The cost of each step against the number of `of`, both axes logarithmic, with a line of what grows in proportion.

    `points`: dicts of growth (what grows), cost (its name), unit, size and value.
    """
    _, axis, whole = CHARTS[of]
    lines = {}
    for point in sorted((p for p in points if p["growth"] == of), key=lambda p: p["size"]):
        lines.setdefault((point["cost"], point["unit"]), {})[point["size"]] = point["value"]
    sizes = sorted({size for line in lines.values() for size in line})
    figure = go.Figure()
    proportional = [size / sizes[0] for size in sizes]
    figure.add_scatter(
        x=sizes, y=proportional, mode="lines", line={"color": palette.GREY, "dash": "dash", "width": 1.5}
    )
    labels = [(proportional[-1], f"in proportion to {whole}", palette.GREY)]
    for ((cost, unit), line), colour in zip(lines.items(), palette.HUES, strict=False):
        first, last = line[min(line)], line[max(line)]
        relative = [value / first for value in line.values()]
        figure.add_scatter(
            x=list(line),
            y=relative,
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 8},
        )
        labels.append((relative[-1], f"<b>{cost}</b> {first:.3g} → {last:.3g} {unit}", colour))
    _put_labels(figure, labels)
    figure.update_xaxes(
        type="log", title=axis, tickvals=sizes, ticktext=[f"{size:,}" for size in sizes], domain=[0, 0.56]
    )
    figure.update_yaxes(type="log", title=f"cost, relative to {sizes[0]:,} {of}", dtick=1, gridcolor="#DDE3EA")
    return figure.update_layout(
        title={"text": says_growth(lines, sizes, of), "x": 0.02, "font": {"size": 17}},
        template="plotly_white",
        font={"family": _FONT, "size": 13, "color": "#22303C"},
        width=1000,
        height=520,
        margin={"l": 80, "r": 20, "t": 80, "b": 60},
        showlegend=False,
    )


def says_growth(lines: dict[tuple[str, str], dict[int, float]], sizes: list[int], of: str) -> str:
    """The sentence over a chart: which step grows most and which least."""
    times = {cost: line[max(line)] / line[min(line)] for (cost, _), line in lines.items()}
    most, least = max(times, key=times.get), min(times, key=times.get)
    return (
        f"At {sizes[-1] / sizes[0]:,.0f} times the {of}, the cost of {least} is {times[least]:,.1f} times as high "
        f"and that of {most} {times[most]:,.0f} times"
    )


def _put_labels(figure: go.Figure, labels: list[tuple[float, str, str]], apart: float = 0.065) -> None:
    """Name each line at its end, from the top down, moved apart where two would overlap."""
    highest = max(value for value, *_ in labels)
    lowest = min(1.0, min(value for value, *_ in labels))
    span = math.log10(highest / lowest) or 1
    bottom = 2.0
    for value, text, colour in sorted(labels, reverse=True):
        place = min(math.log10(value / lowest) / span * 0.94 + 0.03, bottom - apart)
        bottom = place
        figure.add_annotation(
            x=0.58,
            xref="paper",
            xanchor="left",
            y=place,
            yref="paper",
            text=text,
            font={"color": colour},
            showarrow=False,
        )
    figure.update_yaxes(range=[math.log10(lowest) - 0.03 * span / 0.94, math.log10(highest) + 0.03 * span / 0.94])


def drawn(figures: dict[str, go.Figure], chromium: str) -> dict[str, str]:
    """Each figure as an SVG document, by its name."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.add_script_tag(content=get_plotlyjs())
        svgs = {name: _svg(page, figure) for name, figure in figures.items()}
        browser.close()
    return svgs


def _svg(page, figure: go.Figure) -> str:
    size = {"format": "svg", "width": figure.layout.width, "height": figure.layout.height}
    return unquote(page.evaluate(f"Plotly.toImage({figure.to_json()}, {size})").removeprefix(_SVG))
