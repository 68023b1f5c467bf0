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
    return tf.reduce_logsumexp(tf.concat([positive[:, None], negative], axis=1), axis=1) - positive


LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "bce": bce,
    "sampled_softmax": sampled_softmax,
    "in_batch_softmax": sampled_softmax,
}
"""`in_batch_softmax` is the sampled softmax whose negatives are the batch's other positives (strategy `in_batch`)."""
