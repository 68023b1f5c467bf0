"""Every concept of recall in one sentence with its source: shown as help where it appears, and listed on Learn."""

from dataclasses import dataclass

from lab.language import t


@dataclass(frozen=True)
class Concept:
    """What a word means: `text`, one sentence for people; `source`, where it comes from; `link`, where to read it."""

    text: str
    source: str
    link: str


_YI = ("Yi et al., RecSys 2019", "https://doi.org/10.1145/3298689.3346996")
_HUANG = ("Huang et al., KDD 2020", "https://arxiv.org/abs/2006.11632")
_BOOTSTRAP = ("Efron & Tibshirani, An introduction to the bootstrap, 1993", "https://doi.org/10.1201/9780429246593")
_RENDLE = ("Krichene & Rendle, KDD 2020", "https://doi.org/10.1145/3394486.3403226")
_DACREMA = ("Ferrari Dacrema et al., RecSys 2019", "https://arxiv.org/abs/1907.06902")
_MANNING = ("Manning et al., Introduction to information retrieval, ch. 8", "https://nlp.stanford.edu/IR-book/")

CONCEPTS: dict[str, Concept] = {
    "recall stage": Concept(
        "The first stage of a recommender: it picks some hundred articles out of all, for later stages to rank.",
        "Covington et al., RecSys 2016",
        "https://doi.org/10.1145/2959100.2959190",
    ),
    "exposure": Concept(
        "One row of the log: an article was shown to a user at a time, and clicked or not.",
        "Joachims et al., Unbiased learning-to-rank, WSDM 2017",
        "https://arxiv.org/abs/1608.04468",
    ),
    "positive": Concept(
        "An exposure that was clicked: training pulls the vectors of its user and its article together.",
        "Huang et al., DSSM, CIKM 2013",
        "https://doi.org/10.1145/2505515.2505665",
    ),
    "negative": Concept(
        "An article taken as not clicked: training pushes it away from the user, or all vectors would be alike.",
        "Wang & Isola, ICML 2020",
        "https://arxiv.org/abs/2005.10242",
    ),
    "strategy": Concept(
        "A way to draw negatives: which articles are taken, and with which probability q(a).",
        *_HUANG,
    ),
    "two-tower model": Concept(
        "Two networks that turn a user and an article into vectors of one space, whose cosine says how well they fit.",
        "Huang et al., DSSM, CIKM 2013",
        "https://doi.org/10.1145/2505515.2505665",
    ),
    "in-batch": Concept(
        "The other clicked articles of the batch serve as negatives, so popular articles are negatives often.",
        *_YI,
    ),
    "correction": Concept(
        "ln q(a), how often an article is drawn as a negative, is taken off its score in the loss, so that popular "
        "articles are not punished for being drawn often.",
        *_YI,
    ),
    "temperature": Concept(
        "What cosines are divided by in the loss: the smaller, the more the hardest negatives count.",
        "Wang & Liu, Understanding the behaviour of contrastive loss, CVPR 2021",
        "https://arxiv.org/abs/2012.09740",
    ),
    "false negative": Concept(
        "An article drawn as a negative that the user clicks later: training pushes away what should be recalled.",
        "Chuang et al., Debiased contrastive learning, NeurIPS 2020",
        "https://arxiv.org/abs/2007.00224",
    ),
    "hard negative": Concept(
        "A negative that the model takes for a good one, such as an article of the clicked one's own category.",
        *_HUANG,
    ),
    "collapse": Concept(
        "All vectors point the same way, so everybody is recalled the same articles.",
        "Wang & Isola, ICML 2020",
        "https://arxiv.org/abs/2005.10242",
    ),
    "candidate pool": Concept(
        "The articles that may be recalled for the test period; a held-out click on any other is a miss.",
        *_RENDLE,
    ),
    "held-out click": Concept(
        "A click of the test period, which training never saw: what a recall list is measured on.",
        "Ji et al., A critical study on data leakage in recommender evaluation, TOIS 2023",
        "https://arxiv.org/abs/2010.11060",
    ),
    "warm share": Concept(
        "The share of the held-out clicks on articles that were shown in train; the others are cold.",
        "Schein et al., Methods and metrics for cold-start recommendations, SIGIR 2002",
        "https://doi.org/10.1145/564376.564421",
    ),
    "cold article": Concept(
        "An article that was never shown in train: only its title, category and other attributes can place it.",
        "Schein et al., Methods and metrics for cold-start recommendations, SIGIR 2002",
        "https://doi.org/10.1145/564376.564421",
    ),
    "outranked": Concept(
        "A held-out click on an article that could have been recalled, had not K others scored higher for the user.",
        *_RENDLE,
    ),
    "head, torso, tail": Concept(
        "The fewest articles that gather a third of all train clicks are the head, the next third the torso, the rest "
        "the tail.",
        "Celma & Cano, From hits to niches?, NetflixKDD workshop 2008",
        "https://doi.org/10.1145/1722149.1722154",
    ),
    "baseline": Concept(
        "A simple way to recall, such as the most clicked articles for everybody, that a trained model must beat.",
        *_DACREMA,
    ),
    "recall@K": Concept("The share of a user's held-out clicks that are among the K recalled articles.", *_MANNING),
    "precision@K": Concept("The share of the K recalled articles that are held-out clicks of the user.", *_MANNING),
    "hit@K": Concept(
        "The share of the users who find at least one held-out click among their K recalled articles.",
        "Deshpande & Karypis, TOIS 2004",
        "https://doi.org/10.1145/963770.963776",
    ),
    "NDCG": Concept(
        "Hits count less the further down they stand, by the logarithm of the rank; 1 is the best order possible.",
        "Järvelin & Kekäläinen, TOIS 2002",
        "https://doi.org/10.1145/582415.582418",
    ),
    "MRR": Concept(
        "The mean over users of 1 / rank of the first hit, 0 for those without one.",
        "Voorhees, TREC-8, 1999",
        "https://trec.nist.gov/pubs/trec8/papers/qa_report.pdf",
    ),
    "coverage": Concept(
        "The share of the candidate pool that is in at least one recall list.",
        "Ge et al., Beyond accuracy, RecSys 2010",
        "https://doi.org/10.1145/1864708.1864761",
    ),
    "Gini": Concept(
        "How unequally the places of the lists are shared among the articles: 0 equally, near 1 all to one.",
        "Fleder & Hosanagar, Management Science 2009",
        "https://doi.org/10.1287/mnsc.1080.0974",
    ),
    "novelty": Concept(
        "How surprising the recalled articles are, in bits: −log₂ of an article's share of the train clicks.",
        "Zhou et al., PNAS 2010",
        "https://doi.org/10.1073/pnas.1000488107",
    ),
    "popularity percentile": Concept(
        "The share of the candidate pool with fewer train clicks, mean over all recalled articles: 50 % is neutral.",
        "Abdollahpouri et al., RecSys 2017",
        "https://doi.org/10.1145/3109859.3109912",
    ),
    "95 % interval": Concept(
        "How far a number would move with other users of the same kind; of 100 such intervals, 95 hold the true one.",
        *_BOOTSTRAP,
    ),
    "paired difference": Concept(
        "Two runs compared user by user on the same users, which tells finer than two separate intervals do.",
        "Sakai, Evaluating evaluation metrics based on the bootstrap, SIGIR 2006",
        "https://doi.org/10.1145/1148170.1148261",
    ),
    "ANN index": Concept(
        "A structure that finds most of the nearest vectors without comparing with all: speed bought with some recall.",
        "Aumüller et al., ANN-Benchmarks, 2020",
        "https://arxiv.org/abs/1807.05614",
    ),
    "PCA": Concept(
        "The two directions in which the vectors vary most: distances on the map are true as far as those two go.",
        "Jolliffe, Principal component analysis, 2002",
        "https://doi.org/10.1007/b98835",
    ),
    "t-SNE": Concept(
        "Near vectors are drawn near each other, while distances between groups mean nothing.",
        "van der Maaten & Hinton, JMLR 2008",
        "https://www.jmlr.org/papers/v9/vandermaaten08a.html",
    ),
    "segment": Concept(
        "A part of the held-out clicks, such as those on tail articles or of new users: a mean can hide who loses.",
        "Ekstrand et al., All the cool kids, how do they fit in?, FAT* 2018",
        "https://proceedings.mlr.press/v81/ekstrand18b.html",
    ),
    "seed": Concept(
        "What all randomness of a training starts from: runs that differ by it alone show how much of a difference is "
        "luck.",
        "Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys 2021",
        "https://arxiv.org/abs/2103.03098",
    ),
    "leakage": Concept(
        "Something of the test period that training has seen, which makes every number too good.",
        "Ji et al., A critical study on data leakage in recommender evaluation, TOIS 2023",
        "https://arxiv.org/abs/2010.11060",
    ),
}
"""By the name that pages ask for."""


