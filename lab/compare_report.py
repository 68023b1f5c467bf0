"""A whole comparison as one HTML file that needs nothing else: figures that can be zoomed, and the tables."""

import html
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; max-width: 1060px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; font-size: 13px; margin: 1.2em 0; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #d5dbe1; padding: 4px 10px; text-align: left; white-space: nowrap }
h2 { margin-top: 2em }
"""

_SETTINGS = {"displaylogo": False, "typesetMath": False}

Part = tuple[str, list[str], list[go.Figure | pd.DataFrame]]
"""A heading, the sentences below it, and the figures and tables that follow."""


def page(title: str, parts: list[Part]) -> str:
    """The file's text. Headings, sentences and cells are escaped; figures were escaped where they were made.

    Plotly's script is inlined once, so that the file works without a network (4 to 5 MB).
    """
    made = f"{datetime.now():%Y-%m-%d %H:%M}"
    body = "".join(_part(*part, number) for number, part in enumerate(parts))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><h1>{html.escape(title)}</h1><p>Made by the recall lab, {made}.</p>{body}</body></html>"
    )


def _part(heading: str, sentences: list[str], shown: list[go.Figure | pd.DataFrame], number: int) -> str:
    text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    return f"<h2>{html.escape(heading)}</h2>{text}" + "".join(
        _shown(one, f"part-{number}-{place}") for place, one in enumerate(shown)
    )


def _shown(one: go.Figure | pd.DataFrame, id: str) -> str:
    if isinstance(one, pd.DataFrame):
        return one.to_html(index=False, escape=True, na_rep="–", border=0)
    return one.to_html(full_html=False, include_plotlyjs=False, div_id=id, config=_SETTINGS)
