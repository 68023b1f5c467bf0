"""What training minimizes, in steps: cosine / temperature → − ln q → mask accidental hits → loss.

Tensors are float32: `positive` (batch,) holds each row's logit for its clicked article, `negative` (batch, negatives)
those for its negatives. A masked negative has the logit `MASKED` and then weighs nothing in any loss.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

MASKED = tf.float32.min


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors (..., d) scaled to length 1; a zero vector stays zero."""
    return tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-12)


def scores(users: tf.Tensor, articles: tf.Tensor, temperature: float) -> tf.Tensor:
    """Cosine / temperature of every pair: (users, d) and (articles, d) unit rows → (users, articles).

    The gradient is spelled out: the product for the articles has its large side transposed, for which XLA's CPU code is
    four times slower than for any other; the product with the identity keeps XLA from bringing it back to that form.
    """

    @tf.custom_gradient
    def product(users: tf.Tensor, articles: tf.Tensor):
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            transposed = tf.matmul(users, upstream, transpose_a=True)
            for_articles = tf.matmul(transposed, tf.eye(users.shape[1]), transpose_a=True)
            return tf.matmul(upstream, articles) / temperature, for_articles / temperature

        return tf.matmul(users, articles, transpose_b=True) / temperature, gradient

    return product(users, articles)


def log_probability(probability: np.ndarray) -> np.ndarray:
    """ln q, (articles,) float32, floored at the least probable article that can be drawn, so that none is infinite."""
    return np.log(np.maximum(probability, probability[probability > 0].min())).astype(np.float32)


def corrected(logits: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """s/τ − ln q: makes sampled logits estimate those of the full softmax (Bengio & Senécal, 2008; Yi et al., 2019)."""
    return logits - log_q


def masked(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`MASKED` wherever the bool `mask` (same shape) is true."""
    return tf.where(mask, MASKED, logits)


def same_article(positives: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
    """Where a negative is the row's own positive: (batch, negatives) bool of ids (batch,), (batch or 1, negatives)."""
    return positives[:, None] == negatives


def bce(positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
    """Pointwise binary cross-entropy, clicks 1 and negatives 0: softplus(−s⁺) + Σ softplus(s⁻), (batch,)."""
    return tf.math.softplus(-positive) + tf.reduce_sum(tf.math.softplus(negative), axis=1)


def sampled_softmax(positive: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
    """− ln of the positive's share in the softmax over it and its negatives (Jean et al., 2015), (batch,)."""
    # the share is sigmoid(s⁺ − ln Σ exp s⁻)
    return tf.math.softplus(tf.reduce_logsumexp(negative, axis=1) - positive)


LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "bce": bce,
    "sampled_softmax": sampled_softmax,
    "in_batch_softmax": sampled_softmax,
}
"""`in_batch_softmax` is the sampled softmax whose negatives are the batch's other positives (strategy `in_batch`)."""
