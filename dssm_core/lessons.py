"""What the lessons on recall are computed from: a log, its held-out clicks, and vectors or lists to measure on them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from dssm_core import linear_towers, recipe_mistakes
from dssm_core.clicks import UserArticles
from dssm_core.compare import recall_by_user
from dssm_core.config import IndexConfig
from dssm_core.dataset import Dataset
from dssm_core.evaluation import list_ranks
from dssm_core.indexes import INDEXES, Index, compare_with_exact
from dssm_core.intervals import bootstrap_means
from dssm_core.linear_towers import Clicks
from dssm_core.popularity import seen_clicks, train_clicks
from dssm_core.recommender import RecallLists
from dssm_core.retrieval import VectorRecommender
from dssm_core.split import Split

_RESAMPLES = 1000
_SEED = 0

Measured = dict[str, float]
"""A number with its 95 % interval: value, low, high."""


@dataclass(frozen=True)
class LessonLog:
    """A dataset, how it is split, and its held-out clicks (`held_out`: user, article, ascending).

    Recall is measured on these clicks, what a user clicked before the test taken out of the lists.
    """

    dataset: Dataset
    split: Split
    held_out: pd.DataFrame

    @cached_property
    def users(self) -> np.ndarray:
        """The users who are measured, ascending int32."""
        return self.held_out["user"].unique().astype(np.int32)

    @cached_property
    def seen(self) -> UserArticles:
        """What each user clicked before the test."""
        return seen_clicks(self.dataset, self.split)

    @cached_property
    def clicked(self) -> UserArticles:
        """What each user clicked in train."""
        return train_clicks(self.dataset, self.split)

    @cached_property
    def clicks(self) -> Clicks:
        """The distinct clicks of train, for `linear_towers`."""
        return Clicks(np.repeat(np.arange(len(self.dataset.users)), self.clicked.counts()), self.clicked.articles)

    def lists(self, user_vectors: np.ndarray, vectors: np.ndarray, k: int, index: Index | None = None) -> RecallLists:
        """The lists of the measured users from unit vectors of all users and of the pool's articles, both float32.

        `index`: of the articles' vectors, the exact one unless given.
        """
        index = index or INDEXES["exact"](vectors, IndexConfig())
        recommender = VectorRecommender(
            user_vectors, self.split.pool, vectors, index, self.seen, len(self.dataset.articles)
        )
        return recommender.recall(self.users, k)

    def ranked(self, lists: RecallLists) -> pd.DataFrame:
        """The held-out clicks with their place from 1 in the lists, 0 where absent, as `list_rank`."""
        users, articles = (self.held_out[side].to_numpy() for side in ("user", "article"))
        return self.held_out.assign(list_rank=list_ranks(lists, users, articles, len(self.dataset.articles)))

    def recalls(self, lists: RecallLists, k: int) -> np.ndarray:
        """Recall@k of each measured user: (users,) float64."""
        return recall_by_user(self.ranked(lists), [k])[:, 0]

    def lists_of(self, recall: pd.DataFrame, k: int) -> RecallLists:
        """The lists of the measured users from a run's recall.parquet (user, rank, article, score)."""
        mine = recall[(recall["rank"] <= k) & recall["user"].isin(self.users)]
        row, column = np.searchsorted(self.users, mine["user"]), mine["rank"].to_numpy() - 1
        articles = np.zeros((len(self.users), k), np.int32)
        scores = np.full((len(self.users), k), np.nan, np.float32)
        articles[row, column], scores[row, column] = mine["article"], mine["score"]
        return RecallLists(self.users, articles, scores)


def measured(*by_user: np.ndarray) -> list[Measured]:
    """The mean of each of some arrays over the same users, with a bootstrap interval."""
    ends = bootstrap_means(np.column_stack(by_user), _RESAMPLES, np.random.default_rng(_SEED))
    return [dict(zip(("value", "low", "high"), map(float, one), strict=True)) for one in zip(*ends, strict=True)]


@dataclass(frozen=True)
class TwoWays:
    """A recall as it should be and as it is with a mistake, and the paired difference of the two (mistake − right)."""

    right: Measured
    mistaken: Measured
    difference: Measured

    @classmethod
    def of(cls, right: np.ndarray, mistaken: np.ndarray) -> "TwoWays":
        """From the recalls of the same users."""
        return cls(*measured(right, mistaken, mistaken - right))


@dataclass(frozen=True)
class Towers:
    """Linear towers trained on a log: unit vectors of all users and of the pool's articles, both float32."""

    users: np.ndarray
    articles: np.ndarray


def trained_towers(log: LessonLog, k: int, shifted: bool = False) -> Towers:
    """Linear towers over ids and attributes, trained with `k` negatives a step.

    `shifted`: every user and article has the attributes of the one whose id comes before its own.
    """
    user_table, article_table = log.dataset.users, log.dataset.articles
    features = [
        linear_towers.one_hot(_with_attributes(table, key, attributes, shifted))
        for table, key, attributes in (
            (user_table, "user_id", log.dataset.user_attributes),
            (article_table, "article_id", _CATEGORIES),
        )
    ]
    rng = np.random.default_rng(_SEED)
    users, articles = linear_towers.train(*features, log.clicks, log.split.train_pool, k, rng)
    return Towers(users.astype(np.float32), articles[log.split.pool].astype(np.float32))


