"""A strategy as the Sampling lab turns it: the knobs that matter for it, and the config that Train starts it with."""

from typing import Any

from pydantic import ValidationError

from dssm_core.config import (
    DRAWN_PER_CLICK,
    IN_BATCH,
    Config,
    NegativesConfig,
    SplitConfig,
    flatten,
    unflatten,
)
from dssm_core.negatives import STRATEGIES
from dssm_core.presets import PRESETS

SHOWN_IN_BATCH = 10
"""How many of the batch's other positives are shown for a click: in training it meets them all."""

_OWN = {
    "popularity": ("alpha",),
    "same_attribute": ("attribute",),
    "mined": ("run", "rank_from", "rank_to", "hard_share"),
    "mixed": ("blend_share",),
    "cross_batch": ("memory",),
    "in_batch_hard": ("hardest",),
}
_ALONE = ("funrec_mix", "mixed")
"""Strategies that are blends themselves."""


def nearest_preset(strategy: str) -> str:
    """The preset that Train starts from: the first with this strategy, else the plain one of its kind."""
    with_it = (
        name
        for name, preset in PRESETS.items()
        if preset.config.model == "two_tower" and preset.config.negatives.strategy == strategy
    )
    return next(with_it, "in_batch" if strategy in IN_BATCH else "uniform")


def starting_knobs(strategy: str) -> dict[str, Any]:
    """Each key of the negatives as the nearest preset has it."""
    negatives = PRESETS[nearest_preset(strategy)].config.negatives
    # Train's preset may train the run to mine from as a first stage; here there is nothing to show before it is trained
    return {**negatives.model_dump(), "run": ""}


def read_knob(name: str, text: str) -> Any:
    """The value that a text stands for, of a key of the negatives; None for one that the key cannot have."""
    try:
        return getattr(NegativesConfig.model_validate_strings({name: text}), name)
    except ValidationError:
        return None


def blends(strategy: str) -> list[str]:
    """The strategies that may be blended in."""
    if strategy in _ALONE:
        return []
    return [
        name
        for name in STRATEGIES
        if name != strategy and name not in _ALONE and not (strategy in IN_BATCH and name in IN_BATCH)
    ]


def mattering(strategy: str, blend: str | None) -> list[str]:
    """The keys of the negatives that change what this strategy draws or trains on, but the blend itself."""
    own = [*_OWN.get(strategy, ()), *(_OWN.get(blend, ()) if blend else ())]
    in_batch = strategy in IN_BATCH or blend in IN_BATCH
    return [*([] if in_batch else ["k"]), *own, *(["blend_share"] if blend else [])]


def train_config(strategy: str, knobs: dict[str, Any], split: SplitConfig, pool: int) -> Config:
    """The config that trains with this strategy: the nearest preset's with `knobs` (of the negatives) turned.

    A preset's set of negatives shared by the batch is kept only while k is the preset's own, which it stands in for,
    and while it fits the `pool` of so many articles. A UserError names knobs that do not go together.
    """
    preset = PRESETS[nearest_preset(strategy)].config
    negatives = {**preset.negatives.model_dump(), "strategy": strategy, **knobs}
    kinds = (strategy, negatives["blend"])
    per_click = any(kind in (*DRAWN_PER_CLICK, *IN_BATCH) for kind in kinds)
    if per_click or negatives["k"] != preset.negatives.k or negatives["shared"] >= pool:
        negatives["shared"] = 0
    sections = {"negatives": negatives, "split": split.model_dump()}
    changed = {f"{section}.{key}": value for section, keys in sections.items() for key, value in keys.items()}
    return unflatten(flatten(preset) | changed)


def label(config: Config) -> str:
    """What a strategy is called beside others: its name, with what is blended in."""
    negatives = config.negatives
    return negatives.strategy + (f" + {negatives.blend_share:.3g} {negatives.blend}" if negatives.blend else "")


def shown_per_click(config: Config) -> int:
    """How many negatives are drawn for a click to be looked at."""
    kinds = (config.negatives.strategy, config.negatives.blend)
    return SHOWN_IN_BATCH if any(kind in IN_BATCH for kind in kinds) else config.negatives.k
