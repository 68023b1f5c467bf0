"""The two-tower model: an embedding table and a tower a side. Tables are plain variables, updated by row in step.py."""

import numpy as np
import tensorflow as tf

from dssm_core.config import TowerConfig
from dssm_core.features import Features, Side
from dssm_core.losses import unit
from dssm_core.towers import TOWERS

_EMBED_ROWS = 65_536
_INITIAL_SPREAD = 0.05


class TowerSide:
    """One side: `table` (table_rows, d), its Adagrad state (one number a row), and the tower over the fields."""

    def __init__(self, side: Side, config: TowerConfig, seed: int):
        dim = config.embedding_dim if config.hidden else config.dim
        self._widths = side.widths
        self._slots = tf.constant(side.slots)
        self._weights = tf.constant(side.weights)
        initial = tf.random.stateless_normal(
            (side.table_rows, dim), seed=(seed, side.table_rows), stddev=_INITIAL_SPREAD
        )
        self.table = tf.Variable(initial, trainable=False)
        self.accumulator = tf.Variable(tf.zeros(side.table_rows), trainable=False)
        self.tower = TOWERS[config.kind](len(self._widths), dim, config, seed)
        # ids stand first, so an id's "unknown" is the first row behind the padding
        self.id_slots = 1 if side.fields[0].name in ("user_id", "article_id") else 0
        self.unknown_id = side.fields[0].first_row

    def rows(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Slots (n, s) int32 and weights (n, s) float32 of table rows (n,) of the dataset."""
        return tf.gather(self._slots, rows), tf.gather(self._weights, rows)

    def vectors(self, embedded: tf.Tensor, weights: tf.Tensor, training: bool) -> tf.Tensor:
        """Unit vectors (n, dim) from the embedded slots (n, s, d) and their weights (n, s)."""
        weighted = embedded * weights[:, :, None]
        fields = [tf.reduce_sum(part, axis=1) for part in tf.split(weighted, self._widths, axis=1)]
        return unit(self.tower(tf.stack(fields, axis=1), training=training))

    @tf.function(jit_compile=False, reduce_retracing=True)
    def embed(self, rows: tf.Tensor) -> tf.Tensor:
        """Unit vectors (n, dim) of rows of the dataset's table."""
        slots, weights = self.rows(rows)
        return self.vectors(tf.gather(self.table, slots), weights, training=False)


class TwoTower:
    """Both sides, ready to train or to embed."""

    def __init__(self, features: Features, config: TowerConfig, seed: int):
        self.users = TowerSide(features.users, config, seed)
        self.articles = TowerSide(features.articles, config, seed + 1)

    def embed_users(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of user rows."""
        return _embed(self.users, rows)

    def embed_articles(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of article rows."""
        return _embed(self.articles, rows)

    @property
    def dense(self) -> list:
        """The towers' trainable variables."""
        return self.users.tower.trainable_variables + self.articles.tower.trainable_variables

    def weights(self) -> dict[str, np.ndarray]:
        """Everything trained, by name."""
        dense = {f"dense_{i}": variable.numpy() for i, variable in enumerate(self.dense)}
        return {"users": self.users.table.numpy(), "articles": self.articles.table.numpy(), **dense}

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Put back what `weights` returned."""
        self.users.table.assign(weights["users"])
        self.articles.table.assign(weights["articles"])
        for i, variable in enumerate(self.dense):
            variable.assign(weights[f"dense_{i}"])


def _embed(side: TowerSide, rows: np.ndarray) -> np.ndarray:
    parts = [rows[start : start + _EMBED_ROWS] for start in range(0, len(rows), _EMBED_ROWS)]
    return np.concatenate([side.embed(tf.constant(part)).numpy() for part in parts])
