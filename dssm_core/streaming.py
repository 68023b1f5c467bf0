"""Estimates how often each article is clicked from the stream of batches alone (Yi et al., RecSys 2019, section 4)."""

import numpy as np

_RATE = 0.05
_BUCKETS_PER_ARTICLE = 4
_HASHES = 2
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


class StreamingFrequency:
    """The hashed estimator: in each bucket the mean number of steps between two batches that hold one of its articles.

    Of several hashes the longest gap counts, since collisions only shorten it. A bucket that was never met starts at
    `first_gap` steps. Its chance to be in a batch is 1 / gap, so q(a) = 1 / (gap · batch).
    """

    def __init__(self, n_articles: int, first_gap: float, batch: int):
        self._batch = batch
        self._buckets = 1 << int(n_articles * _BUCKETS_PER_ARTICLE - 1).bit_length()
        self._last = np.zeros((_HASHES, self._buckets))
        self._gap = np.full((_HASHES, self._buckets), float(first_gap))
        self._step = 0

    def update(self, articles: np.ndarray) -> None:
        """Count one batch of clicked articles, (B,) int32."""
        self._step += 1
        for last, gap, places in zip(self._last, self._gap, self._places(np.unique(articles)), strict=True):
            places = np.unique(places)
            gap[places] += _RATE * (self._step - last[places] - gap[places])
            last[places] = self._step

    def probability(self, articles: np.ndarray) -> np.ndarray:
        """q of each of `articles`, float64 of the same shape."""
        gaps = np.stack([gap[places] for gap, places in zip(self._gap, self._places(articles), strict=True)])
        return 1 / (np.maximum(gaps.max(axis=0), 1) * self._batch)

    def state(self) -> dict[str, np.ndarray]:
        """All that was estimated so far."""
        return {"last": self._last.copy(), "gap": self._gap.copy(), "step": np.array(self._step)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self._last, self._gap, self._step = state["last"], state["gap"], int(state["step"])

    def _places(self, articles: np.ndarray) -> np.ndarray:
        """The bucket of each article under each hash: (hashes, …) int64."""
        mixed = articles.astype(np.uint64)[None] * _MULTIPLIERS.reshape(-1, *[1] * articles.ndim)
        return (mixed >> np.uint64(64 - self._buckets.bit_length() + 1)).astype(np.int64)
