"""Puts vectors into two dimensions to be looked at, and draws an honest sample where they are too many."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dssm_core.one_thread import one_thread

_SEED = 0
_NEAREST = 10
MOST_TSNE = 5000
"""t-SNE compares points with each other: more than so many take minutes."""


@dataclass(frozen=True)
class Projection:
    """Where articles stand on the map: (n, 2) float32, and how to place other vectors among them.

    `place`: (m, d) float32 → (m, 2) float32. `kept`: the share of the variance that is kept, None where the projection
    knows no such thing.
    """

    articles: np.ndarray
    place: Callable[[np.ndarray], np.ndarray]
    kept: float | None


def pca(articles: np.ndarray) -> Projection:
    """The two directions in which the articles' vectors (n, d) vary most; others are put through the same projection.

    Where there are fewer than two directions, the rest is 0.
    """
    from sklearn.decomposition import PCA

    if len(articles) < 2:
        return Projection(np.zeros((len(articles), 2), np.float32), lambda vectors: _two(vectors[:, :0]), 1.0)
    fitted = PCA(min(2, *articles.shape), svd_solver="covariance_eigh", random_state=_SEED).fit(articles)

    def place(vectors: np.ndarray) -> np.ndarray:
        return _two((vectors - fitted.mean_) @ fitted.components_.T)

    return Projection(place(articles), place, float(np.nansum(fitted.explained_variance_ratio_)))


def tsne(articles: np.ndarray) -> Projection:
    """Neighbourhoods kept at the price of distances (van der Maaten & Hinton, Visualizing data using t-SNE, 2008).

    It has no way to add a point: another vector is placed in the middle of its ten nearest articles.
    """
    from sklearn.manifold import TSNE

    if len(articles) < 4:
        return pca(articles)
    perplexity = min(30.0, (len(articles) - 1) / 3)
    fitted = TSNE(2, perplexity=perplexity, metric="cosine", init="random", random_state=_SEED)
    with one_thread():
        laid = fitted.fit_transform(articles)

    def place(vectors: np.ndarray) -> np.ndarray:
        near = np.argsort(-(vectors @ articles.T), axis=1)[:, :_NEAREST]
        return laid[near].mean(axis=1).astype(np.float32)

    return Projection(laid.astype(np.float32), place, None)


PROJECTIONS: dict[str, Callable[[np.ndarray], Projection]] = {"pca": pca, "tsne": tsne}
"""By name: article vectors (n, d) float32 of length 1 → Projection."""


def stratified(groups: np.ndarray, size: int) -> np.ndarray:
    """Places of a sample of `size` in which each group has its share, ascending int64: all where there are no more.

    `groups` (n,) are codes from 0. Shares are rounded by largest remainder, members are spread evenly over their group,
    so the same input gives the same sample.
    """
    n = len(groups)
    if n <= size:
        return np.arange(n)
    counts = np.bincount(groups)
    exact = counts * size / n
    taken = np.floor(exact).astype(np.int64)
    taken[np.argsort(taken - exact, kind="stable")[: size - taken.sum()]] += 1
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(counts) - counts
    chosen = [
        order[start + np.linspace(0, count - 1, take).round().astype(np.int64)]
        for start, count, take in zip(starts, counts, taken, strict=True)
        if take
    ]
    return np.sort(np.concatenate(chosen))


def _two(points: np.ndarray) -> np.ndarray:
    """(n, 1 or 2) as (n, 2) float32."""
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1]))).astype(np.float32)
