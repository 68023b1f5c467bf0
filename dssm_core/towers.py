"""The networks that map one side's embedded fields to a vector."""

from collections.abc import Callable

import keras

from dssm_core.config import TowerConfig
from dssm_core.deep_libraries import DNN


def dssm(n_fields: int, embedding_dim: int, config: TowerConfig, seed: int) -> keras.Model:
    """DSSM (Huang et al., 2013) over DeepCTR's `DNN`: (batch, fields, embedding_dim) → (batch, dim), not yet unit
    length.

    Without hidden layers the fields' embeddings are summed (LightFM; Kula, 2015), and dim is `embedding_dim`.
    """
    embedded = keras.Input((n_fields, embedding_dim))
    if not config.hidden:
        return keras.Model(embedded, keras.ops.sum(embedded, axis=1))
    flat = keras.layers.Flatten()(embedded)
    layers = DNN(
        [*config.hidden, config.dim],
        activation=config.activation,
        dropout_rate=config.dropout,
        output_activation="linear",
        seed=seed,
    )
    return keras.Model(embedded, layers(flat))


TOWERS: dict[str, Callable[[int, int, TowerConfig, int], keras.Model]] = {"dssm": dssm}
"""Towers trained by our own step; `deepmatch`, which trains by itself, is in deepmatch_learner.py."""
