"""Questions asked of a finished run: measure it again another way, or recall for any user."""

import numpy as np
import pandas as pd

from dssm_core.baselines import BASELINES
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.evaluation import Evaluation, evaluate
from dssm_core.export import read_vectors
from dssm_core.indexes import INDEXES
from dssm_core.popularity import train_clicks
from dssm_core.recommender import Recommender
from dssm_core.retrieval import VectorRecommender
from dssm_core.runs import Run
from dssm_core.split import Split, make_split
from dssm_core.workspace import Workspace, load_dataset


def evaluate_run(workspace: Workspace, run: Run, config: Config) -> Evaluation:
    """Measure a finished run again, without training, under another `config.eval` or `config.index`."""
    dataset, split, recommender = _reopen(workspace, run, config)
    return evaluate(recommender, dataset, split, config)


def recall_user(workspace: Workspace, run: Run, user_id: str, k: int) -> dict:
    """One user's `k` best articles and what became of each held-out click, with raw ids.

    Returns {"run", "user", "recall": [{"rank", "article_id", "score", "hit"}], "held_out": [{"article_id", "rank",
    "reason"}]}; a held-out click's rank is its exact rank, 0 where it does not qualify. Read from the run's files where
    they hold the user and lists long enough; else computed.
    """
    held_out = run.held_out()
    dataset = load_dataset(workspace, run.dataset)
    user = dataset.user_row(user_id)
    listed = run.recall().query("user == @user")
    if not len(listed) or k > max(run.config.eval.k):
        _, _, recommender = _reopen(workspace, run, run.config, dataset)
        listed = _listed(recommender, user, k, held_out)
    ids = dataset.articles["article_id"].to_numpy(dtype=object)
    mine = held_out.query("user == @user")
    return {
        "run": run.id,
        "user": user_id,
        "recall": [
            {"rank": int(row.rank), "article_id": ids[row.article], "score": float(row.score), "hit": bool(row.hit)}
            for row in listed.query("rank <= @k").itertuples()
        ],
        "held_out": [
            {"article_id": ids[row.article], "rank": int(row.exact_rank), "reason": row.reason}
            for row in mine.itertuples()
        ],
    }


def _reopen(
    workspace: Workspace, run: Run, config: Config, dataset: Dataset | None = None
) -> tuple[Dataset, Split, Recommender]:
    """The dataset, split and recommender of a finished run, its index built as `config` says."""
    if not run.finished:
        raise UserError(f"run {run.id} is {run.state().state}: wait until it is finished, or train again")
    dataset = dataset or load_dataset(workspace, run.dataset)
    split = make_split(dataset, config.split, config.pool)
    if config.model != "two_tower":
        return dataset, split, BASELINES[config.model](dataset, split, config, np.random.default_rng(config.seed))
    (_, user_vectors), (pool, pool_vectors) = read_vectors(run, "users"), read_vectors(run, "articles")
    seen = train_clicks(dataset, split) if config.pool.remove_seen else None
    index = INDEXES[config.index.kind](pool_vectors, config.index)
    return dataset, split, VectorRecommender(user_vectors, pool, pool_vectors, index, seen, len(dataset.articles))


def _listed(recommender: Recommender, user: int, k: int, held_out: pd.DataFrame) -> pd.DataFrame:
    lists = recommender.recall(np.array([user], np.int32), k)
    articles, scores = lists.articles[0], lists.scores[0]
    clicked = held_out.loc[held_out["user"] == user, "article"]
    frame = pd.DataFrame({"rank": np.arange(1, k + 1), "article": articles, "score": scores})
    return frame.assign(hit=np.isin(articles, clicked))[articles > 0]
