"""What the Sampling lab draws, remembered by dataset, split and settings until one of them changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.earlier import earlier_run, needs_earlier
from dssm_core.inspection import (
    Shares,
    TrainFacts,
    decile_shares,
    measure_shares,
    mined_for_one,
    sample_clicks,
)
from dssm_core.mining import EarlierRun
from dssm_core.negatives import make_strategy
from dssm_core.strategy import Strategy
from dssm_core.train_counts import count_train
from dssm_core.workspace import Workspace
from lab import loading, strategies

DRAWS = 20_000
"""About as many draws the shares are measured on."""
MINED_USERS = 500
"""Hard negatives are mined for this many users only: enough for the shares, and quick."""


def facts(space: Workspace, data: Dataset, config: Config) -> TrainFacts:
    """What train says of articles and users, under a config's split."""
    return _facts(*_keys(space, data, config), data, space, config)


def strategy(space: Workspace, data: Dataset, config: Config) -> Strategy:
    """A config's strategy, ready to draw; `mined` ones for a sample of users alone. A UserError if it cannot be had."""
    return _strategy(*_settled(space, data, config), data, space, config)


def shares(space: Workspace, data: Dataset, config: Config) -> Shares:
    """What a fixed sample of the strategy's draws is like."""
    return _shares(*_settled(space, data, config), data, space, config)


def deciles(space: Workspace, data: Dataset, configs: dict[str, Config]) -> pd.DataFrame:
    """Where on the scale of popularity the draws of several strategies fall, as inspection.decile_shares gives it."""
    some = facts(space, data, next(iter(configs.values())))
    return decile_shares(some, {name: strategy(space, data, config).probability for name, config in configs.items()})


def for_click(space: Workspace, data: Dataset, config: Config, user: int, place: int, seed: int) -> np.ndarray:
    """The articles drawn for one of a user's train clicks, the `place`-th in the order of time: (k,) or fewer, int32.

    Drawn for all of the user's clicks together, as training does, since `funrec_mix` spreads draws over them.
    """
    some = facts(space, data, config)
    wanted = _for_user(space, data, config, user) if needs_earlier(config) else strategy(space, data, config)
    users, positives = some.clicks_of(np.array([user]))
    rng = np.random.default_rng([seed, user])
    drawn = wanted.draw(users, positives, strategies.shown_per_click(config), rng).articles[place]
    return drawn[drawn > 0]


def _for_user(space: Workspace, data: Dataset, config: Config, user: int) -> Strategy:
    some = facts(space, data, config)
    earlier = mined_for_one(_earlier_of(space, data, config), some.counts, user, config.negatives.rank_to)
    return make_strategy(replace(some.counts, earlier=earlier), _own_draws(config))


def _own_draws(config: Config):
    """The negatives with k for each click, even where training would share a set: q is the same."""
    return config.negatives.model_copy(update={"shared": 0})


def _keys(space: Workspace, data: Dataset, config: Config) -> tuple[str, str]:
    return loading.stamp(space.dataset_folder(data.id)), loading.split_key(config)


def _settled(space: Workspace, data: Dataset, config: Config) -> tuple[str, str, str, str]:
    run = loading.stamp(space.run_folder(config.negatives.run)) if needs_earlier(config) else ""
    return (*_keys(space, data, config), _own_draws(config).model_dump_json(), run)


def _earlier_of(space: Workspace, data: Dataset, config: Config) -> EarlierRun:
    run = loading.stamp(space.run_folder(config.negatives.run))
    return _earlier(*_keys(space, data, config), run, data, space, config)


@st.cache_resource(max_entries=4, show_spinner=False)
def _facts(stamp: str, key: str, _data: Dataset, _space: Workspace, _config: Config) -> TrainFacts:
    split = loading.split(_data, _space, _config)
    return TrainFacts.of(_data, split, count_train(_data, split))


@st.cache_resource(max_entries=4, show_spinner=False)
def _earlier(stamp: str, key: str, run: str, _data: Dataset, _space: Workspace, _config: Config) -> EarlierRun:
    some = facts(_space, _data, _config)
    earlier = earlier_run(_space, _data.id, _config, some.counts.clicked)
    return replace(earlier, users=np.sort(some.users[:MINED_USERS]))


@st.cache_resource(max_entries=64, show_spinner=False)
def _strategy(
    stamp: str, key: str, settings: str, run: str, _data: Dataset, _space: Workspace, _config: Config
) -> Strategy:
    counts = facts(_space, _data, _config).counts
    if needs_earlier(_config):
        counts = replace(counts, earlier=_earlier_of(_space, _data, _config))
    return make_strategy(counts, _own_draws(_config))


@st.cache_resource(max_entries=256, show_spinner=False)
def _shares(
    stamp: str, key: str, settings: str, run: str, _data: Dataset, _space: Workspace, _config: Config
) -> Shares:
    some, k = facts(_space, _data, _config), strategies.shown_per_click(_config)
    users = some.users[:MINED_USERS] if needs_earlier(_config) else some.users
    clicks = sample_clicks(some, DRAWS, k, users)
    return measure_shares(strategy(_space, _data, _config), some, *clicks, k, np.random.default_rng(0))
