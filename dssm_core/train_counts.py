"""What the strategies know of train: its pool, how often each article was shown and clicked, and by whom."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from dssm_core.clicks import UserArticles
from dssm_core.dataset import Dataset
from dssm_core.mining import EarlierRun
from dssm_core.popularity import Popularity, train_clicks
from dssm_core.split import Split


@dataclass(frozen=True)
class TrainCounts:
    """Counts of the train rows alone.

    `pool`: C, the articles of the training period, ascending int32. `exposures` n(a) and `clicks` c(a): (articles,)
    int64. `clicked`: each user's train clicks; `exposed`: what each user was shown in train and never clicked there.
    `users`, `articles`: the dataset's tables, for strategies that look at attributes. `earlier`: the run that `mined`
    takes its hard negatives from.
    """

    pool: np.ndarray
    exposures: np.ndarray
    clicks: np.ndarray
    clicked: UserArticles
    exposed: UserArticles
    users: pd.DataFrame = field(default_factory=pd.DataFrame)
    articles: pd.DataFrame = field(default_factory=pd.DataFrame)
    earlier: EarlierRun | None = None


def count_train(dataset: Dataset, split: Split) -> TrainCounts:
    """Count exposures and clicks of the train rows."""
    users, articles = dataset.exposures.user[split.train], dataset.exposures.article[split.train]
    clicked, popularity = train_clicks(dataset, split), Popularity.in_train(dataset, split)
    never = ~dataset.exposures.click[split.train]
    never[never] = ~clicked.contains(users[never], articles[never])
    exposed = UserArticles.from_pairs(users[never], articles[never], len(dataset.users), len(dataset.articles))
    return TrainCounts(
        split.train_pool,
        popularity.exposures,
        popularity.clicks,
        clicked,
        exposed,
        dataset.users,
        dataset.articles,
    )
