"""95 % intervals: how far a number would move if other users of the same kind had been measured."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import special

_LOW, _HIGH = 2.5, 97.5
_DRAWS_PER_BLOCK = 4_000_000
_GROUPS = 20
_NORMAL_975 = 1.959964

Interval = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Value, low end and high end: three (m,) float64 arrays, NaN where undefined."""


def bootstrap_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> Interval:
    """Mean of each column of `values` and its percentile bootstrap interval.

    `values` is (users, m) float, NaN where undefined for a user. Users are drawn with replacement, all columns
    together. Source: Efron & Tibshirani, An introduction to the bootstrap, 1993, ch. 13.
    """
    defined = ~np.isnan(values)
    return bootstrap_ratios(np.where(defined, values, 0), defined, resamples, rng)


def two_way(values: np.ndarray, baseline: np.ndarray | None = None) -> Interval:
    """Mean of `values`, or of `values − baseline`, with an interval that covers both users and seeds.

    `values` is (seeds, users, m) and `baseline` (its seeds, users, m): the same users, measured on runs that differ by
    their seed alone. A side of one run adds no variance of seeds: that of a model which is not trained has none.

    Users are common to both sides and seeds to all users, so the variance of the mean is that over users, plus what the
    seeds of each side scatter beyond the interaction of the two, which the users hold already (Cameron, Gelbach &
    Miller, Robust inference with multiway clustering, 2011; Owen, The pigeonhole bootstrap, 2007, for why resampling
    both ways counts it three times). A variance over three seeds is known badly, so the interval is Student's, with
    Satterthwaite's (1946) degrees of freedom: percentiles of three resampled seeds are too narrow by a third and more.
    NaN ends for fewer than two users.
    """
    sides = [values] if baseline is None else [values, baseline]
    by_user = values.mean(axis=0) - (0 if baseline is None else baseline.mean(axis=0))
    value = by_user.mean(axis=0)
    if len(by_user) < 2:
        return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
    users, beyond, uncertain = _mean_variance(by_user), np.zeros_like(value), np.zeros_like(value)
    for side in sides:
        if len(side) > 1:
            seeds = _mean_variance(side.mean(axis=1))
            beyond, uncertain = beyond + seeds - _interaction(side), uncertain + seeds**2 / (len(side) - 1)
    variance = users + np.maximum(beyond, 0)
    uncertain = users**2 / (len(by_user) - 1) + np.where(beyond > 0, uncertain, 0)
    freedom = np.divide(variance**2, uncertain, out=np.full_like(value, np.inf), where=uncertain > 0)
    half = special.stdtrit(freedom, _HIGH / 100) * np.sqrt(variance)
    return value, value - half, value + half


def two_way_ratios(numerators: np.ndarray, denominators: np.ndarray, baseline: np.ndarray | None = None) -> Interval:
    """Σ numerators / Σ denominators of each column, or its difference from that of `baseline`, over users and seeds.

    `numerators` is (seeds, users, m), `baseline` (its seeds, users, m), `denominators` (users, m), common to all. The
    interval is `two_way`'s of what each user and seed adds to a ratio's error, (numerator − ratio · denominator) over
    the mean denominator (Woodruff, A simple method for approximating the variance of a complicated estimate, 1971). NaN
    ends where fewer than two users have a denominator.
    """
    sides = [numerators] if baseline is None else [numerators, baseline]
    ratios, errors = zip(*(_errors_of_ratio(side, denominators) for side in sides), strict=True)
    value = ratios[0] - (0 if baseline is None else ratios[1])
    _, _, half = two_way(*errors)
    half = np.where(np.count_nonzero(denominators, axis=0) > 1, half, np.nan)
    return value, value - half, value + half


def _errors_of_ratio(numerators: np.ndarray, denominators: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ratio (m,) of a side and what each of its seeds and users adds to its error (seeds, users, m)."""
    mean = denominators.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = numerators.mean(axis=(0, 1)) / mean
        return ratio, (numerators - ratio * denominators) / mean


def _mean_variance(rows: np.ndarray) -> np.ndarray:
    """The variance of the mean of `rows` (n, m): (m,)."""
    return rows.var(axis=0, ddof=1) / len(rows)


def _interaction(side: np.ndarray) -> np.ndarray:
    """What the interaction of seeds and users adds to the variance of a side's mean: (m,)."""
    seeds, users, _ = side.shape
    # what is left beside both means, squared and summed in parts: no array of all that is left
    centred = side - side.mean(axis=(0, 1))
    of_seeds, of_users = centred.mean(axis=1), centred.mean(axis=0)
    rest = (
        _squares("snm,snm->m", centred)
        - users * _squares("nm,nm->m", of_seeds)
        - seeds * _squares("nm,nm->m", of_users)
    )
    return np.maximum(rest, 0) / ((seeds - 1) * (users - 1)) / (seeds * users)


def _squares(form: str, values: np.ndarray) -> np.ndarray:
    return np.einsum(form, values, values)


def bootstrap_ratios(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int, rng: np.random.Generator
) -> Interval:
    """Σ numerators / Σ denominators of each column, with its percentile bootstrap interval over the rows (users).

    Both are (users, m). A resample in which a column's denominator is 0 does not count for that column. NaN ends where
    fewer than two users have a denominator: every resample would be the same, and an interval without width.
    """
    both = np.hstack([numerators, denominators]).astype(np.float64)
    value = _ratios(both.sum(axis=0, keepdims=True))[0]
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    known = np.count_nonzero(denominators, axis=0) > 1
    if known.any():
        ratios = _ratios(np.vstack([counts @ both for counts in _times_drawn(len(both), resamples, rng)]))
        low[known], high[known] = np.nanpercentile(ratios[:, known], [_LOW, _HIGH], axis=0)
    return value, low, high


def jackknife(
    statistic: Callable[[np.ndarray], float], totals: np.ndarray, groups: np.ndarray
) -> tuple[float, float, float]:
    """A statistic of counts summed over users, with a 95 % interval from leaving out one group of users at a time.

    `totals` (p,) are the counts over all users, `groups` (g, p) those of g random groups of equal size. For statistics
    of the whole catalogue, such as coverage, which a bootstrap would put too low: a resample holds only 63 % of the
    users. Source: Efron & Tibshirani 1993, ch. 11 (delete-d jackknife).
    """
    value = statistic(totals)
    left_out = np.array([statistic(totals - group) for group in groups])
    g = len(groups)
    error = np.sqrt((g - 1) / g * ((left_out - left_out.mean()) ** 2).sum())
    return value, value - _NORMAL_975 * error, value + _NORMAL_975 * error


def random_groups(n: int, rng: np.random.Generator) -> np.ndarray:
    """A group number for each of `n` users, in up to 20 groups whose sizes differ by one at most: (n,) int64."""
    return rng.permutation(np.arange(n) % min(_GROUPS, n)) if n else np.zeros(0, np.int64)


def as_json(value: float, low: float, high: float) -> dict[str, float | None]:
    """A number with its interval as metrics.json holds it: null where undefined."""
    named = {"value": value, "low": low, "high": high}
    return {name: float(number) if np.isfinite(number) else None for name, number in named.items()}


def _ratios(sums: np.ndarray) -> np.ndarray:
    numerator, denominator = np.hsplit(sums, 2)
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def _times_drawn(n: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Blocks of (resamples, n) float64: how often each user is drawn in each resample of n users with replacement."""
    length = max(1, _DRAWS_PER_BLOCK // n)
    for first in range(0, resamples, length):
        rows = min(length, resamples - first)
        cells = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
