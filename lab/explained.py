"""Each strategy for people: the formula of q(a), what it draws, what it does beyond, and where it comes from."""

from dataclasses import dataclass

_YI = ("Yi et al., Sampling-bias-corrected neural modeling, RecSys 2019", "https://doi.org/10.1145/3298689.3346996")
_HUANG = ("Huang et al., Embedding-based retrieval in Facebook search, KDD 2020", "https://arxiv.org/abs/2006.11632")
_FUNREC = ("Datawhale, fun-rec, the chapter on DSSM recall", "https://github.com/datawhalechina/fun-rec")
_CLICKED = r"q(a) = \frac{c(a)}{\sum_{b} c(b)}"
_BY_RANK = r"\frac{\ln(r+2) - \ln(r+1)}{\ln(|C|+1)}"


@dataclass(frozen=True)
class Explanation:
    """A strategy explained.

    `formula` is TeX of the probability of one draw. `text` says what is drawn. `beyond` says what training does on top
    that draws alone do not show, or "". `source` is the paper, `link` where to read it.
    """

    formula: str
    text: str
    source: str
    link: str
    beyond: str = ""


EXPLAINED: dict[str, Explanation] = {
    "uniform": Explanation(
        r"q(a) = \frac{1}{|C|}",
        "Every article of the pool C has the same chance. Most are easy to tell from the clicked one; close to what "
        "recall meets when it serves.",
        *_HUANG,
    ),
    "popularity": Explanation(
        r"q(a) = \frac{n(a)^{\alpha}}{\sum_{b} n(b)^{\alpha}}",
        "The more often an article was exposed, n(a), the more often it is drawn; α below 1 flattens that, α = 0 is "
        "uniform over the exposed articles.",
        "Mikolov et al., Distributed representations of words and phrases, NeurIPS 2013",
        "https://arxiv.org/abs/1310.4546",
    ),
    "ralm": Explanation(
        rf"q(a) = {_BY_RANK}",
        "Log-uniform by popularity rank, r = 0 for the most exposed article: the head is drawn very often. No counts "
        "are needed, only their order.",
        "Liu et al., Real-time attention based look-alike model, KDD 2019",
        "https://arxiv.org/abs/1906.05022",
    ),
    "suppressed": Explanation(
        rf"q(a) = {_BY_RANK}",
        "The same with ranks reversed, r = 0 for the least exposed article: the more an article was exposed, the less "
        "often it is drawn.",
        *_FUNREC,
    ),
    "exposed": Explanation(
        r"q(a \mid u) = \frac{1}{|E_u|}, \quad a \in E_u",
        "Drawn from E, the articles that this user was shown in train and did not click. They were chosen for the user "
        "by the recommender, so they are hard, and say nothing of the rest of the pool.",
        *_HUANG,
    ),
    "funrec_mix": Explanation(
        r"q(a) = \frac{N\, q_{\mathrm{exposed}}(a) + k\,U\, q_{\mathrm{ralm}}(a)}{N + k\,U}",
        "One exposed-not-clicked article for each of the N clicks, and k draws by popularity rank for each of the U "
        "users, spread over the user's clicks.",
        *_FUNREC,
    ),
    "same_attribute": Explanation(
        r"q(a \mid p) = \frac{1}{|C_{v(p)}|}, \quad a \in C_{v(p)}",
        "Drawn from the articles that share the attribute's value v with the clicked one, p; by an attribute of users, "
        "from the articles clicked by users who share it.",
        "Grbovic & Cheng, Real-time personalization using embeddings, KDD 2018",
        "https://doi.org/10.1145/3219819.3219885",
    ),
    "mined": Explanation(
        r"q(a \mid u) = (1-h)\,\frac{1}{|C|} + h\,\frac{1}{|H_u|}\,[a \in H_u]",
        "A share h (hard_share) comes from H, the articles that an earlier run ranks from rank_from to rank_to for the "
        "user, not clicked; the others are uniform. The top ranks are left out: they hold later clicks. "
        "Alone they hurt: the preset mined blends a few into the batch, and trains the run to mine by itself.",
        *_HUANG,
    ),
    "in_batch": Explanation(
        _CLICKED,
        "The other clicked articles of the batch: an article is a negative as often as it is clicked, c(a). They cost "
        "nothing more to embed. The loss can correct for the popularity.",
        *_YI,
        beyond="What is shown is what the others of a batch look like: in training each click meets all of them.",
    ),
    "in_batch_streaming": Explanation(
        r"\hat q(a) = \frac{1}{\Delta(a) \cdot B}",
        "The same negatives as in_batch. q is not counted ahead but estimated from Δ(a), the mean number of batches "
        "of B clicks from one click on the article to the next.",
        *_YI,
        beyond="The q shown is the count that the estimate comes near to.",
    ),
    "mixed": Explanation(
        r"q(a) = (1-s)\,\frac{c(a)}{\sum_{b} c(b)} + s\,\frac{1}{|C|}",
        "The other clicked articles of the batch, and a share s (blend_share) of uniform ones, one set for the batch: "
        "articles that nobody clicks become negatives too.",
        "Yang et al., Mixed negative sampling for two-tower networks, WWW 2020",
        "https://doi.org/10.1145/3366424.3386195",
        beyond="In training all clicks of a batch share the uniform set.",
    ),
    "cross_batch": Explanation(
        _CLICKED,
        "The other clicked articles of the batch, and those of the last batches, whose vectors are kept in a memory: "
        "many more negatives for next to no work.",
        "Wang et al., Cross-batch negative sampling for two-tower recommenders, SIGIR 2021",
        "https://arxiv.org/abs/2110.15154",
        beyond="The memory holds vectors of a model a few steps old, and is not trained: the batch's own articles are "
        "pushed away for it too. What they look like is what is shown.",
    ),
    "in_batch_hard": Explanation(
        _CLICKED,
        "Of the other clicked articles of the batch, only the hardest are kept: those that the model at that moment "
        "scores highest.",
        *_HUANG,
        beyond="Which are hardest depends on the model in training, so all are shown here.",
    ),
}