_OF_METRICS = {
    "recall": "recall@K",
    "precision": "precision@K",
    "hit": "hit@K",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "coverage": "coverage",
    "gini": "Gini",
    "novelty": "novelty",
    "popularity_percentile": "popularity percentile",
}


_OF_REASONS = {
    "hit": "hit@K",
    "not in pool": "candidate pool",
    "lost by the index": "ANN index",
    "cold article": "cold article",
    "outranked": "outranked",
}
_OF_KNOBS = {
    "seed": "seed",
    "negatives.strategy": "strategy",
    "negatives.k": "negative",
    "negatives.hard_share": "hard negative",
    "negatives.hardest": "hard negative",
    "tower.kind": "two-tower model",
    "loss.temperature": "temperature",
    "loss.correction": "correction",
    "loss.mask_known": "false negative",
    "pool.max_age_days": "candidate pool",
    "index.kind": "ANN index",
    "eval.k": "recall@K",
    "eval.bootstrap": "95 % interval",
}


def explain_reason(reason: str) -> str | None:
    """The explanation of why a held-out click is or is not recalled; None where the reason's own words are enough."""
    name = _OF_REASONS.get(reason)
    return explain(name) if name else None


def explain_knob(key: str) -> str:
    """The explanation of the concept that a config key turns, as a paragraph of its own; "" for most keys."""
    name = _OF_KNOBS.get(key)
    return f"\n\n{explain(name)}" if name else ""


def explain_metric(metric: str) -> str | None:
    """The explanation of a metric such as "ndcg@50"; None for one that the glossary lacks."""
    name = _OF_METRICS.get(metric.split("@")[0])
    return explain(name) if name else None


def explain(name: str) -> str:
    """A concept's sentence and its source, linked: what `help=` of a widget, heading or metric takes."""
    concept = CONCEPTS[name]
    return f"{t(concept.text)} ([{concept.source}]({concept.link}))"


def explain_each(*names: str) -> str:
    """The explanations of several concepts that stand in one place, each after its name."""
    return "\n\n".join(f"**{t(name)}**: {explain(name)}" for name in names)


def explain_within(told: str, *names: str) -> str:
    """A text, such as what a column holds, followed by the explanations of the concepts in it."""
    return f"{told}\n\n{explain_each(*names)}"