_CATEGORIES = ["cate", "sub_cate"]
"""The attributes of the articles' tower."""


def _with_attributes(table: pd.DataFrame, key: str, attributes: list[str], shifted: bool) -> pd.DataFrame:
    if not shifted:
        return table[[key, *attributes]]
    # row 0 is the unknown one, whose attributes the first id gets
    joined = np.maximum(recipe_mistakes.shifted_rows(table[key].to_numpy()), 0)
    return pd.concat([table[[key]], table[attributes].iloc[joined].reset_index(drop=True)], axis=1)


def pair_cosines(vectors: np.ndarray, most: int = 300) -> np.ndarray:
    """Cosines of all pairs of up to `most` unit vectors, spread evenly: (pairs,) float."""
    some = vectors[np.linspace(0, len(vectors) - 1, min(most, len(vectors))).astype(np.int64)]
    return (some @ some.T)[np.triu_indices(len(some), 1)]


def annoy_loss(log: LessonLog, towers: Towers, k: int, trees: int, search_ks: list[int]) -> pd.DataFrame:
    """What Annoy loses of the exact list of `k`: columns search_k, share_of_exact, value, low, high (recall@k)."""
    exact = INDEXES["exact"](towers.articles, IndexConfig())
    built = INDEXES["annoy"](towers.articles, IndexConfig(kind="annoy", trees=trees))
    rows = []
    for search_k in search_ks:
        index = built.searched(IndexConfig(kind="annoy", trees=trees, search_k=search_k))
        share = compare_with_exact(index, exact, towers.users[log.users], k)["share_of_exact"]
        recalls = log.recalls(log.lists(towers.users, towers.articles, k, index), k)
        rows.append({"search_k": search_k, "share_of_exact": share, **measured(recalls)[0]})
    return pd.DataFrame(rows)


def farthest_first(log: LessonLog, lists: RecallLists, k: int) -> TwoWays:
    """Recall@k of lists that are cut at `k`: nearest first, and as the recipe orders them. Scores are cosines."""
    return TwoWays.of(log.recalls(lists, k), log.recalls(turned(lists), k))


def turned(lists: RecallLists) -> RecallLists:
    """Lists whose scores are cosines as the recipe orders them."""
    return RecallLists(lists.users, recipe_mistakes.farthest_first(lists.articles, _distances(lists)), lists.scores)


def _distances(lists: RecallLists) -> np.ndarray:
    """Annoy's angular distances, from cosines."""
    return np.sqrt(np.maximum(2 - 2 * lists.scores, 0))


def distances_as_scores(log: LessonLog, lists: RecallLists, other: RecallLists, k: int) -> TwoWays:
    """Recall@k of `lists`, whose scores are cosines, merged with those of another channel: by cosine, by distance."""
    recalls = []
    for scores in (lists.scores, _distances(lists)):
        articles = recipe_mistakes.merged([(lists.articles, scores), (other.articles, other.scores)], k)
        empty = np.full(articles.shape, np.nan, np.float32)
        recalls.append(log.recalls(RecallLists(lists.users, articles.astype(np.int32), empty), k))
    return TwoWays.of(*recalls)


def own_click_shares(log: LessonLog, q: np.ndarray, dropped: int) -> pd.DataFrame:
    """The expected share of each user's negatives that they clicked themselves, drawn by `q` as the recipe does.

    Columns clicks (distinct, in train) and share, a row a user who clicked. Right: the share is 0.
    """
    clicks = _in_order(log)
    users, articles = clicks["user"].to_numpy(), clicks["article"].to_numpy()
    shares = recipe_mistakes.own_click_shares(q, users, articles, recipe_mistakes.still_excluded(users, dropped))
    counts = np.bincount(users)
    return pd.DataFrame({"clicks": counts[counts > 0], "share": shares[counts > 0]})


def _in_order(log: LessonLog) -> pd.DataFrame:
    """The distinct train clicks in the order of the log."""
    exposures = log.dataset.exposures
    rows = log.split.train[exposures.click[log.split.train]]
    table = pd.DataFrame({"user": exposures.user[rows], "article": exposures.article[rows]})
    # exposures are sorted by user, then time
    return table.drop_duplicates(["user", "article"])


def wrong_profiles(log: LessonLog, column: str) -> float:
    """The share of the train exposures that a shifted join gives another value of an article attribute."""
    table = log.dataset.articles
    joined = np.maximum(recipe_mistakes.shifted_rows(table["article_id"].to_numpy()), 0)
    differs = (table[column].to_numpy() != table[column].to_numpy()[joined])[log.dataset.exposures.article]
    return float(differs[log.split.train].mean())


def title_lengths(log: LessonLog) -> tuple[np.ndarray, np.ndarray]:
    """Letters in the title of the article of each exposure of train and of test: two int64 arrays."""
    letters = log.dataset.articles["title"].str.len().to_numpy()[log.dataset.exposures.article]
    return letters[log.split.train], letters[log.split.test]
