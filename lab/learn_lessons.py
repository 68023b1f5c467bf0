"""The lessons of Learn: the story of recall from top to bottom, each with a control and a figure."""

import pandas as pd
import streamlit as st

from dssm_core.lessons import Measured
from lab import frame, learn_figures, learning, words
from lab.glossary import explain
from lab.language import t
from lab.learn_parts import Lesson, Link, recall_metric


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
            _show_negatives,
            _source("Wang & Isola, ICML 2020", "https://arxiv.org/abs/2005.10242"),
            (("pages/sampling.py", t("See what each strategy draws"), ":material/casino:", {}),),
            height=643,
        ),
        Lesson(
            t("Why must popularity be corrected?"),
            t(
                "In-batch negatives are other users' clicks, so a popular article is pushed away as often as it is "
                "clicked. Taking ln q off its score gives that back."
            ),
            explain("correction"),
            _show_correction,
            _source("Yi et al., RecSys 2019", "https://doi.org/10.1145/3298689.3346996"),
            (_compare("in_batch", "in_batch_uncorrected", "popular"),),
            height=627,
        ),
        Lesson(
            t("Why do exposed-only negatives mislead?"),
            t(
                "What a user was shown and did not click had been chosen for the user: it says nothing of the rest of "
                "the pool, which recall must sort out first. The same holds of mined hard negatives alone."
            ),
            explain("hard negative"),
            _show_exposed,
            _source("Huang et al., KDD 2020", "https://arxiv.org/abs/2006.11632"),
            (_compare("exposed", "uniform", "mined", "mined_alone", "popular"),),
            height=438,
        ),
        Lesson(
            t("What does Annoy lose?"),
            t(
                "An approximate index looks at a part of the vectors. What it does not look at is not recalled, "
                "however near: measure the share of the exact list before blaming the model."
            ),
            explain("ANN index"),
            _show_annoy,
            _source("Aumüller et al., ANN-Benchmarks, 2020", "https://arxiv.org/abs/1807.05614"),
            (
                (
                    "pages/index.py",
                    t("Measure it on a run"),
                    ":material/speed:",
                    {"run": learning.runs()[learning.BEST].id},
                ),
            ),
            height=536,
        ),
        Lesson(
            t("How sure is a number?"),
            t(
                "Recall is a mean over the users who clicked in the test period, out of one candidate pool. So a "
                "baseline stands beside it (how easy is the pool?) and an interval (would other users agree?)."
            ),
            explain("held-out click"),
            _show_evaluation,
            _source("Ferrari Dacrema et al., RecSys 2019", "https://arxiv.org/abs/1907.06902"),
            (_compare(learning.BEST, "item_knn", "popular", "random"),),
            height=430,
        ),
    ]


def _source(name: str, link: str) -> str:
    return f"([{name}]({link}))"


def _compare(*presets: str) -> Link:
    runs = learning.runs()
    return (
        "pages/compare.py",
        t("Compare these runs"),
        ":material/balance:",
        {"compared": [runs[preset].id for preset in presets], "baseline": runs[presets[-1]].id},
    )


@st.fragment
def _show_negatives() -> None:
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
def _show_correction() -> None:
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
def _show_exposed() -> None:
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
def _show_annoy() -> None:
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
def _show_evaluation() -> None:
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
