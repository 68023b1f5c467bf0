"""One training step: gather the batch's rows, score, mask, take the loss, update the towers and only those rows.

The towers, the objective and their gradients are compiled by XLA; many steps run inside one call. Tables are updated by
row-wise Adagrad (one accumulator a row, as in Naumov et al., 2019), so that a step costs the same for any catalogue.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dssm_core.batches import Batches
from dssm_core.config import Config
from dssm_core.losses import LOSSES, corrected, hardest, masked, same_article, scores
from dssm_core.strategy import Sizes, Strategy
from dssm_core.two_tower import TowerSide, TwoTower

_EPSILON = 1e-12
_LEAST_TEMPERATURE = 0.01


class _Inputs(NamedTuple):
    """A batch, its rows gathered. Articles are the B positives, S shared and B·k own negatives, in this order."""

    user_slots: tf.Tensor
    user_weights: tf.Tensor
    user_rows: tf.Tensor
    article_slots: tf.Tensor
    article_weights: tf.Tensor
    article_rows: tf.Tensor
    positives: tf.Tensor
    shared: tf.Tensor
    own: tf.Tensor
    known: tf.Tensor
    log_q: tf.Tensor
    memory: tuple[tf.Tensor, tf.Tensor, tf.Tensor]


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
        self._log_temperature = keras.Variable(math.log(config.loss.temperature))
        self._dense = [*model.dense, *([self._log_temperature] if config.loss.learn_temperature else [])]
        self._optimizer = keras.optimizers.Adam(config.train.learning_rate)
        self._optimizer.build(self._dense)
        self._memory = _Memory(strategy.memory, sizes.batch, config.tower.dim)
        shapes = [[sizes.batch], [sizes.batch], [sizes.batch, 2], [sizes.batch, sizes.own], [sizes.shared], [None, 2]]
        signature = [tf.TensorSpec([None, *shape], tf.int32) for shape in shapes]
        signature += [tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)]
        self._train = tf.function(self._train_many, input_signature=signature)
        self._compiled_gradients = tf.function(self._gradients, jit_compile=True)
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
        scored = self._compiled_scores(self._gather(*(tensor[0] for tensor in _tensors(batches))))
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
        losses = tf.TensorArray(tf.float32, size=tf.shape(users)[0])
        for step in tf.range(tf.shape(users)[0]):
            inputs = self._gather(
                users[step],
                positives[step],
                before[step],
                own[step],
                shared[step],
                known[step],
                log_q[step],
                first_step + step,
            )
            losses = losses.write(step, self._train_one(inputs, first_step + step))
        return losses.stack()

    def _train_one(self, inputs: _Inputs, step):
        user_rows, user_places = tf.unique(tf.reshape(inputs.user_slots, [-1]))
        article_rows, article_places = tf.unique(tf.reshape(inputs.article_slots, [-1]))
        loss, user_gradient, article_gradient, positives = self._compiled_gradients(inputs, user_places, article_places)
        _update_rows(self._model.users, user_rows, user_gradient, self._config.train)
        _update_rows(self._model.articles, article_rows, article_gradient, self._config.train)
        self._memory.write(step, positives, inputs.positives, inputs.log_q)
        return loss

    def _gather(self, users, positives, before, own, shared, known, log_q, step=None) -> _Inputs:
        """The rows of a batch: slots, weights and embeddings of users and of articles; ids, ln q and known clicks."""
        articles = tf.concat([positives, shared, tf.reshape(own, [-1])], axis=0)
        user_slots, user_weights = self._slots(self._model.users, users, before, step, 0)
        article_slots, article_weights = self._slots(self._model.articles, articles, None, step, 1)
        return _Inputs(
            user_slots,
            user_weights,
            tf.gather(self._model.users.table, user_slots),
            article_slots,
            article_weights,
            tf.gather(self._model.articles.table, article_slots),
            positives,
            shared,
            own,
            known,
            log_q if self._strategy.streaming else tf.gather(self._log_q, articles),
            self._memory.read(),
        )

    def _slots(self, side: TowerSide, rows, spans, step, salt):
        slots, weights = side.rows(rows, spans)
        rate = self._config.features.id_dropout
        if step is None or not rate or not side.id_slots:
            return slots, weights
        chance = tf.random.stateless_uniform(tf.shape(rows), seed=tf.stack([self._config.seed * 2 + salt, step]))
        ids = tf.where(chance < rate, side.unknown_id, slots[:, 0])
        return tf.concat([ids[:, None], slots[:, 1:]], axis=1), weights

    def _gradients(self, inputs: _Inputs, user_places, article_places):
        """Loss, the summed gradient of each distinct row, and the positives' vectors; updates the towers."""
        with tf.GradientTape() as tape:
            tape.watch((inputs.user_rows, inputs.article_rows))
            users, articles = self._vectors(inputs, training=True)
            loss = tf.reduce_mean(self._loss(self._score(users, articles, inputs)))
        *dense_gradients, for_users, for_articles = tape.gradient(
            loss, [*self._dense, inputs.user_rows, inputs.article_rows]
        )
        if self._dense:
            self._optimizer.apply(dense_gradients, self._dense)
        positives = articles[: inputs.positives.shape[0]]
        return loss, _summed(for_users, user_places), _summed(for_articles, article_places), positives

    def _scores(self, inputs: _Inputs) -> _Scored:
        return self._score(*self._vectors(inputs, training=False), inputs)

    def _vectors(self, inputs: _Inputs, training: bool):
        users = self._model.users.vectors(inputs.user_rows, inputs.user_weights, training)
        return users, self._model.articles.vectors(inputs.article_rows, inputs.article_weights, training)

    def _score(self, users, articles, inputs: _Inputs) -> _Scored:
        """Cosines → over the temperature → corrected → masked, of unit vectors of the batch's users and articles."""
        loss, batch = self._config.loss, inputs.positives.shape[0]
        cosine = tf.reduce_sum(users * articles[:batch], axis=1)
        cosines, ids, log_q = self._negatives(users, articles, inputs, batch)
        known = _at(inputs.known, cosines)
        mask = same_article(inputs.positives, ids) | (ids == 0) | known
        positive, negative = cosine / self._temperature(), cosines / self._temperature()
        if loss.correction:
            n = max(1, cosines.shape[1] - self._strategy.in_batch)
            negative = corrected(negative, log_q, n)
            if loss.correct_positive:
                positive = corrected(positive, inputs.log_q[:batch], n)
        return _Scored(cosine, cosines, positive, masked(negative, mask), mask)

    def _negatives(self, users, articles, inputs: _Inputs, batch):
        """Cosines (B, n), ids and ln q (B or 1, n): of the other positives, the shared set, the memory, the own."""
        end = batch + inputs.shared.shape[0]
        first = 0 if self._strategy.in_batch else batch
        vectors, ids, log_q = inputs.memory
        others = self._for_the_remembered(articles[first:batch], ids)
        for_all = tf.concat([others, articles[batch:end], vectors], axis=0)
        ids = tf.concat([inputs.positives[first:], inputs.shared, ids], axis=0)[None]
        log_q = tf.concat([inputs.log_q[first:end], log_q], axis=0)[None]
        if not inputs.own.shape[1]:
            return scores(users, for_all), ids, log_q
        own = tf.reshape(articles[end:], [batch, -1, articles.shape[1]])
        cosines, own_log_q = tf.reduce_sum(users[:, None] * own, axis=2), tf.reshape(inputs.log_q[end:], [batch, -1])
        if not for_all.shape[0]:
            return cosines, inputs.own, own_log_q
        return (
            tf.concat([scores(users, for_all), cosines], axis=1),
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


def _summed(gradient, places):
    """Sum of the gradients (…, d) that share a place: as many rows as places, of which the last ones stay zero."""
    flat = tf.reshape(gradient, [-1, gradient.shape[-1]])
    return tf.math.unsorted_segment_sum(flat, places, tf.shape(flat)[0])


def _update_rows(side: TowerSide, rows, gradient, train) -> None:
    """Row-wise Adagrad on distinct `rows` of the table, by the first rows of `gradient`."""
    gradient = gradient[: tf.size(rows)]
    if train.l2:
        gradient += train.l2 * tf.gather(side.table, rows)
    state = tf.gather(side.accumulator, rows) + tf.reduce_mean(tf.square(gradient), axis=1)
    side.accumulator.scatter_update(tf.IndexedSlices(state, rows))
    change = train.embedding_learning_rate * gradient * tf.math.rsqrt(state + _EPSILON)[:, None]
    side.table.scatter_sub(tf.IndexedSlices(change, rows))
