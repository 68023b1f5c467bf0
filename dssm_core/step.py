"""One training step: gather the batch's rows, score, mask, take the loss, update the towers and only those rows.

All arithmetic is compiled by XLA, which reads the tables where they lie; only finding the distinct rows of a batch and
writing them back is left to TensorFlow's own kernels. Many steps run inside one call. Tables are updated by row-wise
Adagrad (one accumulator a row, as in Naumov et al., 2019), so that a step costs the same for any catalogue.
"""

import math
import os
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dssm_core.batches import Batches
from dssm_core.config import Config
from dssm_core.losses import LOSSES, corrected, hardest, masked, same_article, scores
from dssm_core.strategy import Sizes, Strategy
from dssm_core.two_tower import TowerSide, TwoTower

# Read when XLA compiles for the first time. Its own choice is half of what AVX-512 has; on other CPUs nothing changes.
os.environ["XLA_FLAGS"] = f"--xla_cpu_prefer_vector_width=512 {os.environ.get('XLA_FLAGS', '')}"

_EPSILON = 1e-12
_LEAST_TEMPERATURE = 0.01


class _Rows(NamedTuple):
    """Which rows of a side's table a batch needs: each once in `distinct` (n · s,), of which the first `count` count.

    `places` (n, s): where in `distinct` each slot's row stands. `weights` (n, s), or (n, 0) where all are 1.
    """

    distinct: tf.Tensor
    count: tf.Tensor
    places: tf.Tensor
    weights: tf.Tensor


class _Inputs(NamedTuple):
    """A batch, all that does not depend on the steps before it. Articles are the B positives, S shared and B·k own
    negatives, in this order, as is their `log_q`.
    """

    users: _Rows
    articles: _Rows
    positives: tf.Tensor
    own: tf.Tensor
    known: tf.Tensor
    shared: tf.Tensor
    log_q: tf.Tensor


class _Columns(NamedTuple):
    """What every click meets: the other positives (if in-batch), the shared set and the memory, as ids and ln q
    (columns,), and the memory's vectors.

    They are put together before XLA sees them, which would do it anew for each element of (B, columns).
    """

    ids: tf.Tensor
    log_q: tf.Tensor
    remembered: tf.Tensor


class _Scored(NamedTuple):
    """Cosines of the positives (B,) and of the negatives (B, n); the logits that the loss takes; what was masked."""

    cosine: tf.Tensor
    cosines: tf.Tensor
    positive: tf.Tensor
    negative: tf.Tensor
    mask: tf.Tensor


