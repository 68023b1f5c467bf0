"""Refuses, before anything slow, a config that its dataset cannot supply or that does not fit into memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dssm_core.baselines import check_baseline
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.earlier import earlier_run, first_stage, needs_earlier, sketch, stand_in
from dssm_core.errors import UserError
from dssm_core.features import (
    NO_FEATURES,
    SideSize,
    check_features,
    check_field_dims,
    field_names,
    seen_features,
    side_sizes,
)
from dssm_core.free_memory import free_bytes, held_bytes
from dssm_core.memory_bound import Need, check_fits
from dssm_core.memory_need import Scale, need_of_run
from dssm_core.negatives import make_strategy
from dssm_core.processes import is_locked, process_number
from dssm_core.split import Split, make_split
from dssm_core.strategy import Strategy, batch_size
from dssm_core.subsampling import keep_probability
from dssm_core.train_counts import TrainCounts, count_train
from dssm_core.workspace import Workspace


class Counted:
    """A dataset and what was counted of it for the configs so far: those of a sweep have most of it in common."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self._known: dict[tuple[str, ...], Any] = {}

    def split(self, config: Config) -> Split:
        """A config's split."""
        return self._once(lambda: make_split(self.dataset, config.split, config.pool), "split", *_cut(config))

    def counts(self, config: Config) -> TrainCounts:
        """What stands in a config's train."""
        return self._once(lambda: count_train(self.dataset, self.split(config)), "counts", *_cut(config))

    def scale(self, config: Config) -> Scale:
        """How much of everything a run of a config meets."""
        key = (*_cut(config), seen_features(config).model_dump_json())
        sides = NO_FEATURES
        if config.model == "two_tower":
            sides = self._once(lambda: self._sides(config), "sides", *key)
        return self._once(
            lambda: Scale.of(self.dataset, self.split(config), self.counts(config), *sides), config.model, *key
        )

    def _sides(self, config: Config) -> tuple[SideSize, SideSize]:
        users = np.bincount(self.dataset.exposures.user[self.split(config).train])
        in_train = np.count_nonzero(users), np.count_nonzero(self.counts(config).exposures)
        return side_sizes(self.dataset, seen_features(config), *in_train)

    def _once(self, make: Callable[[], Any], *key: str) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def check(workspace: Workspace, dataset: Dataset, config: Config) -> None:
    """Raise the UserError that a run of this config would fail with, over its log or for want of memory."""
    check_counted(workspace, Counted(dataset), config, room(workspace))


def check_counted(workspace: Workspace, counted: Counted, config: Config, free: int | None) -> Need:
    """The same over a dataset of which something is counted already. Returns what the run will hold in memory.

    `free`: bytes that it may hold; None for as many as it wants.
    """
    need_of = _need_of(workspace, counted, config)
    return need_of(config) if free is None else check_fits(config, need_of, free)


def need(workspace: Workspace, counted: Counted, config: Config) -> Need:
    """What a run of this config will hold in memory, free or not. A UserError for what the log cannot supply."""
    return _need_of(workspace, counted, config)(config)


def room(workspace: Workspace) -> int:
    """Bytes that a run may take when its turn has come: what is free, and what the runs at work will give back."""
    numbers = [process_number(folder) for folder in workspace.run_folders() if is_locked(folder)]
    return free_bytes(given_back=sum(held_bytes(number) for number in numbers if number))


def check_negatives(workspace: Workspace, dataset_id: str, config: Config, counts: TrainCounts) -> Strategy:
    """The strategy of the negatives, of both stages where there are two; it knows of an earlier run but the size.

    A UserError for what the log, or that run, cannot supply.
    """
    if first_stage(config, len(counts.pool)):
        counts = replace(counts, earlier=stand_in(counts))
    elif needs_earlier(config):
        earlier = earlier_run(workspace, dataset_id, config, counts.clicked)
        counts = replace(counts, earlier=sketch(earlier, counts.pool))
    strategy = make_strategy(counts, config.negatives)
    strategy.sizes(config.negatives, batch_size(config.train.batch_size, int(counts.clicks.sum())))
    return strategy


def _need_of(workspace: Workspace, counted: Counted, config: Config) -> Callable[[Config], Need]:
    """What a run of this config, with some knobs turned, will need; a UserError for what the log cannot supply."""
    strategy = None
    if config.model == "two_tower":
        check_features(counted.dataset, config.features)
        check_field_dims(config.tower.field_dims, field_names(counted.dataset, seen_features(config)))
        strategy = check_negatives(workspace, counted.dataset.id, config, counted.counts(config))
        _check_batch(config, counted.counts(config).clicks)
    else:
        check_baseline(config.model, counted.dataset, np.count_nonzero(counted.counts(config).clicks))
    scale = counted.scale(config)
    return lambda turned: need_of_run(turned, scale, strategy)


def _check_batch(config: Config, clicks: np.ndarray) -> None:
    """A step needs as many clicks as its batch has. `clicks`: of each article in train."""
    kept = round(float(clicks @ keep_probability(clicks, config.negatives.subsample)))
    if config.train.batch_size <= kept:
        return
    thinned = f" that negatives.subsample={config.negatives.subsample} leaves" if config.negatives.subsample else ""
    advice = f"set train.batch_size={kept} or less" if kept > 1 else "two are needed at least, so widen the train part"
    raise UserError(
        f"train.batch_size={config.train.batch_size} is more than the {kept:,} train clicks of this split{thinned}, "
        f"those to validate on taken out: {advice}"
    )


def _cut(config: Config) -> tuple[str, str]:
    return config.split.model_dump_json(), config.pool.model_dump_json()
