"""The mistakes of the published recipe, each by what it does to a number, with the right way beside it."""

import pandas as pd
import streamlit as st

from dssm_core.lessons import Measured, TwoWays, measured
from dssm_core.recipe_mistakes import DROPPED
from lab import learning, words
from lab.glossary import explain, explain_each
from lab.language import t
from lab.learn_parts import Lesson, recall_metric


def mistakes() -> list[Lesson]:
    """The slips of the published recipe, as they follow each other there."""
    return [
        Lesson(
            t("The first 30 clicks are dropped from the exclusion list"),
            t(
                "Negatives must not be articles that the user clicked. For users with 30 clicks or more the chapter "
                "keeps only the clicks after the 30th in the list of what may not be drawn. Right: all of them."
            ),
            explain("false negative"),
            _show_dropped,
            height=276,
        ),
        Lesson(
            t("A cache ignores its parameters"),
            t(
                "The drawn negatives are kept in one file, and whenever it is there it is read, whatever number of "
                "negatives or days is asked for. Right: what was asked for is part of the name."
            ),
            explain("negative"),
            _show_cache,
            height=217,
        ),
        Lesson(
            t("Encoder numbers are shifted on one side"),
            t(
                "The profiles' numbers start at 1 (the encoder's, plus one), those of the log at 0, and the two are "
                "joined: every click meets the attributes of the user and the article before its own. Right: add one "
                "on both sides."
            ),
            explain("cold article"),
            _show_shifted,
            height=193,
        ),
        Lesson(
            t("Scaling is fitted on the test too"),
            t(
                "Title length and picture count are put to 0..1 by the smallest and largest value of train and test "
                "together. Right: by those of train alone."
            ),
            explain("leakage"),
            _show_scaling,
            height=215,
        ),
        Lesson(
            t("Lists are ordered farthest first"),
            t(
                "Annoy returns distances, nearest first. The chapter sorts them from large to small, as one sorts "
                "scores. The fifty articles stay the same, so recall@50 cannot see it: a shorter cut can."
            ),
            explain("NDCG"),
            _show_farthest,
            height=431,
        ),
        Lesson(
            t("Distances are handed on as similarities"),
            t(
                "The lists are stored with those distances as scores. A next stage that merges channels by score, as "
                "the book's own does, prefers the farthest article of each list. Right: cosine = 1 − d² / 2."
            ),
            explain("recall stage"),
            _show_distances,
            height=277,
        ),
    ]


def _two_ways(found: TwoWays, k: int) -> None:
    """A recall with the mistake and without, and the difference in a sentence that leads."""
    points = {name: 100 * found.difference[name] for name in ("value", "low", "high")}
    if points["low"] == points["high"] == 0:
        st.markdown("**" + t("No effect on recall@{k}.", k=k) + "**")
    elif points["low"] <= 0 <= points["high"]:
        told = t("Not told apart by recall@{k}: {value:+.1f} points ({low:+.1f} to {high:+.1f}).", k=k, **points)
        st.markdown(f"**{told}**")
    else:
        st.markdown(f"**{_says_apart(points, k)}**")
    with st.container(horizontal=True):
        recall_metric(t("as published"), found.mistaken, explain("paired difference"))
        recall_metric(t("the right way"), found.right, explain("95 % interval"))


def _says_apart(points: dict[str, float], k: int) -> str:
    """What a mistake costs or gains, of its difference in points whose interval leaves out 0."""
    least, most = sorted((abs(points["low"]), abs(points["high"])))
    told = {"points": abs(points["value"]), "k": k, "least": least, "most": most}
    if points["value"] > 0:
        return t("It gains {points:.1f} points of recall@{k} ({least:.1f} to {most:.1f}).", **told)
    return t("It costs {points:.1f} points of recall@{k} ({least:.1f} to {most:.1f}).", **told)


@st.fragment
def _show_dropped() -> None:
    dropped = st.slider(t("Clicks dropped"), 5, 40, DROPPED, 5, key="learn_dropped", width=420)
    table = learning.own_click_shares(dropped)
    some = table[table["clicks"] >= dropped]
    told = t(
        "{users} of {all} are touched; of their negatives {share} are articles that they clicked.",
        users=words.counted(len(some), "user"),
        all=f"{len(table):,}",
        share=words.interval(measured(some["share"])[0]) if len(some) else "0%",
    )
    st.markdown(f"**{told}**")
    with st.container(horizontal=True):
        share = words.fine_interval(*measured(table["share"])[0].values())
        st.metric(t("as published, of all negatives"), share, help=explain("false negative"))
        st.metric(t("the right way"), "0.00%", help=explain("positive"))
    st.caption(t("Expected shares, exactly, where negatives are drawn by popularity rank as in the chapter."))


@st.fragment
def _show_cache() -> None:
    k = st.select_slider(
        t("Negatives asked for, after a first run with 1"), [1, 5, 20, 50], 50, key="learn_cached", width=420
    )
    _two_ways(learning.cached(k), learning.LONGEST)


@st.fragment
def _show_shifted() -> None:
    found, wrong = learning.shifted_numbers()
    _two_ways(found, learning.LONGEST)
    st.caption(
        t(
            "{share:.1%} of the exposures get another category than their article's. Linear towers, 20 negatives.",
            share=wrong,
        ),
        help=explain("two-tower model"),
    )


@st.fragment
def _show_scaling() -> None:
    extra = st.select_slider(
        t("Letters of one more title in the test"), [0, 50, 100, 200, 500], 0, key="learn_title", width=420
    )
    train, test, filled = learning.title_scale(extra)
    if filled == 1:
        told = t(
            "No effect on the demo: the longest title has {train} letters in train and {test} in the test.",
            train=train,
            test=test,
        )
    else:
        told = t(
            "One title of {letters} letters in the test squeezes train into {filled:.0%} of the scale.",
            letters=extra,
            filled=filled,
        )
    st.markdown(f"**{told}**")
    with st.container(horizontal=True):
        st.metric(t("as published"), f"{filled:.0%}", help=explain("leakage"))
        st.metric(t("the right way"), "100%")


@st.fragment
def _show_farthest() -> None:
    k = st.select_slider(t("The list is cut at"), [5, 10, 20, 30, 40, 50], 10, key="learn_farthest", width=420)
    _two_ways(learning.farthest_first(k), k)
    nearest, farthest = learning.order_metrics(_ORDERED)
    ways = {t("as published"): farthest, t("the right way"): nearest}
    rows = {way: [_with_ends(found[metric]) for metric in _ORDERED] for way, found in ways.items()}
    st.table(pd.DataFrame({t("metric"): _ORDERED, **rows}), hide_index=True)
    about = explain_each("NDCG", "MRR", "hit@K", "precision@K", "95 % interval")
    st.caption(t("Means over users; in brackets: 95 % intervals."), help=about)


_ORDERED = ("ndcg@50", "mrr@50", "hit@50", "precision@50")
"""The metrics that are shown of lists in both orders."""


def _with_ends(one: Measured) -> str:
    """A metric with its 95 % interval: "0.123 (0.110–0.136)"."""
    return f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})"


@st.fragment
def _show_distances() -> None:
    k = st.select_slider(t("Articles kept after the merge"), [10, 20, 50], 20, key="learn_merged", width=420)
    _two_ways(learning.distances_as_scores(k), k)
    st.caption(
        t("The lists of {run} merged with those of item_knn, scores put to 0..1 a list and summed.", run=learning.BEST)
    )
