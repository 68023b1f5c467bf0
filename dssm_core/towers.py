"""The networks that map one side's embedded fields to a vector."""

from collections.abc import Callable

import keras
import numpy as np

from dssm_core.config import TowerConfig
from dssm_core.deep_libraries import DNN, SENETLayer

_REDUCTION = 3
"""Fields per hidden unit of a gate: DeepCTR's default, and FiBiNET's."""


def dssm(n_fields: int, embedding_dim: int, config: TowerConfig, seed: int) -> keras.Model:
    """DSSM (Huang et al., 2013) over DeepCTR's `DNN`: (batch, fields, embedding_dim) → (batch, dim), not yet unit
    length.

    Without hidden layers the fields' embeddings are summed (LightFM; Kula, 2015), and dim is `embedding_dim`.
    """
    embedded = keras.Input((n_fields, embedding_dim))
    return keras.Model(embedded, _vectors(embedded, config, seed))


def senet(n_fields: int, embedding_dim: int, config: TowerConfig, seed: int) -> keras.Model:
    """`dssm` behind a gate that weighs each field by what all fields say (FiBiNET; Huang et al., RecSys 2019).

    `config.gate` names the gate, one of `GATES`.
    """
    embedded = keras.Input((n_fields, embedding_dim))
    gated = GATES[config.gate](n_fields, seed)(embedded)
    return keras.Model(embedded, _vectors(gated, config, seed))


def youtube(n_fields: int, embedding_dim: int, config: TowerConfig, seed: int) -> keras.Model:
    """YouTube's candidate network (Covington et al., RecSys 2016): `dssm`, of whose fields some are the user's last
    clicks. two_tower.py adds those.
    """
    return dssm(n_fields, embedding_dim, config, seed)


def _vectors(embedded: keras.KerasTensor, config: TowerConfig, seed: int) -> keras.KerasTensor:
    if not config.hidden:
        return keras.ops.sum(embedded, axis=1)
    flat = keras.layers.Flatten()(embedded)
    layers = DNN(
        [*config.hidden, config.dim],
        activation=config.activation,
        dropout_rate=config.dropout,
        output_activation="linear",
        seed=seed,
    )
    return layers(flat)


class SigmoidGate(keras.layers.Layer):
    """Multiplies each field's embedding by 2 · sigmoid of a small network over all fields' means, so by 0 to 2.

    Squeeze: the mean of each field's embedding. Excite: max(1, fields // 3) ReLU units, then one output a field. The
    output layer starts at 0, and so every gate at 1: training starts as `dssm`'s does, and no field is cut off before
    it could be learned, as DeepCTR's ReLU does.
    """

    def __init__(self, n_fields: int, seed: int):
        super().__init__()
        initial = keras.initializers.GlorotNormal(seed)
        self._hidden = keras.layers.Dense(max(1, n_fields // _REDUCTION), "relu", kernel_initializer=initial)
        self._output = keras.layers.Dense(n_fields, "sigmoid", kernel_initializer="zeros")

    def gates(self, embedded: keras.KerasTensor) -> keras.KerasTensor:
        """What each field is multiplied by: (batch, fields, embedding_dim) → (batch, fields)."""
        return 2 * self._output(self._hidden(keras.ops.mean(embedded, axis=2)))

    def call(self, embedded: keras.KerasTensor) -> keras.KerasTensor:
        """The gated fields, (batch, fields, embedding_dim)."""
        return embedded * self.gates(embedded)[:, :, None]


class DeepCtrGate(keras.layers.Layer):
    """DeepCTR's `SENETLayer`: ReLU(ReLU(means · W₁) · W₂), so 0 or more. It refuses a single field, which passes as is.

    Its own initial weights differ from one layer to the next under the same seed (TensorFlow 1's initializer). They
    are drawn anew here, from the same distribution.
    """

    def __init__(self, n_fields: int, seed: int):
        super().__init__()
        self._n_fields, self._seed = n_fields, seed
        self._senet = SENETLayer(_REDUCTION)

    def build(self, shape: tuple) -> None:
        """Draw the weights of the gate."""
        if self._n_fields == 1:
            return
        self._senet.build([(shape[0], 1, shape[2])] * self._n_fields)
        for i, weight in enumerate((self._senet.W_1, self._senet.W_2)):
            weight.assign(keras.initializers.GlorotNormal(self._seed + i)(weight.shape))

    def gates(self, embedded: keras.KerasTensor) -> keras.KerasTensor:
        """What each field is multiplied by: (batch, fields, embedding_dim) → (batch, fields)."""
        means = keras.ops.mean(embedded, axis=2)
        if self._n_fields == 1:
            return keras.ops.ones_like(means)
        hidden = keras.ops.relu(keras.ops.matmul(means, self._senet.W_1))
        return keras.ops.relu(keras.ops.matmul(hidden, self._senet.W_2))

    def call(self, embedded: keras.KerasTensor) -> keras.KerasTensor:
        """The gated fields, (batch, fields, embedding_dim)."""
        if self._n_fields == 1:
            return embedded
        return keras.ops.concatenate(self._senet(keras.ops.split(embedded, self._n_fields, axis=1)), axis=1)


GATES: dict[str, type[SigmoidGate | DeepCtrGate]] = {"sigmoid": SigmoidGate, "deepctr": DeepCtrGate}
"""Gates of the `senet` tower."""

TOWERS: dict[str, Callable[[int, int, TowerConfig, int], keras.Model]] = {
    "dssm": dssm,
    "senet": senet,
    "youtube": youtube,
}
"""Towers trained by our own step; `deepmatch`, which trains by itself, is in deepmatch_learner.py."""


def gate_of(tower: keras.Model) -> SigmoidGate | DeepCtrGate | None:
    """The layer by which a tower weighs its fields; None for one that does not."""
    return next((layer for layer in tower.layers if isinstance(layer, tuple(GATES.values()))), None)


def field_weights(tower: keras.Model, embedded: keras.KerasTensor) -> np.ndarray | None:
    """Mean gate of each field, (fields,) float32, over embedded fields (batch, fields, embedding_dim).

    None for a tower without a gate.
    """
    gate = gate_of(tower)
    return None if gate is None else keras.ops.convert_to_numpy(keras.ops.mean(gate.gates(embedded), axis=0))
