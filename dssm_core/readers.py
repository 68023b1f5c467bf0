"""Who clicked an article in train, what lies near it, and what lies near a user: looked up at once in any catalogue."""

from dataclasses import dataclass

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.dataset import Dataset
from dssm_core.split import Split


@dataclass(frozen=True)
class Readers:
    """The users of every train click, by article: article a has `users[start[a]:start[a + 1]]`, repeats included.

    `users` (clicks,) int32; `start` (articles + 1,) int64.
    """

    users: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> "Readers":
        """Sort the train clicks by article."""
        exposures = dataset.exposures
        clicks = split.train[exposures.click[split.train]]
        order = clicks[np.argsort(exposures.article[clicks], kind="stable")]
        start = np.searchsorted(exposures.article[order], np.arange(len(dataset.articles) + 1))
        return cls(exposures.user[order], start)

    def clicks(self) -> np.ndarray:
        """Train clicks of every article: (articles,) int64."""
        return np.diff(self.start)

    def of_article(self, article: int) -> np.ndarray:
        """The distinct users who clicked an article, ascending int32."""
        return np.unique(self.users[self.start[article] : self.start[article + 1]])


def nearest(
    vector: np.ndarray, pool: np.ndarray, vectors: np.ndarray, k: int, without: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` articles of a pool with the highest cosine to `vector`: rows int32 and cosines float32, best first.

    `pool` (p,) ascending int32 rows and their unit `vectors` (p, d); `vector` (d,) is a unit one too. `without`: rows
    to leave out. Fewer than `k` where no more are left.
    """
    cosines = vectors @ vector
    cosines[np.isin(pool, without)] = -np.inf
    k = min(k, int(np.isfinite(cosines).sum()))
    if not k:
        return pool[:0], cosines[:0]
    best = np.argpartition(-cosines, k - 1)[:k]
    best = best[np.argsort(-cosines[best], kind="stable")]
    return pool[best], cosines[best]


def recalled(
    user: int, user_vectors: np.ndarray, pool: np.ndarray, vectors: np.ndarray, seen: UserArticles | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """A user's exact recall list, for one whom the run was not evaluated on: rows int32 and cosines, best first."""
    return nearest(user_vectors[user], pool, vectors, k, seen.of(user) if seen else pool[:0])
