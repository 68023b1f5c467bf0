"""Which articles each user clicked, in a form that answers a million questions at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class UserArticles:
    """A set of articles per user, as compressed sparse rows: user u has `articles[start[u]:start[u + 1]]`, ascending.

    `start` is (users + 1,) int64, `articles` int32. Each (user, article) pair stands once.
    """

    start: np.ndarray
    articles: np.ndarray
    n_articles: int

    @classmethod
    def from_pairs(cls, users: np.ndarray, articles: np.ndarray, n_users: int, n_articles: int) -> "UserArticles":
        """Build from pairs in any order, with repeats. `n_users`, `n_articles`: lengths of the two tables."""
        keys = np.sort(users.astype(np.int64) * n_articles + articles)
        # sorted by hand: np.unique hashes, which is many times slower here
        keys = keys[np.diff(keys, prepend=-1) > 0]
        start = np.searchsorted(keys, np.arange(n_users + 1, dtype=np.int64) * n_articles)
        return cls(start, (keys % n_articles).astype(np.int32), n_articles)

    def of(self, user: int) -> np.ndarray:
        """The articles of one user, ascending int32."""
        return self.articles[self.start[user] : self.start[user + 1]]

    def counts(self) -> np.ndarray:
        """Number of articles per user: (users,) int64."""
        return np.diff(self.start)

    @cached_property
    def keys(self) -> np.ndarray:
        """One ascending int64 number a pair: user × n_articles + article."""
        users = np.repeat(np.arange(len(self.start) - 1, dtype=np.int64), self.counts())
        return users * self.n_articles + self.articles

    def contains(self, users: np.ndarray, articles: np.ndarray) -> np.ndarray:
        """Whether each (user, article) pair is in the set: bool, of the two arrays' broadcast shape."""
        wanted = users.astype(np.int64) * self.n_articles + articles
        if not len(self.keys):
            return np.zeros(wanted.shape, dtype=bool)
        found = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return self.keys[found] == wanted

    def flat(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All articles of `users`, as (position in `users`, article) pairs: two arrays of equal length."""
        rows, places = self.places(users)
        return rows, self.articles[places]

    def places(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with the place of each pair in `articles` instead of the article."""
        counts = self.start[users + 1] - self.start[users]
        rows = np.repeat(np.arange(len(users)), counts)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, np.repeat(self.start[users], counts) + offsets
