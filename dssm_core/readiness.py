"""Refuses, before anything slow, a config that its dataset cannot supply."""

from dataclasses import replace

from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.earlier import earlier_run, first_stage, needs_earlier, sketch, stand_in
from dssm_core.features import check_features
from dssm_core.negatives import make_strategy
from dssm_core.split import make_split
from dssm_core.strategy import batch_size
from dssm_core.train_counts import TrainCounts, count_train
from dssm_core.workspace import Workspace


def check(workspace: Workspace, dataset: Dataset, config: Config) -> None:
    """Raise the UserError that a run of this config would fail with over its split, its features or its negatives."""
    split = make_split(dataset, config.split, config.pool)
    if config.model == "two_tower":
        check_features(dataset, config.features)
        check_negatives(workspace, dataset.id, config, count_train(dataset, split))


def check_negatives(workspace: Workspace, dataset_id: str, config: Config, counts: TrainCounts) -> None:
    """The same over the negatives alone: of both stages, where there are two."""
    if first_stage(config, len(counts.pool)):
        counts = replace(counts, earlier=stand_in(counts))
    elif needs_earlier(config):
        earlier = earlier_run(workspace, dataset_id, config, counts.clicked)
        counts = replace(counts, earlier=sketch(earlier, counts.pool))
    batch = batch_size(config.train.batch_size, int(counts.clicks.sum()))
    make_strategy(counts, config.negatives).sizes(config.negatives, batch)
