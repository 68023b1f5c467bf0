"""Metrics of recall lists: per user over the first k places, and of the catalogue over all lists together."""

from collections.abc import Callable

import numpy as np
import pandas as pd

UserMetric = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
CatalogueMetric = Callable[[np.ndarray, np.ndarray], float]


def recall(hits: np.ndarray, held_out: np.ndarray, k: int) -> np.ndarray:
    """|top-k ∩ held-out| / |held-out|."""
    return _per_held_out(hits[:, :k].sum(axis=1), held_out)


def precision(hits: np.ndarray, held_out: np.ndarray, k: int) -> np.ndarray:
    """|top-k ∩ held-out| / k, also where the list is shorter than k."""
    return _defined(hits[:, :k].sum(axis=1) / k, held_out)


def hit(hits: np.ndarray, held_out: np.ndarray, k: int) -> np.ndarray:
    """1 where any of the top k is a held-out click, else 0."""
    return _defined(hits[:, :k].any(axis=1).astype(np.float64), held_out)


def ndcg(hits: np.ndarray, held_out: np.ndarray, k: int) -> np.ndarray:
    """Σ 1/log₂(rank + 1) over the hits in the top k, divided by that sum for min(held-out, k) hits at the top.

    Binary gains. Source: Järvelin & Kekäläinen, Cumulated gain-based evaluation, TOIS 2002.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[0], np.cumsum(discounts)])[np.minimum(held_out, k)]
    return _per_held_out(hits[:, :k] @ discounts[: hits.shape[1]], best)


def mrr(hits: np.ndarray, held_out: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first hit in the top k, 0 where there is none."""
    top = hits[:, :k]
    first = np.where(top.any(axis=1), 1 / (top.argmax(axis=1) + 1), 0)
    return _defined(first, held_out)


def _per_held_out(amount: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.divide(amount, of, out=np.full(len(of), np.nan), where=of > 0)


def _defined(values: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    return np.where(held_out > 0, values, np.nan)


METRICS: dict[str, UserMetric] = {"recall": recall, "precision": precision, "hit": hit, "ndcg": ndcg, "mrr": mrr}
"""By name: (hits (n, K) bool by rank, held_out (n,) int counts, k ≤ K) → (n,) float64, NaN where held_out is 0."""


def per_user_metrics(held_out: pd.DataFrame, ks: list[int]) -> pd.DataFrame:
    """Every metric of `METRICS` at every k for each user with a click in `held_out`: columns user, "recall@50", ….

    `held_out` has user and list_rank, a row a click: all of a run's, or some, such as those on one category. Users
    ascend.
    """
    users, owner = np.unique(held_out["user"].to_numpy(), return_inverse=True)
    ranks = held_out["list_rank"].to_numpy()
    found = (ranks > 0) & (ranks <= max(ks))
    hits = np.zeros((len(users), max(ks)), bool)
    hits[owner[found], ranks[found] - 1] = True
    held = np.bincount(owner, minlength=len(users))
    values = {f"{name}@{k}": metric(hits, held, k) for name, metric in METRICS.items() for k in ks}
    return pd.DataFrame({"user": users, **values})


def coverage(recalled: np.ndarray, clicks: np.ndarray) -> float:
    """The share of the pool that is in at least one list."""
    return float(np.count_nonzero(recalled) / len(recalled)) if recalled.any() else np.nan


def gini(recalled: np.ndarray, clicks: np.ndarray) -> float:
    """How unequally the places in the lists are shared among the pool's articles: 0 equally, near 1 all to one.

    G = Σᵢ (2i − n − 1) xᵢ / (n Σ x) over the counts x ascending, i from 1. Source: Fleder & Hosanagar, Blockbuster
    culture's next rise or fall, Management Science 2009.
    """
    n, total = len(recalled), recalled.sum()
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(recalled) / (n * total)) if total else np.nan


def popularity_percentile(recalled: np.ndarray, clicks: np.ndarray) -> float:
    """Mean over all places in the lists of the share of the pool with fewer train clicks (ties count half): 0 to 1."""
    articles = np.bincount(clicks)
    up_to = np.cumsum(articles)
    below = up_to - articles
    return _mean_place(((below + up_to) / (2 * len(clicks)))[clicks], recalled)


def novelty(recalled: np.ndarray, clicks: np.ndarray) -> float:
    """Mean over all places in the lists of −log₂ of the article's share of train clicks, each count plus one: bits.

    Source: Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 2010 (self-
    information).
    """
    return _mean_place(-np.log2((clicks + 1) / (clicks.sum() + len(clicks))), recalled)


def _mean_place(values: np.ndarray, recalled: np.ndarray) -> float:
    total = recalled.sum()
    return float(values @ recalled / total) if total else np.nan


CATALOGUE_METRICS: dict[str, CatalogueMetric] = {
    "coverage": coverage,
    "gini": gini,
    "popularity_percentile": popularity_percentile,
    "novelty": novelty,
}
"""By name: (recalled (p,): lists that hold each pool article, clicks (p,): in train) → float, NaN for empty lists."""
