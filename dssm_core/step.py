"""One training step: gather the batch's rows, score, mask, take the loss, update the towers and only those rows.

The towers, the objective and their gradients are compiled by XLA; many steps run inside one call. Tables are updated by
row-wise Adagrad (one accumulator a row, as in Naumov et al., 2019), so that a step costs the same for any catalogue.
"""

import keras
import numpy as np
import tensorflow as tf

from dssm_core.batches import Batches
from dssm_core.config import Config
from dssm_core.losses import LOSSES, corrected, masked, same_article
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
            tf.TensorSpec([None, 2], tf.int32),
            tf.TensorSpec([None], tf.int32),
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
        users, positives, negatives, known, _ = _tensors(batches)
        inputs = self._gather(users[0], positives[0], negatives[0], known)
        loss, positive, negative, mask = self._compiled_scores(*inputs)
        return loss.numpy(), positive.numpy(), negative.numpy()[~mask.numpy()]

    def _train_many(self, users, positives, negatives, known, known_start, first_step):
        losses = tf.TensorArray(tf.float32, size=tf.shape(users)[0])
        for step in tf.range(tf.shape(users)[0]):
            pairs = known[known_start[step] : known_start[step + 1]]
            loss = self._train_one(users[step], positives[step], negatives[step], pairs, first_step + step)
            losses = losses.write(step, loss)
        return losses.stack()

    def _train_one(self, users, positives, negatives, known, step):
        inputs = self._gather(users, positives, negatives, known, step)
        loss, user_gradient, article_gradient = self._compiled_gradients(*inputs)
        _update_rows(self._model.users, inputs[0], user_gradient, self._config.train)
        _update_rows(self._model.articles, inputs[3], article_gradient, self._config.train)
        return loss

    def _gather(self, users, positives, negatives, known, step=None):
        """The rows of a batch: slots, weights and embeddings of users and of articles; ids, corrections and masks."""
        batch = tf.shape(users)[0]
        articles = tf.concat([positives, tf.reshape(negatives, [-1])], axis=0)
        user_slots, user_weights = self._slots(self._model.users, users, step, 0)
        article_slots, article_weights = self._slots(self._model.articles, articles, step, 1)
        columns = batch if self._in_batch else tf.shape(negatives)[-1]
        is_known = tf.scatter_nd(known, tf.ones(tf.shape(known)[0], tf.bool), tf.stack([batch, columns]))
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
            is_known,
        )

    def _slots(self, side: TowerSide, rows, step, salt):
        slots, weights = side.rows(rows)
        rate = self._config.features.id_dropout
        if step is None or not rate or not side.id_slots:
            return slots, weights
        chance = tf.random.stateless_uniform(tf.shape(rows), seed=tf.stack([self._config.seed * 2 + salt, step]))
        ids = tf.where(chance < rate, side.unknown_id, slots[:, 0])
        return tf.concat([ids[:, None], slots[:, 1:]], axis=1), weights

    def _gradients(self, user_slots, user_weights, user_rows, article_slots, article_weights, article_rows, *rest):
        with tf.GradientTape() as tape:
            tape.watch((user_rows, article_rows))
            users = self._model.users.vectors(user_rows, user_weights, training=True)
            articles = self._model.articles.vectors(article_rows, article_weights, training=True)
            rows, *_ = self._objective(users, articles, *rest)
            loss = tf.reduce_mean(rows)
        dense = self._model.dense
        *dense_gradients, user_gradient, article_gradient = tape.gradient(loss, [*dense, user_rows, article_rows])
        if dense:
            self._optimizer.apply(dense_gradients, dense)
        return loss, user_gradient, article_gradient

    def _scores(self, user_slots, user_weights, user_rows, article_slots, article_weights, article_rows, *rest):
        users = self._model.users.vectors(user_rows, user_weights, training=False)
        articles = self._model.articles.vectors(article_rows, article_weights, training=False)
        return self._objective(users, articles, *rest)

    def _objective(self, users, articles, positives, negatives, log_q, is_known):
        """Loss (B,), positive cosines (B,), negative cosines and mask (B, negatives) of unit vectors."""
        loss = self._config.loss
        batch = tf.shape(positives)[0]
        positive = tf.reduce_sum(users * articles[:batch], axis=1)
        negative, ids, log_q_negative = self._negatives(users, articles, positives, negatives, log_q, batch)
        mask = is_known | same_article(positives, ids) | (ids == 0)
        positive_logit, negative_logit = positive / loss.temperature, negative / loss.temperature
        if loss.correction:
            negative_logit = corrected(negative_logit, log_q_negative)
            if loss.correct_positive:
                positive_logit = corrected(positive_logit, log_q[:batch])
        rows = LOSSES[loss.kind](positive_logit, masked(negative_logit, mask))
        return rows, positive, negative, mask

    def _negatives(self, users, articles, positives, negatives, log_q, batch):
        """Cosines (B, negatives), ids and ln q (both (B, negatives) or (1, negatives)) of the negatives."""
        if self._in_batch:
            return users @ tf.transpose(articles), positives[None], log_q[None]
        if self._own:
            own = tf.reshape(articles[batch:], [batch, -1, articles.shape[1]])
            return tf.einsum("bd,bkd->bk", users, own), negatives, tf.reshape(log_q[batch:], [batch, -1])
        return users @ tf.transpose(articles[batch:]), negatives[None], log_q[None, batch:]


def _tensors(batches: Batches) -> tuple:
    arrays = (batches.users, batches.positives, batches.negatives, batches.known, batches.known_start)
    return tuple(tf.constant(array, tf.int32) for array in arrays)


def _update_rows(side: TowerSide, slots, gradient, train) -> None:
    """Row-wise Adagrad on the rows named by `slots`: the gradients of a row's copies are summed first."""
    rows, place = tf.unique(tf.reshape(slots, [-1]))
    flat = tf.reshape(gradient, [-1, side.table.shape[1]])
    summed = tf.math.unsorted_segment_sum(flat, place, tf.size(rows))
    if train.l2:
        summed += train.l2 * tf.gather(side.table, rows)
    state = tf.gather(side.accumulator, rows) + tf.reduce_mean(tf.square(summed), axis=1)
    side.accumulator.scatter_update(tf.IndexedSlices(state, rows))
    change = train.embedding_learning_rate * summed * tf.math.rsqrt(state + _EPSILON)[:, None]
    side.table.scatter_sub(tf.IndexedSlices(change, rows))
