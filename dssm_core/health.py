"""Whether an embedding still tells users apart."""

import numpy as np

_COLLAPSED_DISTINCT = 0.5
_COLLAPSED_COSINE = 0.95


def health(vectors: np.ndarray) -> dict[str, float | bool]:
    """Share of distinct vectors and mean pairwise cosine of unit vectors (n, d), n ≥ 1, and whether they collapsed.

    Vectors equal to four decimals count as one. The mean over the n(n − 1) pairs is (|Σ v|² − n) / (n(n − 1)).
    Collapsed: more than half of the vectors are copies, or all point nearly the same way (mean cosine above 0.95).
    """
    n = len(vectors)
    rounded = np.ascontiguousarray(np.round(vectors, 4) + 0.0)
    distinct = len(np.unique(rounded.view(np.dtype((np.void, rounded.dtype.itemsize * rounded.shape[1]))))) / n
    total = vectors.sum(axis=0, dtype=np.float64)
    mean_cosine = float((total @ total - n) / (n * (n - 1))) if n > 1 else 0.0
    collapsed = n > 1 and (distinct < _COLLAPSED_DISTINCT or mean_cosine > _COLLAPSED_COSINE)
    return {"distinct_users": float(distinct), "mean_cosine": mean_cosine, "collapsed": bool(collapsed)}