class Step:
    """The compiled step of one model under one config. `log_q`: ln q per article, (articles,) float32."""

    def __init__(self, model: TwoTower, config: Config, log_q: np.ndarray, strategy: Strategy, sizes: Sizes):
        self._model = model
        self._config = config
        self._log_q = tf.constant(log_q)
        self._strategy = strategy
        self._batch = sizes.batch
        self._log_temperature = keras.Variable(math.log(config.loss.temperature))
        self._dense = [*model.dense, *([self._log_temperature] if config.loss.learn_temperature else [])]
        self._optimizer = keras.optimizers.Adam(config.train.learning_rate)
        self._optimizer.build(self._dense)
        self._memory = _Memory(strategy.memory, sizes.batch, config.tower.dim)
        shapes = [[sizes.batch], [sizes.batch], [sizes.batch, 2], [sizes.batch, sizes.own], [sizes.shared], [None, 2]]
        signature = [tf.TensorSpec([None, *shape], tf.int32) for shape in shapes]
        signature += [tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)]
        self._train = tf.function(self._train_many, input_signature=signature)
        self._compiled_update = tf.function(self._update, jit_compile=True)
        self._compiled_scores = tf.function(self._scores, jit_compile=True)

    @property
    def temperature(self) -> float:
        """What cosines are divided by now."""
        return float(self._temperature())

    def train(self, batches: Batches, first_step: int) -> np.ndarray:
        """Train on every batch in turn; returns their losses (steps,). `first_step`: how many were trained before."""
        return self._train(*_tensors(batches), tf.constant(first_step, tf.int32)).numpy()

    def score(self, batches: Batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the first batch, without training: loss (B,), positive cosines (B,), all unmasked negative cosines."""
        inputs = self._gather(*(tensor[0] for tensor in _tensors(batches)))
        scored = self._compiled_scores(inputs, self._columns(inputs))
        return self._loss(scored).numpy(), scored.cosine.numpy(), scored.cosines.numpy()[~scored.mask.numpy()]

    def state(self) -> dict[str, np.ndarray]:
        """All that training changes beside the model's weights."""
        return {f"variable_{i}": variable.numpy() for i, variable in enumerate(self._variables)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        for i, variable in enumerate(self._variables):
            variable.assign(state[f"variable_{i}"])

    @property
    def _variables(self) -> list:
        return [
            *self._model.state_variables,
            self._log_temperature,
            *self._optimizer.variables,
            *self._memory.variables,
        ]

    def _train_many(self, users, positives, before, own, shared, known, log_q, first_step):
        batches, steps = (users, positives, before, own, shared, known, log_q), tf.shape(users)[0]

        def gathered(step):
            step = tf.minimum(step, steps - 1)
            return self._gather(*(array[step] for array in batches), first_step + step)

        def train_next(step, inputs, losses):
            following = gathered(step + 1)  # by one processor while the other is at this step
            return step + 1, following, losses.write(step, self._train_one(inputs, first_step + step))

        losses = tf.TensorArray(tf.float32, size=steps)
        begun = tf.constant(0), gathered(0), losses
        return tf.while_loop(lambda step, *_: step < steps, train_next, begun)[2].stack()

    def _train_one(self, inputs: _Inputs, step):
        loss, positives, for_users, for_articles = self._compiled_update(inputs, self._columns(inputs))
        _write_rows(self._model.users, inputs.users, *for_users)
        _write_rows(self._model.articles, inputs.articles, *for_articles)
        self._memory.write(step, positives, inputs.positives, inputs.log_q)
        return loss

    def _gather(self, users, positives, before, own, shared, known, log_q, step=None) -> _Inputs:
        articles = tf.concat([positives, shared, tf.reshape(own, [-1])], axis=0)
        return _Inputs(
            self._rows(self._model.users, users, before, step, 0),
            self._rows(self._model.articles, articles, None, step, 1),
            positives,
            own,
            known,
            shared,
            log_q if self._strategy.streaming else tf.gather(self._log_q, articles),
        )

    def _columns(self, inputs: _Inputs) -> _Columns:
        vectors, ids, log_q = self._memory.read()
        others = inputs.positives if self._strategy.in_batch else inputs.positives[:0]
        first, end = self._batch - others.shape[0], self._batch + inputs.shared.shape[0]
        ids = tf.concat([others, inputs.shared, ids], axis=0)
        return _Columns(ids, tf.concat([inputs.log_q[first:end], log_q], axis=0), vectors)

    def _rows(self, side: TowerSide, rows, spans, step, salt) -> _Rows:
        slots, weights = side.rows(rows, spans)
        rate = self._config.features.id_dropout
        if step is not None and rate and side.id_slots:
            chance = tf.random.stateless_uniform(tf.shape(rows), seed=tf.stack([self._config.seed * 2 + salt, step]))
            ids = tf.where(chance < rate, side.unknown_id, slots[:, 0])
            slots = tf.concat([ids[:, None], slots[:, 1:]], axis=1)
        distinct, places = tf.unique(tf.reshape(slots, [-1]))
        count, most = tf.size(distinct), tf.size(places)
        distinct = tf.ensure_shape(tf.pad(distinct, [[0, most - count]]), [slots.shape.num_elements()])
        return _Rows(distinct, count, tf.reshape(places, slots.shape), weights)

    def _update(self, inputs: _Inputs, columns: _Columns):
        """Loss, the positives' vectors, and what the distinct rows of either side become; updates the towers."""
        model = self._model
        user_rows = tf.gather(model.users.table, inputs.users.distinct)
        article_rows = tf.gather(model.articles.table, inputs.articles.distinct)
        loss, positives, for_users, for_articles = self._learn(inputs, columns, user_rows, article_rows)
        new_users = _updated(model.users, inputs.users, user_rows, for_users, self._config.train)
        new_articles = _updated(model.articles, inputs.articles, article_rows, for_articles, self._config.train)
        return loss, positives, new_users, new_articles

    def _learn(self, inputs: _Inputs, columns: _Columns, user_rows, article_rows):
        """Loss, the positives' vectors, and the gradients of the distinct rows of either side; updates the towers."""
        with tf.GradientTape() as tape:
            tape.watch((user_rows, article_rows))
            users = _vectors(self._model.users, user_rows, inputs.users, training=True)
            articles = _vectors(self._model.articles, article_rows, inputs.articles, training=True)
            loss = tf.reduce_mean(self._loss(self._score(users, articles, inputs, columns)))
        *dense_gradients, for_users, for_articles = tape.gradient(loss, [*self._dense, user_rows, article_rows])
        if self._dense:
            self._optimizer.apply(dense_gradients, self._dense)
        return loss, articles[: self._batch], for_users, for_articles

    def _scores(self, inputs: _Inputs, columns: _Columns) -> _Scored:
        sides = (self._model.users, inputs.users), (self._model.articles, inputs.articles)
        users, articles = (
            _vectors(side, tf.gather(side.table, rows.distinct), rows, training=False) for side, rows in sides
        )
        return self._score(users, articles, inputs, columns)

    def _score(self, users, articles, inputs: _Inputs, columns: _Columns) -> _Scored:
        """Cosines → over the temperature → corrected → masked, of unit vectors of the batch's users and articles."""
        loss, batch = self._config.loss, self._batch
        cosine = tf.reduce_sum(users * articles[:batch], axis=1)
        cosines, ids, log_q = self._negatives(users, articles, inputs, columns)
        mask = same_article(inputs.positives, ids) | (ids == 0) | _at(inputs.known, cosines)
        positive, negative = cosine / self._temperature(), cosines / self._temperature()
        if loss.correction:
            n = max(1, cosines.shape[1] - self._strategy.in_batch)
            negative = corrected(negative, log_q, n)
            if loss.correct_positive:
                positive = corrected(positive, inputs.log_q[:batch], n)
        return _Scored(cosine, cosines, positive, masked(negative, mask), mask)

    def _negatives(self, users, articles, inputs: _Inputs, columns: _Columns):
        """Cosines (B, n), ids and ln q (B or 1, n): of the columns, then of each click's own."""
        batch, own_k = self._batch, inputs.own.shape[1]
        end = articles.shape[0] - batch * own_k
        ids, log_q = columns.ids[None], columns.log_q[None]
        if ids.shape[1]:
            others = articles[:batch] if self._strategy.in_batch else articles[:0]
            others = self._for_the_remembered(others, ids[0, ids.shape[1] - columns.remembered.shape[0] :])
            for_all = scores(users, tf.concat([others, articles[batch:end], columns.remembered], axis=0))
        if not own_k:
            return for_all, ids, log_q
        own = tf.reshape(articles[end:], [batch, own_k, -1])
        cosines, own_log_q = tf.reduce_sum(users[:, None] * own, axis=2), tf.reshape(inputs.log_q[end:], [batch, own_k])
        if not ids.shape[1]:
            return cosines, inputs.own, own_log_q
        return (
            tf.concat([for_all, cosines], axis=1),
            tf.concat([tf.tile(ids, [batch, 1]), inputs.own], axis=1),
            tf.concat([tf.tile(log_q, [batch, 1]), own_log_q], axis=1),
        )

    def _for_the_remembered(self, articles, remembered):
        """The same articles with their gradient multiplied, as they are pushed away for the memory's articles too.

        Those get no gradient, so that of the push that the softmax shares out among all negatives their part would be
        lost, while the clicked articles are pulled in full: all vectors would end up in one place. (Wang et al. are
        spared it, as their user tower embeds its history by the article table.)
        """
        if not self._strategy.memory:
            return articles
        filled = tf.reduce_mean(tf.cast(remembered > 0, tf.float32)) * self._strategy.memory
        return articles * (1 + filled) - tf.stop_gradient(articles * filled)

    def _loss(self, scored: _Scored):
        hard = self._strategy.hardest
        negative = hardest(scored.negative, hard) if hard else scored.negative
        return LOSSES[self._config.loss.kind](scored.positive, negative, self._config.loss, self._temperature())

    def _temperature(self):
        if not self._config.loss.learn_temperature:
            return self._config.loss.temperature
        return tf.maximum(tf.exp(self._log_temperature.value), _LEAST_TEMPERATURE)


class _Memory:
    """The article vectors of the last batches, with ids and ln q; where nothing was written yet, the id is 0."""

    def __init__(self, batches: int, batch: int, dim: int):
        self._batches, self._batch = batches, batch
        self._vectors = tf.Variable(tf.zeros((batches * batch, dim)), trainable=False)
        self._ids = tf.Variable(tf.zeros(batches * batch, tf.int32), trainable=False)
        self._log_q = tf.Variable(tf.zeros(batches * batch), trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """All that it remembers."""
        return [self._vectors, self._ids, self._log_q]

    def read(self):
        return self._vectors.read_value(), self._ids.read_value(), self._log_q.read_value()

    def write(self, step, vectors, ids, log_q) -> None:
        """Put a step's positives over the oldest batch."""
        if not self._batches:
            return
        places = step % self._batches * self._batch + tf.range(self._batch)
        self._vectors.scatter_update(tf.IndexedSlices(vectors, places))
        self._ids.scatter_update(tf.IndexedSlices(ids, places))
        self._log_q.scatter_update(tf.IndexedSlices(log_q[: self._batch], places))


def _at(places, like):
    """True at the places (row, column), bool of the shape of `like`; a row beyond the last is dropped."""
    rows, columns = tf.shape(like)[0], tf.shape(like)[1]
    return tf.scatter_nd(places, tf.ones(tf.shape(places)[0], tf.bool), tf.stack([rows + 1, columns]))[:rows]


def _tensors(batches: Batches) -> tuple:
    arrays = (batches.users, batches.positives, batches.before, batches.own, batches.shared, batches.known)
    return (*(tf.constant(array, tf.int32) for array in arrays), tf.constant(batches.log_q, tf.float32))


def _vectors(side: TowerSide, distinct, rows: _Rows, training: bool):
    """Unit vectors (n, dim) from the values of the distinct rows, (n · s, d)."""
    return side.vectors(tf.gather(distinct, rows.places), rows.weights, training)


def _updated(side: TowerSide, rows: _Rows, values, gradient, train) -> tuple:
    """Row-wise Adagrad: what the distinct rows and their accumulators become, as many as the places of the batch."""
    gradient = tf.convert_to_tensor(gradient)  # of a gather: summed over all places of a row
    if train.l2:
        gradient += train.l2 * values
    state = tf.gather(side.accumulator, rows.distinct) + tf.reduce_mean(tf.square(gradient), axis=1)
    change = train.embedding_learning_rate * gradient * tf.math.rsqrt(state + _EPSILON)[:, None]
    return values - change, state


def _write_rows(side: TowerSide, rows: _Rows, values, state) -> None:
    distinct = rows.distinct[: rows.count]
    side.table.scatter_update(tf.IndexedSlices(values[: rows.count], distinct))
    side.accumulator.scatter_update(tf.IndexedSlices(state[: rows.count], distinct))
