"""The clicks to learn from and to validate on, each with what its user had clicked before."""

from dataclasses import dataclass

import numpy as np

from dssm_core.dataset import Dataset
from dssm_core.split import Split
from dssm_core.train_counts import TrainCounts


@dataclass(frozen=True)
class Clicks:
    """Clicks as (n,) int32 rows of users and of the articles they clicked.

    `before` (n, 2) int32: where the user's train clicks before this one begin and end in `History.articles`.
    """

    users: np.ndarray
    articles: np.ndarray
    before: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def at(self, rows: np.ndarray | slice) -> "Clicks":
        """Some of the clicks."""
        return Clicks(self.users[rows], self.articles[rows], self.before[rows])

    def and_then(self, more: "Clicks") -> "Clicks":
        """These clicks, followed by others."""
        return Clicks(
            np.concatenate([self.users, more.users]),
            np.concatenate([self.articles, more.articles]),
            np.concatenate([self.before, more.before]),
        )


@dataclass(frozen=True)
class History:
    """The train clicks of all users, each user's together and in the order of time (of the log, where it has no times).

    `articles` (clicks,) int32. `spans` (users rows, 2) int32: where each user's begin and end.
    """

    articles: np.ndarray
    spans: np.ndarray


@dataclass(frozen=True)
class TrainingData:
    """Everything that training reads of a dataset, none of it from validation or test but the clicks to validate on."""

    clicks: Clicks
    validation: Clicks
    history: History
    counts: TrainCounts

    @classmethod
    def of(cls, dataset: Dataset, split: Split, counts: TrainCounts) -> "TrainingData":
        """Take the clicks of the train and validation rows."""
        exposures = dataset.exposures
        train = split.train[exposures.click[split.train]]
        users = exposures.user[train]
        edges = np.searchsorted(users, np.arange(len(dataset.users) + 1)).astype(np.int32)
        history = History(exposures.article[train], np.stack([edges[:-1], edges[1:]], axis=1))

        def clicks(rows: np.ndarray) -> Clicks:
            before = _strictly_before(exposures.user[rows], _times(dataset, rows), users, _times(dataset, train))
            spans = np.stack([edges[exposures.user[rows]], before], axis=1).astype(np.int32)
            return Clicks(exposures.user[rows], exposures.article[rows], spans)

        return cls(clicks(train), clicks(split.validation), history, counts)


def _times(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """When each exposure was; its place in the log where that has no times."""
    return rows if dataset.exposures.time is None else dataset.exposures.time[rows]


def _strictly_before(
    users: np.ndarray, times: np.ndarray, train_users: np.ndarray, train_times: np.ndarray
) -> np.ndarray:
    """The place behind the last train click of each of `users` before each of `times`: (n,) int64.

    Train clicks are sorted by user, then time.
    """
    order = np.lexsort(
        (np.r_[np.zeros(len(users)), np.ones(len(train_users))], np.r_[times, train_times], np.r_[users, train_users])
    )
    is_train = order >= len(users)
    passed = np.cumsum(is_train)
    before = np.empty(len(users), np.int64)
    before[order[~is_train]] = passed[~is_train]
    return before
