"""What a lesson of Learn is, and how its parts are drawn."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dssm_core.lessons import Measured
from lab import skeleton, words
from lab.language import t

Link = tuple[str, str, str, dict]
"""A page, the label and icon of the link to it, and the query that it is opened with."""


@dataclass(frozen=True)
class Lesson:
    """A lesson: its question, what it tells, the help of its heading, what it shows, where to read and to go on, and
    the height (pixels) of what it shows."""

    question: str
    told: str
    help: str
    show: Callable[[], None]
    source: str = ""
    links: tuple[Link, ...] = ()
    _: KW_ONLY
    height: int

    @property
    def name(self) -> str:
        """What it is found by in the page: that of what draws it, `_show_negatives` → "negatives"."""
        return self.show.__name__.removeprefix("_show_")


def announce(lesson: Lesson) -> DeltaGenerator:
    """Draw what a lesson says; returns the place for what it computes, as `skeleton.place` does."""
    st.header(lesson.question, help=lesson.help, divider="gray")
    st.markdown(f"{lesson.told} {lesson.source}")
    place = skeleton.place(lesson.name, lesson.height)
    with st.container(horizontal=True):
        for page, label, icon, query in lesson.links:
            st.page_link(page, label=label, icon=icon, query_params=query)
    return place


def announce_in_pairs(told: list[Lesson]) -> list[tuple[Lesson, DeltaGenerator]]:
    """Two beside each other; on a phone one below the other."""
    places = []
    for first in range(0, len(told), 2):
        for column, mistake in zip(st.columns(2), told[first : first + 2], strict=True):
            with column.container(border=True, height="stretch"):
                st.subheader(mistake.question, help=mistake.help)
                st.markdown(mistake.told)
                places.append((mistake, skeleton.place(mistake.name, mistake.height)))
    return places


def recall_metric(label: str, measured: Measured, help: str) -> None:
    """A recall as a number with its interval below."""
    st.metric(
        label,
        words.percent(measured["value"]),
        delta=t("95 % interval {low:.1f}–{high:.1f}", low=100 * measured["low"], high=100 * measured["high"]),
        delta_color="off",
        delta_arrow="off",
        help=help,
    )
