"""What every model is once it is trained: something that ranks the candidate pool for a user."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class RecallLists:
    """The K articles retrieved for each user, best first.

    `users` (n,) int32 and `articles` (n, K) int32 are rows of the dataset's tables; an article of 0 is an empty place
    at the end of a list for which fewer than K articles qualify. `scores` (n, K) float32, NaN at empty places.
    """

    users: np.ndarray
    articles: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.users)
        if self.users.dtype != np.int32 or self.articles.dtype != np.int32 or self.scores.dtype != np.float32:
            raise ValueError("recall lists are int32 users, int32 articles and float32 scores")
        if self.articles.shape != self.scores.shape or self.articles.ndim != 2 or len(self.articles) != n:
            raise ValueError(f"recall lists of {n} users need articles and scores of shape ({n}, K)")

    def places(self) -> dict[str, np.ndarray]:
        """The filled places of the lists, (m,) each: user, rank (from 1) and article int32, score float32."""
        rows, places = np.nonzero(self.articles)
        return {
            "user": self.users[rows],
            "rank": (places + 1).astype(np.int32),
            "article": self.articles[rows, places],
            "score": self.scores[rows, places],
        }


class Recommender(Protocol):
    """Ranks the candidate pool for a user, without what they have seen (when the run's config says so)."""

    def recall(self, users: np.ndarray, k: int) -> RecallLists:
        """The best `k` articles of each of `users` ((n,) int32), through the index where there is one."""
        ...

    def exact(self, users: np.ndarray, articles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exact rank and score of each (user, article) pair: (m,) int64 ranks from 1 among the qualifying pool, (m,)
        float32.

        The rank counts the qualifying articles that score strictly higher, plus one. An article outside the pool or
        removed as seen has rank 0 and score NaN.
        """
        ...
