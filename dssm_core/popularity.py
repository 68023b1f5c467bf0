"""How often each article was shown and clicked in train, and who clicked what: never a row of validation or test."""

from dataclasses import dataclass

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.dataset import Dataset
from dssm_core.split import Split


@dataclass(frozen=True)
class Popularity:
    """Exposures and clicks of every article in train: two (n_articles,) int64 arrays, by row of the articles table."""

    exposures: np.ndarray
    clicks: np.ndarray

    @classmethod
    def in_train(cls, dataset: Dataset, split: Split) -> "Popularity":
        """Count the rows of `split.train`; repeated clicks count each time."""
        n = len(dataset.articles)
        shown = dataset.exposures.article[split.train]
        clicked = shown[dataset.exposures.click[split.train]]
        return cls(np.bincount(shown, minlength=n), np.bincount(clicked, minlength=n))

    def order(self, articles: np.ndarray) -> np.ndarray:
        """`articles` by clicks, ties by exposures, then by lower row: most popular first."""
        return articles[np.lexsort((articles, -self.exposures[articles], -self.clicks[articles]))]


def seen_clicks(dataset: Dataset, split: Split) -> UserArticles:
    """The articles each user clicked before the test, validation clicks too: what `remove_seen` takes out."""
    return _clicks_of(dataset, np.concatenate([split.train, split.validation]))


def train_clicks(dataset: Dataset, split: Split) -> UserArticles:
    """The articles each user clicked in train: what a model may learn from."""
    return _clicks_of(dataset, split.train)


def later_clicks(dataset: Dataset, split: Split) -> UserArticles:
    """The articles each user clicked in validation and test: what no strategy may know, and none should draw."""
    return _clicks_of(dataset, np.concatenate([split.validation, split.test]))


def _clicks_of(dataset: Dataset, rows: np.ndarray) -> UserArticles:
    exposures = dataset.exposures
    rows = rows[exposures.click[rows]]
    return UserArticles.from_pairs(
        exposures.user[rows], exposures.article[rows], len(dataset.users), len(dataset.articles)
    )
