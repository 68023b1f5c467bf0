"""Indexes: find the vectors with the highest cosine to a query, exactly or approximately."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import faiss
import numpy as np
from annoy import AnnoyIndex

from dssm_core.config import IndexConfig

_SEED = 20210628
"""Of Annoy's trees and IVF's clusters, so that the same vectors give the same index."""
_FOUND_BYTES = 100_000_000
"""What the best of every slice may take for the queries that are asked at once; they are copied a few times."""
_PLACE_BYTES = 12
"""Of a position and a cosine."""
_VECTORS_PER_LIST = 39
"""FAISS's own lower bound for training a cluster; with fewer it warns and the clusters mean little."""
_QUERIES_IN_PARALLEL = 3
"""FAISS's `parallel_mode`: with its own, 0, the search of clusters that are already chosen runs on one core."""
_SLICE_BYTES = 16_000_000
"""Of the vectors that exact search takes at a time: they fit in the last level of cache of most machines."""
_TIE = 1e-6
"""Two float32 cosines closer than this may be one cosine, rounded differently by two ways of summing."""


class Index(Protocol):
    """Answers nearest-vector queries over a fixed set of vectors."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Best `k` vectors of each query: positions (q, k) int64 and cosines (q, k) float32, best first.

        `queries` is (q, d) float32 of unit rows. Each row holds min(k, n) distinct positions, then −1 with cosine −inf.
        """
        ...

    def save(self, path: Path) -> None:
        """Write the index in its library's own file format."""
        ...

    def searched(self, config: IndexConfig) -> "Index":
        """The same index, not built again, searched as widely as `config` says."""
        ...


