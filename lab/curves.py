"""The curves of a training, and what it had to say beside them."""

import pandas as pd
import streamlit as st

from dssm_core.runs import Run
from lab import figures, frame, tables, words
from lab.language import t, told

_HEIGHTS = (374, 374, 340, 340)
"""Pixels of the four charts, which are kept free from the start, so that nothing jumps as they come."""


def show(run: Run, at_work: bool = False) -> None:
    """Loss, validation recall, scores and health of a run; `at_work`: with places for those that are still to come."""
    events = run.events()
    show_notes(events)
    drawn = _figures(events)
    for row in (list(drawn.values())[:2], list(drawn.values())[2:]):
        figures.align(*row)
    if at_work and not drawn:
        st.caption(t("Curves show once the first steps are done. A process takes some seconds to load its libraries."))
    grid = [*st.columns(2), *st.columns(2)]
    for place, column in enumerate(grid if at_work or drawn else []):
        with column:
            if place < len(drawn):
                name, figure = list(drawn.items())[place]
                frame.chart(figure, f"{name}-{run.id}")
            elif at_work:
                st.skeleton(height=_HEIGHTS[place])


def show_notes(events: list[dict]) -> None:
    """What a run had to say beside its figures, such as which baseline is left out and why."""
    for note in dict.fromkeys(event["note"] for event in events if event["type"] == "note"):
        st.caption(words.as_markdown(told(note)))


def _figures(events: list[dict]) -> dict:
    epochs = pd.DataFrame([event for event in events if event["type"] == "epoch"])
    steps = tables.step_losses(events)
    if steps.empty and epochs.empty:
        return {}
    drawn = {"loss": figures.losses(epochs, steps), "validation-recall": figures.validation_recall(epochs)}
    if len(epochs) and isinstance(epochs.iloc[-1].get("positive_scores"), dict):
        drawn["scores"] = figures.scores(epochs["positive_scores"].iloc[-1], epochs["negative_scores"].iloc[-1])
    if len(epochs):
        drawn["health"] = figures.health(epochs)
    return drawn
