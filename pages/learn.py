"""Learn: the story of recall on the bundled demo, lesson by lesson, and the mistakes of the published recipe."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dssm_core.lessons import Measured, TwoWays
from dssm_core.recipe_mistakes import DROPPED
from lab import frame, learn_figures, learning, words
from lab.glossary import CONCEPTS, explain
from lab.language import t

_CHAPTER = "https://github.com/datawhalechina/fun-rec"


def main() -> None:
    frame.start("Learn")
    st.title(t("Learn"))
    st.markdown(
        t(
            "Recall picks some fifty articles out of all for each user. What makes it good or bad is shown on the "
            "bundled demo: every figure is computed here and now, so turn the knobs."
        )
    )
    with frame.plain_errors():
        # all that is read stands at once, and the figures come in one after the other
        places = [(lesson, announce(lesson)) for lesson in lessons()]
        st.header(t("Mistakes of the published recipe"))
        st.markdown(
            t(
                "The recipe that this lab starts from is the chapter on two-tower recall of [fun-rec]({link}), which "
                "has taught many. These are its slips, each with what it does to a number and the right way beside it.",
                link=_CHAPTER,
            )
        )
        places += announce_mistakes(mistakes())
        show_glossary()
        for lesson, place in places:
            with place:
                lesson.show()


@dataclass(frozen=True)
class Lesson:
    """A lesson: its question, what it tells, the help of its heading, what it shows, and where to read and to go on."""

    question: str
    told: str
    help: str
    show: Callable[[], None]
    source: str = ""
    links: tuple[tuple[str, str, str, dict], ...] = ()


def announce(lesson: Lesson) -> DeltaGenerator:
    """Draw what a lesson says; returns the place for what it computes."""
    st.header(lesson.question, help=lesson.help, divider="gray")
    st.markdown(f"{lesson.told} {lesson.source}")
    place = st.container()
    with st.container(horizontal=True):
        for page, label, icon, query in lesson.links:
            st.page_link(page, label=label, icon=icon, query_params=query)
    return place


def announce_mistakes(told: list[Lesson]) -> list[tuple[Lesson, DeltaGenerator]]:
    """Two beside each other; on a phone one below the other."""
    places = []
    for first in range(0, len(told), 2):
        for column, mistake in zip(st.columns(2), told[first : first + 2], strict=True):
            with column.container(border=True, height="stretch"):
                st.subheader(mistake.question, help=mistake.help)
                st.markdown(mistake.told)
                places.append((mistake, st.container()))
    return places


def lessons() -> list[Lesson]:
    """The story from top to bottom."""
    return [
        Lesson(
            t("What does a negative do?"),
            t(
                "Clicks alone only ever pull a user and an article together, and all vectors end up in one place. "
                "Negatives push apart what does not belong together."
            ),
            explain("negative"),
            show_negatives,
            _source("Wang & Isola, ICML 2020", "https://arxiv.org/abs/2005.10242"),
            (("pages/sampling.py", t("See what each strategy draws"), ":material/casino:", {}),),
        ),
        Lesson(
            t("Why must popularity be corrected?"),
            t(
                "In-batch negatives are other users' clicks, so a popular article is pushed away as often as it is "
                "clicked. Taking ln q off its score gives that back."
            ),
            explain("correction"),
            show_correction,
            _source("Yi et al., RecSys 2019", "https://doi.org/10.1145/3298689.3346996"),
            (_compare("in_batch", "in_batch_uncorrected", "popular"),),
        ),
        Lesson(
            t("Why do exposed-only negatives mislead?"),
            t(
                "What a user was shown and did not click had been chosen for the user: it says nothing of the rest of "
                "the pool, which recall must sort out first. The same holds of mined hard negatives alone."
            ),
            explain("hard negative"),
            show_exposed,
            _source("Huang et al., KDD 2020", "https://arxiv.org/abs/2006.11632"),
            (_compare("exposed", "uniform", "mined", "mined_alone", "popular"),),
        ),
        Lesson(
            t("What does Annoy lose?"),
            t(
                "An approximate index looks at a part of the vectors. What it does not look at is not recalled, "
                "however near: measure the share of the exact list before blaming the model."
            ),
            explain("ANN index"),
            show_annoy,
            _source("Aumüller et al., ANN-Benchmarks, 2020", "https://arxiv.org/abs/1807.05614"),
            (
                (
                    "pages/index.py",
                    t("Measure it on a run"),
                    ":material/speed:",
                    {"run": learning.runs()[learning.BEST].id},
                ),
            ),
        ),
        Lesson(
            t("How sure is a number?"),
            t(
                "Recall is a mean over the users who clicked in the test period, out of one candidate pool. So a "
                "baseline stands beside it (how easy is the pool?) and an interval (would other users agree?)."
            ),
            explain("held-out click"),
            show_evaluation,
            _source("Ferrari Dacrema et al., RecSys 2019", "https://arxiv.org/abs/1907.06902"),
            (_compare(learning.BEST, "item_knn", "popular", "random"),),
        ),
    ]


def _source(name: str, link: str) -> str:
    return f"([{name}]({link}))"


def _compare(*presets: str) -> tuple[str, str, str, dict]:
    runs = learning.runs()
    return (
        "pages/compare.py",
        t("Compare these runs"),
        ":material/balance:",
        {"compared": [runs[preset].id for preset in presets], "baseline": runs[presets[-1]].id},
    )


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


@st.fragment
def show_negatives() -> None:
    k = st.select_slider(
        t("Negatives a step"), [1, 2, 5, 10, 20, 50, 100], 20, key="learn_k", help=explain("negative"), width=420
    )
    alike, mean, recall = learning.with_negatives(0)
    apart, mean_apart, recall_apart = learning.with_negatives(k)
    frame.chart(learn_figures.cosines(alike, apart, k, (mean, mean_apart)), "learn-negatives")
    with st.container(horizontal=True):
        recall_metric(t("recall@50, no negatives"), recall, explain("collapse"))
        recall_metric(t("recall@50, {k} negatives", k=k), recall_apart, explain("recall@K"))
        recall_metric(t("recall@50, popular"), learning.stored("popular", "recall@50"), explain("baseline"))
    st.caption(
        t("Two linear towers over ids and attributes at a temperature of 0.1, trained on the demo's clicks just now."),
        help=explain("temperature"),
    )


@st.fragment
def show_correction() -> None:
    segments = {
        "article popularity": t("head, torso, tail"),
        "article in train": t("warm or cold"),
        "article age": t("age"),
    }
    with st.container(horizontal=True):
        segment = st.segmented_control(
            t("Held-out clicks by"),
            list(segments),
            default="article popularity",
            key="learn_segment",
            format_func=segments.get,
            required=True,
            help=explain("head, torso, tail"),
        )
        k = _choose_k("learn_correction_k")
    two = ("in_batch", "in_batch_uncorrected")
    table = learning.by_segment(two, segment, k)
    frame.chart(
        learn_figures.correction(table, dict(zip(two, two, strict=True)), segment, f"recall@{k}"), "learn-correction"
    )
    measures = {
        "popularity_percentile": (t("popularity percentile"), explain("popularity percentile"), ".0%"),
        "coverage": (t("coverage"), explain("coverage"), ".0%"),
        "gini": ("Gini", explain("Gini"), ".2f"),
        "novelty": (t("novelty (bits)"), explain("novelty"), ".1f"),
    }
    with st.container(horizontal=True):
        for metric, (label, help, form) in measures.items():
            with_, without = (learning.stored(preset, f"{metric}@{k}")["value"] for preset in two)
            st.metric(
                label,
                format(without, form),
                delta=t("with the correction {value}", value=format(with_, form)),
                delta_color="off",
                delta_arrow="off",
                help=help,
            )
    st.caption(t("The numbers are those of the lists without the correction."), help=explain("in-batch"))


def _choose_k(key: str) -> int:
    return st.segmented_control(
        t("Length of the list, K"), [10, 20, 50], default=50, key=key, required=True, help=explain("recall@K")
    )


@st.fragment
def show_exposed() -> None:
    with st.container(horizontal=True):
        baseline = st.segmented_control(
            t("Compared with"),
            ["uniform", "in_batch", "popular"],
            default="uniform",
            key="learn_baseline",
            required=True,
            help=explain("paired difference"),
        )
        k = _choose_k("learn_exposed_k")
    metric = f"recall@{k}"
    presets = ("uniform", "in_batch", "mined", "exposed", "mined_alone", "popular")
    apart = learning.difference("exposed", baseline, metric)
    frame.chart(
        learn_figures.hard_alone(
            _rows({name: learning.stored(name, metric) for name in presets}), metric, apart, baseline
        ),
        "learn-exposed",
    )
    st.caption(
        t(
            "exposed: the user's own exposures without a click. mined: an earlier run's ranks 51 to 300, alone or "
            "blended in."
        ),
        help=explain("exposure"),
    )


def _rows(measured: dict[str, Measured]) -> pd.DataFrame:
    """Presets with a number each as `figures.metric_dots` draws them, best first."""
    rows = [{"id": name, "run": name, "preset": name, **one} for name, one in measured.items()]
    return pd.DataFrame(rows).sort_values("value", ascending=False, ignore_index=True)


@st.fragment
def show_annoy() -> None:
    trees = st.select_slider(t("Trees"), [1, 5, 10, 20], 10, key="learn_trees", help=explain("ANN index"), width=420)
    k = 10
    search_ks = tuple(sorted({10, 30, 100, 300, trees * k}))
    table = learning.annoy(trees, k, search_ks)
    exact = learning.stored(learning.BEST, f"recall@{k}")["value"]
    frame.chart(learn_figures.annoy(table, trees, k, exact), "learn-annoy")
    st.caption(
        t(
            "Annoy's own default for search_k is trees × K. The pool of the demo has {pool:,} articles: the larger the "
            "pool, the more the same settings lose.",
            pool=len(learning.log().split.pool),
        ),
        help=explain("candidate pool"),
    )


@st.fragment
def show_evaluation() -> None:
    most = len(learning.log().users)
    users = st.slider(
        t("Users measured"), 25, most, 100, 25, key="learn_users", help=explain("95 % interval"), width=420
    )
    presets = (learning.BEST, "item_knn", "popular", "random")
    each, apart = learning.with_fewer_users(presets, learning.LONGEST, users)
    frame.chart(learn_figures.fewer_users(_rows(each), "recall@50", users, apart, presets[:2]), "learn-evaluation")
    facts = learning.facts()
    with st.container(horizontal=True):
        st.metric(t("held-out clicks"), f"{facts['held_out_clicks']:,}", help=explain("held-out click"))
        st.metric(t("in the candidate pool"), words.percent(facts["in_pool_share"]), help=explain("candidate pool"))
        st.metric(t("warm share"), words.percent(facts["warm_share"]), help=explain("warm share"))
        st.metric(
            t("50 of the pool at random"), words.percent(learning.LONGEST / facts["pool"]), help=explain("baseline")
        )


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
            show_dropped,
        ),
        Lesson(
            t("A cache ignores its parameters"),
            t(
                "The drawn negatives are kept in one file, and whenever it is there it is read, whatever number of "
                "negatives or days is asked for. Right: what was asked for is part of the name."
            ),
            explain("negative"),
            show_cache,
        ),
        Lesson(
            t("Encoder numbers are shifted on one side"),
            t(
                "The profiles' numbers start at 1 (the encoder's, plus one), those of the log at 0, and the two are "
                "joined: every click meets the attributes of the user and the article before its own. Right: add one "
                "on both sides."
            ),
            explain("cold article"),
            show_shifted,
        ),
        Lesson(
            t("Scaling is fitted on the test too"),
            t(
                "Title length and picture count are put to 0..1 by the smallest and largest value of train and test "
                "together. Right: by those of train alone."
            ),
            explain("leakage"),
            show_scaling,
        ),
        Lesson(
            t("Lists are ordered farthest first"),
            t(
                "Annoy returns distances, nearest first. The chapter sorts them from large to small, as one sorts "
                "scores. The fifty articles stay the same, so recall@50 cannot see it: a shorter cut can."
            ),
            explain("NDCG"),
            show_farthest,
        ),
        Lesson(
            t("Distances are handed on as similarities"),
            t(
                "The lists are stored with those distances as scores. A next stage that merges channels by score, as "
                "the book's own does, prefers the farthest article of each list. Right: cosine = 1 − d² / 2."
            ),
            explain("recall stage"),
            show_distances,
        ),
    ]


def two_ways(found: TwoWays, k: int) -> None:
    """A recall with the mistake and without, and the difference in a sentence that leads."""
    points = {name: 100 * found.difference[name] for name in ("value", "low", "high")}
    if points["low"] == points["high"] == 0:
        st.markdown("**" + t("No effect on recall@{k}.", k=k) + "**")
    elif points["low"] <= 0 <= points["high"]:
        told = t("Not told apart by recall@{k}: {value:+.1f} points ({low:+.1f} to {high:+.1f}).", k=k, **points)
        st.markdown(f"**{told}**")
    else:
        told = t(
            "It costs {lost:.1f} points of recall@{k} ({least:.1f} to {most:.1f}).",
            k=k,
            lost=-points["value"],
            least=-points["high"],
            most=-points["low"],
        )
        st.markdown(f"**{told}**")
    with st.container(horizontal=True):
        recall_metric(t("as published"), found.mistaken, explain("paired difference"))
        recall_metric(t("the right way"), found.right, explain("95 % interval"))


@st.fragment
def show_dropped() -> None:
    dropped = st.slider(t("Clicks dropped"), 5, 40, DROPPED, 5, key="learn_dropped", width=420)
    table = learning.own_click_shares(dropped)
    some = table[table["clicks"] >= dropped]
    told = t(
        "{users} of {all} are touched; of their negatives {share:.1%} are articles that they clicked.",
        users=words.counted(len(some), "user"),
        all=f"{len(table):,}",
        share=some["share"].mean() if len(some) else 0.0,
    )
    st.markdown(f"**{told}**")
    with st.container(horizontal=True):
        st.metric(
            t("as published, of all negatives"),
            f"{table['share'].mean():.2%}",
            help=explain("false negative"),
        )
        st.metric(t("the right way"), "0.00%", help=explain("positive"))
    st.caption(t("Expected shares, exactly, where negatives are drawn by popularity rank as in the chapter."))


@st.fragment
def show_cache() -> None:
    k = st.select_slider(
        t("Negatives asked for, after a first run with 1"), [1, 5, 20, 50], 50, key="learn_cached", width=420
    )
    two_ways(learning.cached(k), learning.LONGEST)


@st.fragment
def show_shifted() -> None:
    found, wrong = learning.shifted_numbers()
    two_ways(found, learning.LONGEST)
    st.caption(
        t(
            "{share:.1%} of the exposures get another category than their article's. Linear towers, 20 negatives.",
            share=wrong,
        ),
        help=explain("two-tower model"),
    )


@st.fragment
def show_scaling() -> None:
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
def show_farthest() -> None:
    k = st.select_slider(t("The list is cut at"), [5, 10, 20, 30, 40, 50], 10, key="learn_farthest", width=420)
    two_ways(learning.farthest_first(k), k)
    nearest, farthest = learning.order_metrics()
    with st.container(horizontal=True):
        for metric, help in (
            ("ndcg@50", explain("NDCG")),
            ("mrr@50", explain("MRR")),
            ("hit@50", explain("hit@K")),
            ("precision@50", explain("precision@K")),
        ):
            st.metric(
                metric,
                f"{farthest[metric]:.3f}",
                delta=t("the right way {value:.3f}", value=nearest[metric]),
                delta_color="off",
                delta_arrow="off",
                help=help,
            )


@st.fragment
def show_distances() -> None:
    k = st.select_slider(t("Articles kept after the merge"), [10, 20, 50], 20, key="learn_merged", width=420)
    two_ways(learning.distances_as_scores(k), k)
    st.caption(
        t("The lists of {run} merged with those of item_knn, scores put to 0..1 a list and summed.", run=learning.BEST)
    )


def show_glossary() -> None:
    st.header(t("Glossary"), divider="gray")
    for name, concept in sorted(CONCEPTS.items(), key=lambda item: item[0].lower()):
        st.markdown(f"**{t(name)}** · {t(concept.text)} ([{concept.source}]({concept.link}))")


main()
