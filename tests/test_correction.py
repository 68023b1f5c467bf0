"""The in-batch softmax as a stand-in for the full softmax: what each step of the correction is good for."""

import numpy as np
import pytest
import tensorflow as tf

from dssm_core.config import LossConfig
from dssm_core.losses import LOSSES, corrected, log_probability, masked, same_article

ARTICLES, OTHERS, BATCHES, TEMPERATURE = 200, 31, 400, 0.1
Q = 1 / np.arange(1, ARTICLES + 1) / (1 / np.arange(1, ARTICLES + 1)).sum()
"""Clicks by Zipf's law."""


@pytest.fixture(scope="module")
def errors():
    """How far each variant's expected gradient is from the full softmax's: L1, mean over the clicked articles.

    The gradient is that by one user's 200 logits, for each clicked article over many batches of other positives.
    """
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.5, 0.5, ARTICLES).astype(np.float32)
    batches = rng.choice(ARTICLES, (ARTICLES, BATCHES, OTHERS), p=Q).astype(np.int32)
    weights = np.exp(cosines / TEMPERATURE)
    full = weights / weights.sum() - np.eye(ARTICLES)
    return {
        name: Q @ np.abs(_gradients(cosines, batches, **options) - full).sum(axis=1)
        for name, options in {
            "none": {"correction": False, "mask": False},
            "corrected": {"mask": False},
            "masked too": {},
            "positive left": {"correct_positive": False},
            "before the temperature": {"before_temperature": True},
        }.items()
    }


def _gradients(cosines, batches, correction=True, mask=True, correct_positive=True, before_temperature=False):
    """For each clicked article the mean gradient by the logits of all: (ARTICLES, ARTICLES)."""
    by_positive = tf.Variable(np.tile(cosines, (ARTICLES, 1)))
    log_q = tf.constant(log_probability(Q))
    before, after = (1.0, TEMPERATURE) if before_temperature else (TEMPERATURE, 1.0)
    with tf.GradientTape() as tape:
        positive = tf.tile(tf.linalg.diag_part(by_positive)[:, None], [1, BATCHES]) / before
        negative = tf.gather(by_positive, batches, axis=1, batch_dims=1) / before
        if correction:
            negative = corrected(negative, tf.gather(log_q, batches), OTHERS)
            if correct_positive:
                positive = corrected(positive, log_q[:, None], OTHERS)
        positive, negative = (tf.reshape(x / after, shape) for x, shape in ((positive, [-1]), (negative, [-1, OTHERS])))
        if mask:
            clicked = tf.repeat(tf.range(ARTICLES), BATCHES)
            negative = masked(negative, same_article(clicked, tf.reshape(batches, [-1, OTHERS])))
        loss = tf.reduce_sum(LOSSES["in_batch_softmax"](positive, negative, LossConfig(), TEMPERATURE)) / BATCHES
    return TEMPERATURE * tape.gradient(loss, by_positive).numpy()


def test_the_corrected_gradient_is_closer_to_the_full_softmax_than_the_uncorrected(errors):
    assert errors["corrected"] < 0.5 * errors["none"]


def test_masking_the_positives_copies_brings_it_closer_still(errors):
    assert errors["masked too"] < errors["corrected"]


def test_leaving_the_positive_uncorrected_brings_it_closest(errors):
    assert errors["positive left"] == min(errors.values())


def test_subtracting_before_the_temperature_is_worse_than_no_correction(errors):
    assert errors["before the temperature"] > errors["none"]
