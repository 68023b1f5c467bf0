"""Thins out the clicks on popular articles (Mikolov et al., 2013, equation 5, as in the word2vec code)."""

import numpy as np


def keep_probability(clicks: np.ndarray, threshold: float) -> np.ndarray:
    """Chance that a click on each article is kept: min(1, (√(f/t) + 1) · t/f), f = c(a)/Σc; (articles,) float64.

    `clicks`: c(a), (articles,) int64. `threshold`: t; 0 keeps all.
    """
    keep = np.ones(len(clicks))
    if threshold:
        share = clicks[clicks > 0] / clicks.sum()
        keep[clicks > 0] = np.minimum(1, (np.sqrt(share / threshold) + 1) * threshold / share)
    return keep


def kept_clicks(keep: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of the clicks to train on this time, int64: each is among them with its chance in `keep` (n,).

    Drawn systematically, in random order, so that their number is always Σ keep, rounded.
    """
    order = rng.permutation(len(keep))
    total = max(1, round(keep.sum()))
    steps = np.floor(np.cumsum(keep[order]) / keep.sum() * total + rng.random())
    return order[np.diff(steps, prepend=0) > 0]
