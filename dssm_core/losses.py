"""What training minimizes, in steps: cosine / temperature → − ln (n q) → mask accidental hits → hardest → loss.

Tensors are float32: `positive` (batch,) holds each row's logit for its clicked article, `negative` (batch, negatives)
those for its negatives. A masked negative has the logit `MASKED` and then weighs nothing in any loss.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dssm_core.config import Config, LossConfig

MASKED = tf.float32.min
_SHARES_THE_SOFTMAX = 32
_HALVINGS = 24  # as many bits as the significand of a float32 has


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors (..., d) scaled to length 1; a zero vector stays zero."""
    return tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-12)


def scores(users: tf.Tensor, articles: tf.Tensor) -> tf.Tensor:
    """Cosine of every pair: (users, d) and (articles, d) unit rows → (users, articles).

    The gradient is spelled out: the product for the articles has its large side transposed, for which XLA's CPU code is
    four times slower than for any other; the product with the identity keeps XLA from bringing it back to that form.
    """

    @tf.custom_gradient
    def product(users: tf.Tensor, articles: tf.Tensor):
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            transposed = tf.matmul(users, upstream, transpose_a=True)
            for_articles = tf.matmul(transposed, tf.eye(users.shape[1]), transpose_a=True)
            return tf.matmul(upstream, articles), for_articles

        return tf.matmul(users, articles, transpose_b=True), gradient

    return product(users, articles)


def with_temperature(config: Config, pool: int) -> Config:
    """The config with a temperature: where it names none, 1 / ln(|C| / 32) for a train pool of |C|, at most 1.

    An article at cosine 1 among |C| at cosine 0 then takes 1/33 of the softmax, whatever |C| is: cosines end at 1, so
    that a larger pool needs a lower temperature for the same sharpness. The 32 is the best found on MovieLens, IDEA and
    the demo (1,000 to 20,000 articles).
    """
    if config.loss.temperature is not None:
        return config
    temperature = 1 / max(1.0, math.log(pool / _SHARES_THE_SOFTMAX))
    return config.model_copy(update={"loss": config.loss.model_copy(update={"temperature": temperature})})


def log_probability(probability: np.ndarray) -> np.ndarray:
    """ln q, (articles,) float32, floored at the least probable article that can be drawn, so that none is infinite."""
    return np.log(np.maximum(probability, probability[probability > 0].min())).astype(np.float32)


def corrected(logits: tf.Tensor, log_q: tf.Tensor, n: float) -> tf.Tensor:
    """s/τ − ln (n q): makes the logits of `n` samples estimate the full softmax (Bengio & Senécal, 2008; Yi et al.,
    2019).

    n q(a) is how often a is expected among the n negatives, so that Σ exp over them estimates the sum over all
    articles. Where the positive is corrected too, n falls out of the softmax.
    """
    return logits - log_q - math.log(n)


def masked(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`MASKED` wherever the bool `mask` (same shape) is true.

    Added, since a logit is lost beside it: no loss has a gradient there, and the way back needs no mask.
    """
    return logits + tf.where(mask, MASKED, 0.0)


def same_article(positives: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
    """Where a negative is the row's own positive: (batch, negatives) bool of ids (batch,), (batch or 1, negatives)."""
    return positives[:, None] == negatives


def hardest(logits: tf.Tensor, h: int) -> tf.Tensor:
    """`MASKED` wherever a logit (batch, negatives) is not among its row's h highest; of values that differ by
    rounding alone all are kept.

    The bound is found by halving the range that it lies in, which XLA does many times faster than it sorts.
    """
    fixed = tf.stop_gradient(logits)
    high = tf.reduce_max(fixed, axis=1)
    low = tf.reduce_min(tf.where(fixed > MASKED, fixed, high[:, None]), axis=1)

    def halve(low, high):
        middle = (low + high) / 2
        enough = _sums(tf.cast(fixed >= middle[:, None], tf.float32)) >= h
        return tf.where(enough, middle, low), tf.where(enough, high, middle)

    # a loop, not 24 copies, into each of which XLA would fuse what the logits are computed from
    low, _ = tf.while_loop(lambda low, high: True, halve, (low, high), maximum_iterations=_HALVINGS)
    return masked(logits, logits < low[:, None])


def bce(positive: tf.Tensor, negative: tf.Tensor, config: LossConfig, temperature: tf.Tensor) -> tf.Tensor:
    """Pointwise binary cross-entropy, clicks 1 and negatives 0: softplus(−s⁺) + Σ softplus(s⁻), (batch,).

    With the correction it is noise-contrastive estimation (Gutmann & Hyvärinen, 2010).
    """
    return tf.math.softplus(-positive) + _sums(tf.math.softplus(negative))


def bpr(positive: tf.Tensor, negative: tf.Tensor, config: LossConfig, temperature: tf.Tensor) -> tf.Tensor:
    """− ln σ(s⁺ − s⁻), that the positive beats a negative (Rendle et al., 2009): mean over the negatives, (batch,)."""
    return _mean_unmasked(tf.math.softplus(negative - positive[:, None]), negative)


def triplet(positive: tf.Tensor, negative: tf.Tensor, config: LossConfig, temperature: tf.Tensor) -> tf.Tensor:
    """max(0, margin/τ + s⁻ − s⁺), mean over the negatives, (batch,).

    The margin is one of cosines (Schroff et al., 2015; Huang et al., KDD 2020).
    """
    return _mean_unmasked(tf.nn.relu(config.margin / temperature + negative - positive[:, None]), negative)


def sampled_softmax(positive: tf.Tensor, negative: tf.Tensor, config: LossConfig, temperature: tf.Tensor) -> tf.Tensor:
    """− ln of the positive's share in the softmax over it and its negatives (Jean et al., 2015), (batch,)."""
    # the share is sigmoid(s⁺ − ln Σ exp s⁻)
    return tf.math.softplus(tf.reduce_logsumexp(negative, axis=1) - positive)


def _mean_unmasked(values: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
    kept = tf.cast(negative > MASKED, tf.float32)
    return _sums(values * kept) / tf.maximum(_sums(kept), 1)


def _sums(values: tf.Tensor) -> tf.Tensor:
    """Row sums, as a product with ones: XLA's CPU code for it is three times faster than for a sum."""
    return tf.linalg.matvec(values, tf.ones(tf.shape(values)[1]))


LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor, LossConfig, tf.Tensor], tf.Tensor]] = {
    "bce": bce,
    "bpr": bpr,
    "triplet": triplet,
    "sampled_softmax": sampled_softmax,
    "in_batch_softmax": sampled_softmax,
}
"""(positive, negative, config, temperature) → each row's loss. `in_batch_softmax` is the sampled softmax whose
negatives are the batch's other positives (the in-batch strategies)."""