@dataclass(frozen=True)
class _Flat:
    vectors: np.ndarray

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries = np.ascontiguousarray(queries)
        length = max(k, _SLICE_BYTES // self.vectors[:1].nbytes)
        slices = [slice(first, first + length) for first in range(0, len(self.vectors), length)]
        at_once = max(1, _FOUND_BYTES // (_PLACE_BYTES * k * len(slices)))
        blocks = [queries[first : first + at_once] for first in range(0, len(queries), at_once)] or [queries]
        found = [self._search_slices(block, k, slices) for block in blocks]
        return np.concatenate([places for places, _ in found]), np.concatenate([cosines for _, cosines in found])

    def _search_slices(self, queries: np.ndarray, k: int, slices: list[slice]) -> tuple[np.ndarray, np.ndarray]:
        parts = [self._search_slice(queries, k, part) for part in slices]
        return parts[0] if len(parts) == 1 else _best(*map(np.hstack, zip(*parts, strict=True)), k)

    def _search_slice(self, queries: np.ndarray, k: int, part: slice) -> tuple[np.ndarray, np.ndarray]:
        cosines, positions = faiss.knn(queries, self.vectors[part], k, metric=faiss.METRIC_INNER_PRODUCT)
        return _blank_empty(np.where(positions < 0, positions, positions + part.start), cosines)

    def save(self, path: Path) -> None:
        flat = faiss.IndexFlatIP(self.vectors.shape[1])
        flat.add(self.vectors)
        faiss.write_index(flat, str(path))

    def searched(self, config: IndexConfig) -> "Index":
        return self


@dataclass(frozen=True)
class _Annoy:
    trees: AnnoyIndex
    search_k: int

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        positions = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf, np.float32)
        # Annoy answers one query a call and has no batch form, so this loop cannot be a matrix operation.
        for row, query in enumerate(queries):
            found, apart = self._nearest(query, min(k, self.trees.get_n_items()))
            positions[row, : len(found)], distances[row, : len(found)] = found, apart
        return _blank_empty(positions, 1 - distances**2 / 2)

    def _nearest(self, query: np.ndarray, k: int) -> tuple[list[int], list[float]]:
        found, apart = self.trees.get_nns_by_vector(query, k, self.search_k, include_distances=True)
        if len(found) < k:  # a small search_k can see too few vectors: look at all of them
            everything = self.trees.get_n_trees() * self.trees.get_n_items()
            found, apart = self.trees.get_nns_by_vector(query, k, everything, include_distances=True)
        return found, apart

    def save(self, path: Path) -> None:
        self.trees.save(str(path))

    def searched(self, config: IndexConfig) -> "Index":
        return replace(self, search_k=config.search_k)


@dataclass(frozen=True)
class _Ivf:
    lists: faiss.IndexIVFFlat
    probes: int

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        positions, cosines = self._search(queries, k, self.probes)
        short = positions[:, min(k, self.lists.ntotal) - 1] < 0
        if short.any():  # the probed clusters held too few vectors: look into all of them
            positions[short], cosines[short] = self._search(queries[short], k, self.lists.nlist)
        return positions, cosines

    def save(self, path: Path) -> None:
        faiss.write_index(self.lists, str(path))

    def searched(self, config: IndexConfig) -> "Index":
        return replace(self, probes=config.probes)

    def _search(self, queries: np.ndarray, k: int, probes: int) -> tuple[np.ndarray, np.ndarray]:
        nearness, clusters = self.lists.quantizer.search(np.ascontiguousarray(queries), min(probes, self.lists.nlist))
        # one after the other, queries of like clusters find these in the processor's cache
        order = np.argsort(clusters[:, 0], kind="stable")
        found = _in_clusters(self.lists, queries[order], clusters[order], nearness[order], k)
        positions, cosines = (np.empty_like(array) for array in found)
        positions[order], cosines[order] = found
        return _blank_empty(positions, cosines)


def _in_clusters(
    lists: faiss.IndexIVFFlat, queries: np.ndarray, clusters: np.ndarray, nearness: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` of each query in its own `clusters` (q, probes).

    Like FAISS's `search_preassigned`, which takes no other number of clusters than the index's own, common to all
    threads; its plain `search` would look for the clusters once more, which is a tenth of the time.
    """
    asked = [np.ascontiguousarray(queries, np.float32), clusters, nearness]
    positions, cosines = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    pointers = [faiss.swig_ptr(array) for array in (*asked, cosines, positions)]
    parameters = faiss.SearchParametersIVF(nprobe=clusters.shape[1])
    lists.search_preassigned_c(len(queries), pointers[0], k, *pointers[1:], False, parameters)
    return positions, cosines


def _blank_empty(positions: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return positions, np.where(positions < 0, np.float32(-np.inf), cosines)


def _best(positions: np.ndarray, cosines: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` of each row, best first."""
    best = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(cosines, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(positions, best, axis=1), np.take_along_axis(cosines, best, axis=1)


def exact(vectors: np.ndarray, config: IndexConfig) -> Index:
    """FAISS's flat inner product: compares every query with every vector. The reference for the others.

    It goes over the vectors slice by slice, each with all queries, so that a slice is read from the processor's cache.
    """
    return _Flat(vectors)


def annoy(vectors: np.ndarray, config: IndexConfig) -> Index:
    """Annoy's forest of random projections under angular distance d; cosine = 1 − d²/2."""
    trees = AnnoyIndex(vectors.shape[1], "angular")
    trees.set_seed(_SEED)
    for position, vector in enumerate(vectors):  # Annoy takes one vector a call
        trees.add_item(position, vector)
    trees.build(config.trees, n_jobs=1)  # one job: with more, the order of the trees depends on the scheduler
    return _Annoy(trees, config.search_k)


def ivf(vectors: np.ndarray, config: IndexConfig) -> Index:
    """FAISS's IVF-Flat: k-means clusters, of which the `probes` nearest to the query are compared in full."""
    n, dim = vectors.shape
    clusters = min(config.lists or round(4 * n**0.5), max(1, n // _VECTORS_PER_LIST))
    lists = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, clusters, faiss.METRIC_INNER_PRODUCT)
    lists.cp.seed = _SEED
    lists.cp.max_points_per_centroid = (
        64  # k-means on a sample: a quarter of FAISS's default time, the same lists found
    )
    lists.train(vectors)
    lists.add(vectors)
    lists.parallel_mode = _QUERIES_IN_PARALLEL
    lists.nprobe = config.probes  # for those who load the saved index
    return _Ivf(lists, config.probes)


def _checked(build: Callable[[np.ndarray, IndexConfig], Index]) -> Callable[[np.ndarray, IndexConfig], Index]:
    def checked(vectors: np.ndarray, config: IndexConfig) -> Index:
        if vectors.ndim != 2 or not len(vectors):
            raise ValueError(f"an index needs (n, d) vectors with n above 0, got shape {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors to index must be finite: NaN or infinity found")
        return build(np.ascontiguousarray(vectors, np.float32), config)

    return checked


INDEXES: dict[str, Callable[[np.ndarray, IndexConfig], Index]] = {
    "exact": _checked(exact),
    "annoy": _checked(annoy),
    "ivf": _checked(ivf),
}
"""Builders by name: (n, d) float32 unit rows and the config → an Index; ValueError for vectors that are not finite."""


def save_index(vectors: np.ndarray, config: IndexConfig, path: Path) -> None:
    """Build the index that `config` names and write it: an Annoy file for `annoy`, a FAISS file for the others."""
    INDEXES[config.kind](vectors, config).save(path)


def describe_index(index: Index, config: IndexConfig, vectors: np.ndarray, queries: np.ndarray, k: int) -> dict:
    """What metrics.json tells of an index over `vectors`: its kind, and if approximate how it compares with exact."""
    if config.kind == "exact":
        return {"kind": "exact", "share_of_exact": 1.0, "queries_per_second": None, "exact_queries_per_second": None}
    reference = INDEXES["exact"](vectors, config)
    return {"kind": config.kind, **compare_with_exact(index, reference, queries, k)}


def compare_with_exact(index: Index, reference: Index, queries: np.ndarray, k: int, sample: int = 1000) -> dict:
    """How much of the exact top-`k` an index returns and how fast, on at most `sample` queries spread evenly.

    `share_of_exact` counts the returned vectors whose cosine reaches the exact list's last one, so that one of
    several equal vectors is as good as another. Both speeds are in queries per second.
    """
    chosen = queries[np.linspace(0, len(queries) - 1, min(sample, len(queries))).astype(np.int64)]
    (_, cosines), rate = _timed(index, chosen, k)
    (positions, best), reference_rate = _timed(reference, chosen, k)
    present = positions >= 0
    last = np.where(present, best, np.inf).min(axis=1, keepdims=True)
    share = (cosines >= last - _TIE).sum() / present.sum()
    return {"share_of_exact": float(share), "queries_per_second": rate, "exact_queries_per_second": reference_rate}


def _timed(index: Index, queries: np.ndarray, k: int) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    start = time.perf_counter()
    answer = index.search(queries, k)
    return answer, len(queries) / (time.perf_counter() - start)
