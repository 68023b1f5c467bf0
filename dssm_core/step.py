"""One training step: gather the batch's rows, score, mask, take the loss, update the towers and only those rows.

The towers, the objective and their gradients are compiled by XLA; many steps run inside one call. Tables are updated by
row-wise Adagrad (one accumulator a row, as in Naumov et al., 2019), so that a step costs the same for any catalogue.
"""

import keras
import numpy as np
import tensorflow as tf

from dssm_core.batches import Batches
from dssm_core.config import Config
from dssm_core.losses import LOSSES, corrected, masked, same_article, scores
from dssm_core.two_tower import TowerSide, TwoTower

_EPSILON = 1e-12


class Step:
    """The compiled step of one model under one config. `log_q`: ln q per article, (articles,) float32."""

    def __init__(self, model: TwoTower, config: Config, log_q: np.ndarray, in_batch: bool):
        self._model = model
        self._config = config
        self._log_q = tf.constant(log_q)
        self._in_batch = in_batch
        self._own = not in_batch and not config.negatives.shared
        self._optimizer = keras.optimizers.Adam(config.train.learning_rate)
        self._optimizer.build(model.dense)
        ids = tf.TensorSpec([None, None], tf.int32)
        signature = [
            ids,
            ids,
            tf.TensorSpec([None, None, None], tf.int32) if self._own else ids,
            tf.TensorSpec([None, None, 2], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
        self._train = tf.function(self._train_many, input_signature=signature)
        self._compiled_gradients = tf.function(self._gradients, jit_compile=True)
        self._compiled_scores = tf.function(self._scores, jit_compile=True)

    def train(self, batches: Batches, first_step: int) -> np.ndarray:
        """Train on every batch in turn; returns their losses (steps,). `first_step` seeds the id dropout."""
        return self._train(*_tensors(batches), tf.constant(first_step, tf.int32)).numpy()

    def score(self, batches: Batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the first batch, without training: loss (B,), positive cosines (B,), all unmasked negative cosines."""
        inputs = self._gather(*(tensor[0] for tensor in _tensors(batches)))
        loss, positive, negative, mask = self._compiled_scores(*inputs)
        return loss.numpy(), positive.numpy(), negative.numpy()[~mask.numpy()]

    def _train_many(self, users, positives, negatives, known, first_step):
        losses = tf.TensorArray(tf.float32, size=tf.shape(users)[0])
        for step in tf.range(tf.shape(users)[0]):
            loss = self._train_one(users[step], positives[step], negatives[step], known[step], first_step + step)
            losses = losses.write(step, loss)
        return losses.stack()

    def _train_one(self, users, positives, negatives, known, step):
        inputs = self._gather(users, positives, negatives, known, step)
        user_rows, user_places = tf.unique(tf.reshape(inputs[0], [-1]))
        article_rows, article_places = tf.unique(tf.reshape(inputs[3], [-1]))
        loss, user_gradient, article_gradient = self._compiled_gradients(user_places, article_places, *inputs)
        _update_rows(self._model.users, user_rows, user_gradient, self._config.train)
        _update_rows(self._model.articles, article_rows, article_gradient, self._config.train)
        return loss

    def _gather(self, users, positives, negatives, known, step=None):
        """The rows of a batch: slots, weights and embeddings of users and of articles; ids, ln q and known clicks."""
        articles = tf.concat([positives, tf.reshape(negatives, [-1])], axis=0)
        user_slots, user_weights = self._slots(self._model.users, users, step, 0)
        article_slots, article_weights = self._slots(self._model.articles, articles, step, 1)
        return (
            user_slots,
            user_weights,
            tf.gather(self._model.users.table, user_slots),
            article_slots,
            article_weights,
            tf.gather(self._model.articles.table, article_slots),
            positives,
            negatives,
            tf.gather(self._log_q, articles),
            known,
        )

    def _slots(self, side: TowerSide, rows, step, salt):
        slots, weights = side.rows(rows)
        rate = self._config.features.id_dropout
        if step is None or not rate or not side.id_slots:
            return slots, weights
        chance = tf.random.stateless_uniform(tf.shape(rows), seed=tf.stack([self._config.seed * 2 + salt, step]))
        ids = tf.where(chance < rate, side.unknown_id, slots[:, 0])
        return tf.concat([ids[:, None], slots[:, 1:]], axis=1), weights

    def _gradients(self, user_places, article_places, *inputs):
        """Loss and the summed gradient of each distinct row of the batch; updates the towers on the way."""
        _, user_weights, user_rows, _, article_weights, article_rows, *rest = inputs
        with tf.GradientTape() as tape:
            tape.watch((user_rows, article_rows))
            users = self._model.users.vectors(user_rows, user_weights, training=True)
            articles = self._model.articles.vectors(article_rows, article_weights, training=True)
            loss = tf.reduce_mean(self._objective(users, articles, *rest)[0])
        dense = self._model.dense
        *dense_gradients, user_gradient, article_gradient = tape.gradient(loss, [*dense, user_rows, article_rows])
        if dense:
            self._optimizer.apply(dense_gradients, dense)
        return loss, _summed(user_gradient, user_places), _summed(article_gradient, article_places)

    def _scores(self, user_slots, user_weights, user_rows, article_slots, article_weights, article_rows, *rest):
        users = self._model.users.vectors(user_rows, user_weights, training=False)
        articles = self._model.articles.vectors(article_rows, article_weights, training=False)
        return self._objective(users, articles, *rest)

    def _objective(self, users, articles, positives, negatives, log_q, known):
        """Loss (B,), positive cosines (B,), negative cosines and mask (B, negatives) of unit vectors."""
        loss = self._config.loss
        batch = tf.shape(positives)[0]
        positive = tf.reduce_sum(users * articles[:batch], axis=1) / loss.temperature
        negative, ids, log_q_negative = self._negatives(users, articles, positives, negatives, log_q, batch)
        mask = same_article(positives, ids) | (ids == 0) | _at(known, negative)
        cosines = positive * loss.temperature, negative * loss.temperature
        if loss.correction:
            negative = corrected(negative, log_q_negative)
            if loss.correct_positive:
                positive = corrected(positive, log_q[:batch])
        return LOSSES[loss.kind](positive, masked(negative, mask)), *cosines, mask

    def _negatives(self, users, articles, positives, negatives, log_q, batch):
        """Of the negatives: cosine / temperature (B, negatives), ids and ln q (B or 1, negatives)."""
        temperature = self._config.loss.temperature
        if self._in_batch:
            return scores(users, articles, temperature), positives[None], log_q[None]
        if self._own:
            own = tf.reshape(articles[batch:], [batch, -1, articles.shape[1]])
            cosines = tf.reduce_sum(users[:, None] * own, axis=2)
            return cosines / temperature, negatives, tf.reshape(log_q[batch:], [batch, -1])
        return scores(users, articles[batch:], temperature), negatives[None], log_q[None, batch:]


def _at(places, like):
    """True at the places (row, column), bool of the shape of `like`; a row beyond the last is dropped."""
    rows, columns = tf.shape(like)[0], tf.shape(like)[1]
    return tf.scatter_nd(places, tf.ones(tf.shape(places)[0], tf.bool), tf.stack([rows + 1, columns]))[:rows]


def _tensors(batches: Batches) -> tuple:
    arrays = (batches.users, batches.positives, batches.negatives, batches.known)
    return tuple(tf.constant(array, tf.int32) for array in arrays)


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
