"""Counts the negatives that their own user clicks later. Training is not told of them: they are for people to see."""

import numpy as np

from dssm_core.clicks import UserArticles


class FalseNegatives:
    """How often each later click was among the negatives of its user's clicks.

    `later`: each user's clicks in validation and test. Those that the user clicked in train too are not counted: they
    are never drawn, or are masked. Of `in_batch_hard` the whole batch counts, not only the hardest.
    """

    def __init__(self, later: UserArticles, clicked: UserArticles):
        users = np.repeat(np.arange(len(later.start) - 1), later.counts())
        new = ~clicked.contains(users, later.articles)
        self._later = UserArticles.from_pairs(users[new], later.articles[new], len(later.start) - 1, later.n_articles)
        self._times = np.zeros(len(self._later.articles), np.int32)
        self._standing = np.zeros(later.n_articles, np.int32)
        self._negatives = self._false = 0

    def count(self, users: np.ndarray, columns: np.ndarray, own: np.ndarray, in_batch: bool) -> None:
        """Note the negatives of a batch: `columns` (n,) of all clicks of `users` (B,), `own` (B, k) of each; 0 is none.

        `in_batch`: the clicked articles stand among the columns, each of which is no negative of its own click.
        """
        self._negatives += len(users) * (np.count_nonzero(columns) - in_batch) + np.count_nonzero(own)
        self._false += self._count_columns(users, columns) + self._count_own(users, own)

    def epoch_share(self) -> float | None:
        """The share of the negatives since it was last asked for that their user clicks later; None without any."""
        share = self._false / self._negatives if self._negatives else None
        self._negatives = self._false = 0
        return share

    def times(self, users: np.ndarray, articles: np.ndarray) -> np.ndarray:
        """How often each (user, article) was a negative of the user's clicks: (m,) int32, 0 for what is not watched."""
        places, known = self._places(users, articles)
        times = np.zeros(len(users), np.int32)
        times[known] = self._times[places[known]]
        return times

    def state(self) -> dict[str, np.ndarray]:
        """All that was counted so far."""
        return {"times": self._times.copy(), "sums": np.array([self._negatives, self._false])}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self._times = state["times"]
        self._negatives, self._false = map(int, state["sums"])

    def _count_columns(self, users: np.ndarray, columns: np.ndarray) -> int:
        np.add.at(self._standing, columns, 1)
        places = self._later.places(users)[1]
        times = self._standing[self._later.articles[places]]
        self._standing[columns] = 0
        np.add.at(self._times, places, times)
        return int(times.sum())

    def _count_own(self, users: np.ndarray, own: np.ndarray) -> int:
        rows = np.flatnonzero(self._later.counts()[users]) if own.size else np.zeros(0, np.int64)
        places, known = self._places(np.repeat(users[rows], own.shape[1]), own[rows].ravel())
        np.add.at(self._times, places[known], 1)
        return int(known.sum())

    def _places(self, users: np.ndarray, articles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each pair stands among those watched, and whether it is one of them."""
        known = self._later.contains(users, articles)
        return np.searchsorted(self._later.keys, users.astype(np.int64) * self._later.n_articles + articles), known
