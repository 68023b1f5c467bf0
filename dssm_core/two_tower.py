"""The two-tower model: an embedding table and a tower a side. Tables are plain variables, updated by row in step.py."""

import numpy as np
import tensorflow as tf

from dssm_core.config import TowerConfig
from dssm_core.features import Features, Side, check_field_dims
from dssm_core.losses import unit
from dssm_core.towers import TOWERS, field_weights, gate_of
from dssm_core.training_data import History

_EMBED_ROWS = 65_536
_EMBED_NUMBERS = 16_000_000
_WEIGHED_ROWS = 5_000
_INITIAL_SPREAD = 0.05
_NOT_IN_HISTORY = ("title", "key_words")
"""Fields of many values, which twenty times over would be most of a step's work."""


class TowerSide:
    """One side: `table` (table_rows, d), its Adagrad state (one number a row), and the tower over the fields.

    `history`, where given, adds the mean of a user's last clicks as further fields, behind the side's own.
    """

    def __init__(self, side: Side, config: TowerConfig, seed: int, history: "_HistoryFields | None" = None):
        dim = config.embedding_dim if config.hidden else config.dim
        self.field_names = [field.name for field in side.fields] + (history.names if history else [])
        self._widths = (*side.widths, *(history.widths if history else ()))
        self._slots = tf.constant(side.slots)
        plain = history is None and (side.weights == 1).all() and set(side.widths) == {1}
        self._weights = tf.constant(side.weights[:, :0] if plain else side.weights)
        self._history = history
        table_rows = side.table_rows + (history.table_rows if history else 0)
        initial = tf.random.stateless_normal((table_rows, dim), seed=(seed, table_rows), stddev=_INITIAL_SPREAD)
        self.table = tf.Variable(initial, trainable=False)
        self.accumulator = tf.Variable(tf.zeros(table_rows), trainable=False)
        self.tower = TOWERS[config.kind](len(self._widths), dim, config, seed)
        self._kept = _kept_numbers(self.field_names, dim, config.field_dims)
        # ids stand first, so an id's "unknown" is the first row behind the padding
        self.id_slots = 1 if side.fields[0].name in ("user_id", "article_id") else 0
        self.unknown_id = side.fields[0].first_row

    def rows(self, rows: tf.Tensor, spans: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Slots (n, s) int32 and weights (n, s) float32, (n, 0) where all are 1, of table rows (n,) of the dataset.

        `spans` (n, 2): which train clicks are each row's history; None: all of the user's.
        """
        slots, weights = tf.gather(self._slots, rows), tf.gather(self._weights, rows)
        if self._history is None:
            return slots, weights
        past_slots, past_weights = self._history.rows(rows, spans)
        return tf.concat([slots, past_slots], axis=1), tf.concat([weights, past_weights], axis=1)

    def vectors(self, embedded: tf.Tensor, weights: tf.Tensor, training: bool) -> tf.Tensor:
        """Unit vectors (n, dim) from the embedded slots (n, s, d) and their weights, as `rows` returns them."""
        return unit(self.tower(self._fields(embedded, weights), training=training))

    def _fields(self, embedded: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """One embedding a field: (n, fields, d)."""
        fields = embedded if not weights.shape[1] else _summed(embedded * weights[:, :, None], self._widths)
        return fields if self._kept is None else fields * self._kept

    @tf.function(jit_compile=False, reduce_retracing=True)
    def embed(self, rows: tf.Tensor) -> tf.Tensor:
        """Unit vectors (n, dim) of rows of the dataset's table."""
        slots, weights = self.rows(rows)
        return self.vectors(tf.gather(self.table, slots), weights, training=False)

    def embed_all(self, rows: np.ndarray) -> np.ndarray:
        """The same for any number of rows, in parts that fit in memory."""
        length = min(_EMBED_ROWS, max(1, _EMBED_NUMBERS // (sum(self._widths) * self.table.shape[1])))
        parts = [rows[start : start + length] for start in range(0, len(rows), length)]
        return np.concatenate([self.embed(tf.constant(part)).numpy() for part in parts])

    def field_weights(self, rows: np.ndarray) -> dict[str, float] | None:
        """Mean gate of each field over some of `rows`, by the field's name; None for a tower without a gate."""
        if gate_of(self.tower) is None:  # told before gigabytes of embeddings are gathered for it
            return None
        some = rows[:: -(-len(rows) // _WEIGHED_ROWS)]
        slots, weights = self.rows(tf.constant(some))
        gates = field_weights(self.tower, self._fields(tf.gather(self.table, slots), weights))
        return dict(zip(self.field_names, map(float, gates), strict=True))


class _HistoryFields:
    """The mean of a user's last clicks, as fields of the user side: their values are rows behind the user table's own.

    The embeddings are not those of the article side: Covington et al. (RecSys 2016) embed history and candidates apart.
    """

    def __init__(self, history: History, articles: Side, first_row: int, length: int):
        kept = [field for field in articles.fields if field.name not in _NOT_IN_HISTORY]
        columns = np.repeat([field in kept for field in articles.fields], articles.widths)
        slots, weights = articles.slots[:, columns], articles.weights[:, columns]
        self.names = [f"history: {field.name}" for field in kept]
        self.widths = tuple(length * field.width for field in kept)
        self.table_rows = articles.table_rows
        self._field_widths = [field.width for field in kept]
        self._length = length
        self._articles = tf.constant(history.articles)
        self._spans = tf.constant(history.spans)
        self._slots = tf.constant(np.where(weights != 0, slots + first_row, 0).astype(np.int32))
        self._weights = tf.constant(weights)

    def rows(self, rows: tf.Tensor, spans: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Slots and weights (n, Σ widths) of the last clicks of each span."""
        spans = tf.gather(self._spans, rows) if spans is None else spans
        places = spans[:, 1:] - 1 - tf.range(self._length)[None]
        inside = tf.cast(places >= spans[:, :1], tf.float32)
        mean = inside / tf.maximum(tf.reduce_sum(inside, axis=1, keepdims=True), 1)
        articles = tf.gather(self._articles, tf.maximum(places, 0))
        weights = tf.gather(self._weights, articles) * mean[:, :, None]
        return self._by_field(tf.gather(self._slots, articles)), self._by_field(weights)

    def _by_field(self, values: tf.Tensor) -> tf.Tensor:
        """(n, length, slots of all fields) → (n, Σ widths), each field's together."""
        parts = tf.split(values, self._field_widths, axis=2)
        n = tf.shape(values)[0]
        flat = [
            tf.reshape(part, [n, self._length * width]) for part, width in zip(parts, self._field_widths, strict=True)
        ]
        return tf.concat(flat, axis=1)


class TwoTower:
    """Both sides, ready to train or to embed. `history` is needed by the `youtube` tower alone."""

    def __init__(self, features: Features, config: TowerConfig, seed: int, history: History):
        users, articles = features.users, features.articles
        past = None
        if config.kind == "youtube":
            past = _HistoryFields(history, articles, users.table_rows, config.history)
        check_field_dims(config.field_dims, (field.name for side in (users, articles) for field in side.fields))
        self.users = TowerSide(users, config, seed, past)
        self.articles = TowerSide(articles, config, seed + 1)

    def embed_users(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of user rows, with all their train clicks as history."""
        return self.users.embed_all(rows)

    def embed_articles(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of article rows."""
        return self.articles.embed_all(rows)

    @property
    def dense(self) -> list:
        """The towers' trainable variables."""
        return self.users.tower.trainable_variables + self.articles.tower.trainable_variables

    @property
    def state_variables(self) -> list:
        """What training changes beside the weights: Adagrad's state, and that of the towers' dropout."""
        trained = {id(variable) for variable in self.dense}
        towers = [*self.users.tower.variables, *self.articles.tower.variables]
        others = [variable for variable in towers if id(variable) not in trained]
        return [self.users.accumulator, self.articles.accumulator, *others]

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


def _summed(values: tf.Tensor, widths: tuple[int, ...]) -> tf.Tensor:
    """Sums over the slots of each field: (n, Σ widths, d) → (n, fields, d)."""
    return tf.stack([tf.reduce_sum(part, axis=1) for part in tf.split(values, widths, axis=1)], axis=1)


def _kept_numbers(names: list[str], dim: int, field_dims: dict[str, int]) -> tf.Tensor | None:
    """1 at the numbers that each field's embedding has and 0 behind: (fields, dim) float32; None where all have all."""
    dims = [field_dims.get(name, dim) for name in names]
    if set(dims) == {dim}:
        return None
    return tf.constant(np.arange(dim)[None] < np.array(dims)[:, None], tf.float32)
