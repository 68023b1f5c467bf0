"""Models without towers, to hold a two-tower model against. Each learns from train clicks alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from dssm_core.clicks import UserArticles
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.popularity import Popularity, seen_clicks, train_clicks
from dssm_core.recommender import RecallLists, Recommender
from dssm_core.retrieval import block_length, exact_by_block, fill_lists, positions_in, ranks_in_rows, seen_positions
from dssm_core.split import Split

Baseline = Callable[[Dataset, Split, Config, np.random.Generator], Recommender]

EASE_ARTICLES = 20_000
"""Largest catalogue for `ease`: its matrix of article pairs takes 1.6 GB at this size."""
_EASE_L2 = 300.0
_SHRINK = 10.0
NEIGHBOURS = 200
_DAY = 86_400_000
PAIRS_PER_BLOCK = 10_000_000
_UNSCORED = np.float32(-1_000_000)
"""Articles without a score follow all others, at `_UNSCORED` less their place in `order`: whole numbers below 2²⁴,
which float32 holds exactly, so that they keep their order."""


@dataclass(frozen=True)
class OrderRecommender:
    """The pool in one order for everybody, from a place of each user's own.

    `order` (p,) int32 is the pool, best first; `scores` (p,) float32 belong to the places of a user's list, and do not
    grow; `offsets` (all users rows,) int64 say where in `order` a user's list begins (it wraps around). The order is
    total, so the exact rank is the place, also among equal scores.
    """

    order: np.ndarray
    scores: np.ndarray
    offsets: np.ndarray
    seen: UserArticles | None
    n_articles: int

    @cached_property
    def _positions(self) -> np.ndarray:
        return positions_in(self.order, self.n_articles)

    def recall(self, users: np.ndarray, k: int) -> RecallLists:
        """The first `k` articles after the offset of each of `users` that they have not seen."""
        articles, scores = np.zeros((len(users), k), np.int32), np.full((len(users), k), np.nan, np.float32)
        longest = int(np.bincount(self._seen_places(users)[0], minlength=1).max())
        width = min(k + longest, len(self.order))
        for first in range(0, len(users), block_length(4 * width)):
            block = slice(first, first + block_length(4 * width))
            articles[block], scores[block] = self._first(users[block], width, k)
        return RecallLists(users, articles, scores)

    def _first(self, users: np.ndarray, width: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = self.order[(self.offsets[users, None] + np.arange(width)) % len(self.order)]
        drop = np.zeros(found.shape, bool) if self.seen is None else self.seen.contains(users[:, None], found)
        return fill_lists(found, np.broadcast_to(self.scores[:width], found.shape), drop, k)

    def exact(self, users: np.ndarray, articles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rank and score of each (user, article) pair, as in `Recommender.exact`."""
        positions = self._positions[articles]
        places = (positions - self.offsets[users]) % len(self.order)
        pairs, seen = self._seen_places(users)
        ahead = np.bincount(pairs[seen < places[pairs]], minlength=len(users))
        removed = np.zeros(len(users), bool)
        removed[pairs[seen == places[pairs]]] = True
        qualifies = (positions >= 0) & ~removed
        scores = np.where(qualifies, self.scores[places], np.float32(np.nan))
        return np.where(qualifies, places - ahead + 1, 0), scores

    def _seen_places(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(place in `users`, place in that user's list) of what they have seen."""
        rows, positions = seen_positions(self.seen, users, self._positions)
        return rows, (positions - self.offsets[users[rows]]) % len(self.order)


@dataclass(frozen=True)
class LinearRecommender:
    """An article's score is the sum of the weights from the articles that the user clicked in train to it.

    `clicks` is (all users rows, c) CSR over the c articles clicked in train, `weights` (c, h) float32, CSR or dense,
    from those to the first h places of `order`; `order` (p,) int32 is the pool in `popular` order, whose first h
    articles have train clicks. Articles with no score follow in that order with score 0, so that every list is full.
    """

    clicks: sparse.csr_array
    weights: sparse.csr_array | np.ndarray
    order: np.ndarray
    seen: UserArticles | None
    n_articles: int

    @cached_property
    def _positions(self) -> np.ndarray:
        return positions_in(self.order, self.n_articles)

    def recall(self, users: np.ndarray, k: int) -> RecallLists:
        """The best `k` articles of each of `users`."""
        articles, scores = np.zeros((len(users), k), np.int32), np.full((len(users), k), np.nan, np.float32)
        length = block_length(self._width)
        for first in range(0, len(users), length):
            block = slice(first, first + length)
            articles[block], scores[block] = self._best(users[block], k)
        return RecallLists(users, articles, scores)

    def _best(self, users: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        places, positions = seen_positions(self.seen, users, self._positions)
        most_seen = np.bincount(places, minlength=1).max()
        rest = np.arange(self._width, min(self._width + k + most_seen, len(self.order)))
        rows = self._scores(users)
        rows = np.hstack([rows, np.broadcast_to(_UNSCORED - rest.astype(np.float32), (len(users), len(rest)))])
        inside = positions < rows.shape[1]
        rows[places[inside], positions[inside]] = -np.inf
        best = _best_columns(rows, min(k, rows.shape[1]))
        scores = np.take_along_axis(rows, best, axis=1)
        return fill_lists(self.order[best], _shown(scores), scores == -np.inf, k)

    def exact(self, users: np.ndarray, articles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rank and score of each (user, article) pair, as in `Recommender.exact`."""
        positions = self._positions[articles]
        qualifies = positions >= 0
        if self.seen is not None:
            qualifies &= ~self.seen.contains(users, articles)
        ranks, scores = np.zeros(len(users), np.int64), np.full(len(users), np.nan, np.float32)
        scored, after = qualifies & (positions < self._width), qualifies & (positions >= self._width)
        ranks[scored], scores[scored] = exact_by_block(self._ranks, self._width, users[scored], positions[scored])
        places, seen = seen_positions(self.seen, users, self._positions)
        ahead = np.bincount(places[seen < positions[places]], minlength=len(users))
        ranks[after], scores[after] = (positions - ahead + 1)[after], 0
        return ranks, _shown(scores)

    def _ranks(self, users: np.ndarray, counts: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return ranks_in_rows(self._scores(users), counts, columns)

    @property
    def _width(self) -> int:
        return self.weights.shape[1]

    def _scores(self, users: np.ndarray) -> np.ndarray:
        product = self.clicks[users] @ self.weights
        scores = product.toarray() if sparse.issparse(product) else product
        by_order = _UNSCORED - np.arange(self._width, dtype=np.float32)
        scores = np.where(scores == 0, by_order, scores)
        places, positions = seen_positions(self.seen, users, self._positions)
        scored = positions < self._width
        scores[places[scored], positions[scored]] = -np.inf
        return scores


def _shown(scores: np.ndarray) -> np.ndarray:
    return np.where(scores <= _UNSCORED, np.float32(0), scores)


def _best_columns(rows: np.ndarray, k: int) -> np.ndarray:
    """Columns of the `k` highest of each row, best first: (n, k) int64."""
    best = np.argpartition(rows, rows.shape[1] - k, axis=1)[:, rows.shape[1] - k :]
    order = np.argsort(-np.take_along_axis(rows, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def random(dataset: Dataset, split: Split, config: Config, rng: np.random.Generator) -> Recommender:
    """A random order of the pool that each user enters at a random place: any article is as likely at any rank."""
    order = rng.permutation(split.pool)
    scores = 1 - np.arange(len(order), dtype=np.float32) / len(order)
    offsets = rng.integers(0, len(order), len(dataset.users))
    return OrderRecommender(order, scores, offsets, _seen(dataset, split, config), len(dataset.articles))


def popular(dataset: Dataset, split: Split, config: Config, rng: np.random.Generator) -> Recommender:
    """Most train clicks first; the score is their number. Ties go by exposures, then by the articles table's order."""
    popularity = Popularity.in_train(dataset, split)
    order = popularity.order(split.pool)
    return _ordered(dataset, split, config, order, popularity.clicks[order])


def recent_popular(dataset: Dataset, split: Split, config: Config, rng: np.random.Generator) -> Recommender:
    """Most clicks in the last 24 h of train first (the score is their number), then as `popular`."""
    exposures = dataset.exposures
    _check_times(dataset)
    rows = split.train[exposures.click[split.train]]
    times = exposures.time[rows]
    end = split.cutoff if split.cutoff is not None else times.max(initial=0) + 1
    recent = np.bincount(
        exposures.article[rows[(times >= end - _DAY) & (times < end)]], minlength=len(dataset.articles)
    )
    order = Popularity.in_train(dataset, split).order(split.pool)
    order = order[np.argsort(-recent[order], kind="stable")]
    return _ordered(dataset, split, config, order, recent[order])


def item_knn(dataset: Dataset, split: Split, config: Config, rng: np.random.Generator) -> Recommender:
    """Articles like those clicked: cosine of co-clicks n(a,b) / (√(n(a) n(b)) + shrink), nearest 200 of each article.

    Source: Sarwar et al., Item-based collaborative filtering recommendation algorithms, WWW 2001, with a shrunk cosine.
    """
    return _linear(dataset, split, config, _cosine_neighbours)


def ease(dataset: Dataset, split: Split, config: Config, rng: np.random.Generator) -> Recommender:
    """The closed-form linear autoencoder. Source: Steck, Embarrassingly shallow autoencoders, WWW 2019, eq. 8.

    A UserError where more than 20,000 articles have train clicks.
    """
    _check_catalogue(np.count_nonzero(Popularity.in_train(dataset, split).clicks))
    return _linear(dataset, split, config, lambda clicks: ease_weights(clicks, _EASE_L2))


BASELINES: dict[str, Baseline] = {
    "random": random,
    "popular": popular,
    "recent_popular": recent_popular,
    "item_knn": item_knn,
    "ease": ease,
}
"""Builders by name: (dataset, split, config, rng) → a Recommender over `split.pool`."""


def check_baseline(baseline: str, dataset: Dataset, clicked: int) -> None:
    """Raise the UserError of a baseline that a log cannot supply. `clicked`: how many articles have train clicks."""
    if baseline == "recent_popular":
        _check_times(dataset)
    if baseline == "ease":
        _check_catalogue(clicked)


def _check_times(dataset: Dataset) -> None:
    if dataset.exposures.time is None:
        raise UserError("recent_popular needs the time of each exposure, which this log does not have: use popular")


def _check_catalogue(clicked: int) -> None:
    if clicked > EASE_ARTICLES:
        raise UserError(
            f"ease takes up to {EASE_ARTICLES:,} articles with train clicks, this dataset has {clicked:,}: use item_knn"
        )


def _seen(dataset: Dataset, split: Split, config: Config) -> UserArticles | None:
    return seen_clicks(dataset, split) if config.pool.remove_seen else None


def _ordered(dataset: Dataset, split: Split, config: Config, order: np.ndarray, scores: np.ndarray) -> Recommender:
    offsets = np.zeros(len(dataset.users), np.int64)
    seen = _seen(dataset, split, config)
    return OrderRecommender(order, scores.astype(np.float32), offsets, seen, len(dataset.articles))


def _linear(
    dataset: Dataset, split: Split, config: Config, weigh: Callable[[sparse.csr_array], sparse.csr_array | np.ndarray]
) -> Recommender:
    """A LinearRecommender with weights between all articles clicked in train, cut to those of the pool."""
    popularity = Popularity.in_train(dataset, split)
    order = popularity.order(split.pool)
    scored = order[popularity.clicks[order] > 0]
    columns = positions_in(popularity.order(np.flatnonzero(popularity.clicks)), len(dataset.articles))
    clicks = _click_matrix(train_clicks(dataset, split), columns)
    weights = weigh(clicks)[:, columns[scored]]
    return LinearRecommender(clicks, weights, order, _seen(dataset, split, config), len(dataset.articles))


def _click_matrix(clicks: UserArticles, columns: np.ndarray) -> sparse.csr_array:
    """Users × columns, 1 where clicked, as float32."""
    ones = np.ones(len(clicks.articles), np.float32)
    shape = (len(clicks.start) - 1, columns.max() + 1)
    return sparse.csr_array((ones, columns[clicks.articles], clicks.start), shape=shape)


def _cosine_neighbours(clicks: sparse.csr_array) -> sparse.csr_array:
    counts = clicks.sum(axis=0)
    by_article = clicks.T.tocsr()
    blocks = [
        _nearest_of_block(by_article[block] @ clicks, block, counts) for block in _article_blocks(clicks, by_article)
    ]
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_array((0, 0), dtype=np.float32)


def _article_blocks(clicks: sparse.csr_array, by_article: sparse.csr_array) -> Iterator[slice]:
    """Runs of articles whose co-clicked pairs, counted with repeats, stay within what a block may hold."""
    pairs = np.cumsum(by_article @ np.diff(clicks.indptr).astype(np.int64))
    first = 0
    while first < len(pairs):
        done = pairs[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(pairs, done + PAIRS_PER_BLOCK, side="right")))
        yield slice(first, last)
        first = last


def _nearest_of_block(together: sparse.csr_array, block: slice, counts: np.ndarray) -> sparse.csr_array:
    """The shrunk cosines of a block of articles (rows) to all, the highest `NEIGHBOURS` of each row kept."""
    rows, columns = together.tocoo().coords
    other = rows + block.start != columns
    rows, columns, shared = rows[other], columns[other], together.data[other]
    cosines = shared / (np.sqrt(counts[rows + block.start] * counts[columns]) + np.float32(_SHRINK))
    order = np.lexsort((columns, -cosines, rows))
    sorted_rows = rows[order]
    place = np.arange(len(order)) - np.searchsorted(sorted_rows, sorted_rows)
    kept = order[place < NEIGHBOURS]
    return sparse.csr_array((cosines[kept], (rows[kept], columns[kept])), shape=together.shape, dtype=np.float32)


def ease_weights(clicks: sparse.csr_array, l2: float) -> np.ndarray:
    """EASE's weights B = I − P · diag(1/diag P), P = (XᵀX + l2·I)⁻¹, for X = `clicks` (users, c): (c, c) float32."""
    if not clicks.shape[1]:
        return np.zeros((0, 0), np.float32)
    # In place throughout: at 20,000 articles each copy takes 1.6 GB. Symmetric, so LAPACK's column order costs nothing.
    gram = (clicks.T @ clicks).toarray(order="F")
    np.fill_diagonal(gram, gram.diagonal() + np.float32(l2))
    factor, failed = lapack.spotrf(gram, lower=1, clean=1, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ValueError("ease: the matrix of co-clicks is not positive definite")
    diagonal = inverse.diagonal().copy()
    inverse += inverse.T  # LAPACK fills the lower half and leaves zeros above
    inverse /= -diagonal
    np.fill_diagonal(inverse, 0)
    return inverse
