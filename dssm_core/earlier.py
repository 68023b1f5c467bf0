"""Reads the earlier run that hard negatives are mined from, and refuses one that has seen what must stay unseen."""

from dataclasses import replace

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.config import FIRST_STAGE, Config
from dssm_core.errors import UserError
from dssm_core.export import read_vectors
from dssm_core.mining import EarlierRun
from dssm_core.runs import Run, open_run
from dssm_core.train_counts import TrainCounts
from dssm_core.workspace import Workspace

_STAND_IN_POOL = 10_000
"""As many articles as there are ranks that can be asked for."""


def needs_earlier(config: Config) -> bool:
    """Whether a config mines its negatives from another run's vectors."""
    return "mined" in (config.negatives.strategy, config.negatives.blend) and config.negatives.run != FIRST_STAGE


def first_stage(config: Config, pool: int) -> Config | None:
    """The config of the run to train first and mine from, in-batch; None where there is no such stage.

    A UserError where its train pool, of `pool` articles, ends before the ranks to mine.
    """
    if config.negatives.run != FIRST_STAGE or "mined" not in (config.negatives.strategy, config.negatives.blend):
        return None
    if pool < config.negatives.rank_from:
        raise UserError(
            f"the train pool has {pool} articles, so none is at rank {config.negatives.rank_from}: "
            "lower negatives.rank_from and negatives.rank_to"
        )
    easy = config.negatives.model_copy(update={"strategy": "in_batch", "blend": None, "run": ""})
    return config.model_copy(update={"negatives": easy})


def stand_in(counts: TrainCounts) -> EarlierRun:
    """An earlier run that knows nothing, to try a config on before the run that it will mine is trained."""
    pool = counts.pool[:_STAND_IN_POOL]
    users = np.zeros((len(counts.clicked.start) - 1, 1), np.float32)
    some = np.flatnonzero(counts.clicked.counts())[:1].astype(np.int32)
    return EarlierRun("of the first stage", users, pool, np.ones((len(pool), 1), np.float32), some)


def sketch(earlier: EarlierRun, train_pool: np.ndarray) -> EarlierRun:
    """So much of an earlier run as tells whether it can be mined: one user, and as many articles as may be ranked."""
    some = np.flatnonzero(np.isin(earlier.pool, train_pool))[:_STAND_IN_POOL]
    return replace(earlier, users=earlier.users[:1], pool=earlier.pool[some], pool_vectors=earlier.pool_vectors[some])


def earlier_run(workspace: Workspace, dataset_id: str, config: Config, clicked: UserArticles) -> EarlierRun:
    """The vectors of the run that `negatives.run` names, to mine for every user with a train click.

    A UserError for a run of another dataset or split (it may have trained on clicks that are held out here), for one
    that is not finished, and for a baseline, which has no vectors.
    """
    run = open_run(workspace, config.negatives.run)
    _check(run, dataset_id, config)
    (_, user_vectors), (pool, pool_vectors) = read_vectors(run, "users"), read_vectors(run, "articles")
    return EarlierRun(run.id, user_vectors, pool, pool_vectors, np.flatnonzero(clicked.counts()).astype(np.int32))


def _check(run: Run, dataset_id: str, config: Config) -> None:
    wanted = "set negatives.run to a finished two-tower run of the same dataset and split"
    if not run.finished:
        raise UserError(f"run {run.id} is {run.state().state} and cannot be mined: {wanted}")
    if run.model != "two_tower":
        raise UserError(f"run {run.id} is the baseline {run.model}, which has no vectors to mine: {wanted}")
    if run.dataset != dataset_id:
        raise UserError(f"run {run.id} is of dataset {run.dataset}, not of {dataset_id}: {wanted}")
    if run.config.split != config.split:
        raise UserError(f"run {run.id} was split another way, so it may know clicks that are held out here: {wanted}")
