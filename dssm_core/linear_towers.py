"""Two linear towers trained in numpy within a second: small enough to turn a knob and watch what it does.

The lab's own training is in `step.py`; these towers teach one thing alone, what the number of negatives does.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from dssm_core.one_thread import one_thread

_DIM = 16
_STEPS = 40
_LEARNING_RATE = 0.08
_TEMPERATURE = 0.1
_DECAY = (0.9, 0.999)
"""Of the running mean and of the running square of the gradient, as in Adam (Kingma & Ba, ICLR 2015)."""


@dataclass(frozen=True)
class Clicks:
    """What is learned from: `users` and `articles` (n,) int32, the two sides of each click, as rows of the features."""

    users: np.ndarray
    articles: np.ndarray


def one_hot(table: pd.DataFrame) -> sparse.csr_matrix:
    """A row of ones and zeros for each row of a table, a column for each value of each of its columns: (n, values)."""
    coded = [pd.factorize(table[column]) for column in table]
    counts = [len(values) for _, values in coded]
    codes = np.column_stack([codes for codes, _ in coded]) + np.cumsum(counts) - counts
    rows = np.repeat(np.arange(len(table)), len(coded))
    return sparse.csr_matrix((np.ones(codes.size), (rows, codes.ravel())), (len(table), sum(counts)))


def train(
    user_features: sparse.csr_matrix,
    article_features: sparse.csr_matrix,
    clicks: Clicks,
    pool: np.ndarray,
    k: int,
    rng: np.random.Generator,
    steps: int = _STEPS,
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of all users and all articles, (users, 16) and (articles, 16) float64, after `steps` on all clicks.

    A vector is the sum of its features' embeddings, normalised. Each step draws `k` negatives uniformly from `pool`
    ((p,) article rows), shared by all clicks. k = 0: clicked pairs are pulled together and nothing is pushed apart.
    """
    towers = [_Tower.new(features, rng) for features in (user_features, article_features)]
    with one_thread():
        for step in range(1, steps + 1):
            vectors = [tower.vectors() for tower in towers]
            slopes = gradients(*vectors, clicks, rng.choice(pool, k, replace=len(pool) < k))
            for tower, slope in zip(towers, slopes, strict=True):
                tower.move(slope, step)
    return towers[0].vectors(), towers[1].vectors()


def loss(users: np.ndarray, articles: np.ndarray, clicks: Clicks, negatives: np.ndarray) -> float:
    """Mean over clicks of −s⁺ + ln Σ e^s over the negatives, where s = cosine / 0.1; without negatives −s⁺ alone.

    Negatives that the click's user clicked, there or elsewhere, are masked, as in the lab's own losses.
    `users`, `articles`: unit vectors; `negatives` (k,) article rows, shared by all clicks. Source: Yeh et al.,
    Decoupled contrastive learning, ECCV 2022; why −s⁺ alone collapses: Wang & Isola, ICML 2020.
    """
    own, scores = _scores(users, articles, clicks, negatives)
    total = np.exp(scores).sum(axis=1)
    # a click without negatives, or with none that is not masked, pushes nothing away
    return float(-own.mean() + np.log(total, where=total > 0, out=np.zeros_like(total)).mean())


def gradients(
    users: np.ndarray, articles: np.ndarray, clicks: Clicks, negatives: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of `loss` by the vectors of users and of articles, of their shapes."""
    n = len(clicks.users)
    by_user = _summing(clicks.users, len(users))
    by_article = _summing(clicks.articles, len(articles))
    scale = n * _TEMPERATURE
    user_slope = -(by_user @ articles[clicks.articles]) / scale
    article_slope = -(by_article @ users[clicks.users]) / scale
    if len(negatives):
        _, scores = _scores(users, articles, clicks, negatives)
        # cosines are at most 1, so that no exponential is infinite
        share = np.exp(scores - 1 / _TEMPERATURE)
        share /= np.maximum(share.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        user_slope += by_user @ (share @ articles[negatives]) / scale
        np.add.at(article_slope, negatives, share.T @ users[clicks.users] / scale)
    return user_slope, article_slope


def _scores(
    users: np.ndarray, articles: np.ndarray, clicks: Clicks, negatives: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each click its own score (n,) and those of the negatives (n, k), −inf where masked."""
    mine = users[clicks.users]
    own = np.einsum("nd,nd->n", mine, articles[clicks.articles])
    scores = mine @ articles[negatives].T / _TEMPERATURE
    scores[_clicked(clicks, negatives, (len(users), len(articles)))] = -np.inf
    return own / _TEMPERATURE, scores


def _clicked(clicks: Clicks, negatives: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Whether each click's user clicked each of the negatives: (n, k) bool; `shape`: (users, articles)."""
    once = np.ones(len(clicks.users), bool)
    by_user = sparse.csr_matrix((once, (clicks.users, clicks.articles)), shape)
    return by_user[:, negatives].toarray()[clicks.users]


def _summing(rows: np.ndarray, n: int) -> sparse.csr_matrix:
    """A matrix that sums what belongs to each of `n` rows: (n, len(rows))."""
    return sparse.csr_matrix((np.ones(len(rows)), (rows, np.arange(len(rows)))), (n, len(rows)))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class _Tower:
    """One side: its features, their embeddings (`weight`), and the running mean and square of the gradient."""

    features: sparse.csr_matrix
    weight: np.ndarray
    moments: tuple[np.ndarray, np.ndarray]

    @classmethod
    def new(cls, features: sparse.csr_matrix, rng: np.random.Generator) -> "_Tower":
        weight = rng.normal(0, 0.1, (features.shape[1], _DIM))
        return cls(features, weight, (np.zeros_like(weight), np.zeros_like(weight)))

    def vectors(self) -> np.ndarray:
        return _unit(self.features @ self.weight)

    def move(self, slope: np.ndarray, step: int) -> None:
        """One step of Adam against the gradient by the unit vectors, in place."""
        slope = self.features.T @ self._before_norm(slope)
        for running, seen, decay in zip(self.moments, (slope, slope**2), _DECAY, strict=True):
            running *= decay
            running += (1 - decay) * seen
        mean, square = (running / (1 - decay**step) for running, decay in zip(self.moments, _DECAY, strict=True))
        self.weight[:] -= _LEARNING_RATE * mean / (np.sqrt(square) + 1e-8)

    def _before_norm(self, slope: np.ndarray) -> np.ndarray:
        """The gradient by the sums of embeddings: what points along a vector itself changes nothing."""
        sums = self.features @ self.weight
        unit = _unit(sums)
        along = np.einsum("nd,nd->n", slope, unit)[:, None]
        return (slope - along * unit) / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
