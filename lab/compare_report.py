"""A whole comparison as one HTML file that needs nothing else: figures that can be zoomed, and the tables."""

import html
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from dssm_core.segments import Segment
from lab import compare_figures, comparing, figures, filters, language, tables, words
from lab.comparing import Comparison
from lab.language import chosen, t

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; max-width: 1060px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; font-size: 13px; margin: 1.2em 0; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #d5dbe1; padding: 4px 10px; text-align: left; white-space: nowrap }
h2 { margin-top: 2em }
"""

_SETTINGS = {"displaylogo": False, "typesetMath": False}

Part = tuple[str, list[str], list[go.Figure | pd.DataFrame]]
"""A heading, the sentences below it, and the figures and tables that follow."""


def made(comparison: Comparison, baseline: str, k: int, spoken: str) -> str:
    """Every view in one file's text, in the language `spoken`."""
    with language.speaking(spoken):
        return page(t("Comparison of recall runs"), _parts(comparison, baseline, k))


def page(title: str, parts: list[Part]) -> str:
    """The file's text. Headings, sentences and cells are escaped; figures were escaped where they were made.

    Plotly's script is inlined once, so that the file works without a network (4 to 5 MB).
    """
    made = t("Made by the recall lab, {when:%Y-%m-%d %H:%M}.", when=datetime.now())
    body = "".join(_part(*part, number) for number, part in enumerate(parts))
    return (
        f'<!doctype html><html lang="{chosen()}"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><h1>{html.escape(title)}</h1><p>{made}</p>{body}</body></html>"
    )


def _parts(comparison: Comparison, baseline: str, k: int) -> list[Part]:
    metric, names = f"recall@{k}", comparison.names
    board, single = comparing.leaderboard(comparison, baseline, metric)
    others = [comparing.leaderboard(comparison, baseline, name)[0] for name in comparing.metrics_of(k)[1:]]
    readable = [
        tables.readable(table, name, names[baseline])
        for table, name in zip([board, *others], comparing.metrics_of(k), strict=True)
    ]
    rows, _ = comparing.configs(comparison)
    parts: list[Part] = [
        (t("What was compared"), _told(comparison, baseline), []),
        (
            t("Leaderboard"),
            comparing.says_intervals(board),
            [compare_figures.leaderboard(board, single, metric), *readable],
        ),
        (t("Recall by length of the list"), [], [compare_figures.curves(comparing.curves(comparison), True)]),
        (t("Why clicks were missed"), [], [compare_figures.reasons(comparing.reasons(comparison, k), "run", k)]),
        (
            t("By kind of article, difference from the baseline run"),
            [],
            [
                compare_figures.matrix(
                    comparing.matrix(comparison, group, baseline, k), names[group], names[baseline], metric
                )
                for group in names
                if group != baseline
            ],
        ),
        (
            t("By segment"),
            [],
            [_segment_figure(comparison, segment, k) for segment in comparing.segments(comparison)],
        ),
        (
            t("Popularity of what is recalled"),
            [],
            [compare_figures.popularity(comparing.popularity(comparison, k), names, comparison.presets, k)],
        ),
    ]
    if len(names) > 1:
        parts.append((t("Overlap"), [], [figures.overlap(comparing.overlap(comparison, k), k)]))
    epochs = comparing.epochs(comparison)
    if len(epochs):
        drawn = [compare_figures.hardness(epochs), compare_figures.false_negatives(epochs)]
        parts.append((t("Negatives over epochs"), [], drawn))
    parts.append((t("What differs in the configs"), [] if len(rows) else [t("Nothing.")], [rows] if len(rows) else []))
    return parts


def _segment_figure(comparison: Comparison, segment: Segment, k: int) -> go.Figure:
    table, named = comparing.by_segment(comparison, segment, k), comparing.segment_name(segment.name)
    return figures.segments(table, comparison.presets, named, f"recall@{k}")


def _told(comparison: Comparison, baseline: str) -> list[str]:
    """On what the runs were compared."""
    clicks = comparison.held_out(comparison.runs[0])
    sentences = [
        t(
            "Dataset {dataset}; baseline run {baseline}; {clicks} of {users}; runs {runs}.",
            dataset=comparison.dataset.name or comparison.dataset.id,
            baseline=comparison.names[baseline],
            clicks=words.counted(len(clicks), "held-out click"),
            users=words.counted(clicks["user"].nunique(), "user"),
            runs=", ".join(run.id for run in comparison.runs),
        )
    ]
    if comparison.filtered:
        described = filters.described(comparison.user_values, comparison.article_values)
        sentences.append(t("Filtered by {filters}.", filters=described))
    return sentences + ([t("Narrowed to what all runs share.")] if comparison.narrow else [])


def _part(heading: str, sentences: list[str], shown: list[go.Figure | pd.DataFrame], number: int) -> str:
    text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    return f"<h2>{html.escape(heading)}</h2>{text}" + "".join(
        _shown(one, f"part-{number}-{place}") for place, one in enumerate(shown)
    )


def _shown(one: go.Figure | pd.DataFrame, id: str) -> str:
    if isinstance(one, pd.DataFrame):
        return one.to_html(index=False, escape=True, na_rep="–", border=0)
    return one.to_html(full_html=False, include_plotlyjs=False, div_id=id, config=_SETTINGS)
