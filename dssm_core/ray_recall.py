"""Recall by the workers of a Ray cluster: each maps the vectors in the memory of its node, and copies an IVF index."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import faiss
import numpy as np

from dssm_core.errors import UserError
from dssm_core.ray_cluster import connected, told_of_loss
from dssm_core.recommender import RecallLists, Recommender
from dssm_core.retrieval import VectorRecommender

_TRIES = 3
"""How often a task is tried again whose worker or node was lost."""


@contextmanager
def shared_out(recommender: Recommender, address: str | None) -> Iterator[Recommender]:
    """Yield a recommender whose answers are the same, computed by the workers of the cluster at `address`.

    See `ray_cluster.connected`. A UserError for a recommender without vectors, and for an index that cannot be sent.
    """
    if not isinstance(recommender, VectorRecommender):
        raise UserError("a baseline has no vectors to share out among workers: leave --engine ray out")
    with connected(address) as ray:
        yield ClusterRecommender(recommender, ray)


class ClusterRecommender:
    """A Recommender whose blocks of users are searched and ranked by workers: by the very calls of one machine."""

    def __init__(self, recommender: VectorRecommender, ray: ModuleType):
        self._recommender = recommender
        self._each = partial(_call_all, ray, _task(ray), _sent(ray, recommender))

    def recall(self, users: np.ndarray, k: int) -> RecallLists:
        """The best `k` articles of each of `users`, as in `Recommender.recall`."""
        return self._recommender.recall(users, k, self._each)

    def exact(self, users: np.ndarray, articles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exact rank and score of each (user, article) pair, as in `Recommender.exact`."""
        return self._recommender.exact(users, articles, self._each)


_held: dict[Any, Any] = {}
"""In a worker: what was sent to it, by its reference."""


def _call(sent: list, name: str, arguments: tuple) -> Any:
    """In a worker: call a method of what was sent. In a list, so that Ray leaves the fetching to us, once a worker."""
    import ray

    (reference,) = sent
    if reference not in _held:
        _held[reference] = ray.get(reference)
    return getattr(_held[reference], name)(*arguments)


def _task(ray: ModuleType) -> Any:
    """`_call` as a task that takes as many threads as this machine would: with others, sums are rounded otherwise."""
    threads = faiss.omp_get_max_threads()
    most = max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"])
    environment = {"env_vars": {"OMP_NUM_THREADS": str(threads)}}
    return ray.remote(num_cpus=max(1, min(threads, most)), max_retries=_TRIES, runtime_env=environment)(_call)


def _sent(ray: ModuleType, recommender: VectorRecommender) -> Any:
    try:
        return ray.put(recommender)
    except TypeError:
        raise UserError("this index cannot be sent to workers: take exact or ivf by --index") from None


def _call_all(ray: ModuleType, task: Any, sent: Any, method: Any, *arguments: Any) -> Iterator[Any]:
    """`map` for the methods of what was sent."""
    calls = [task.remote([sent], method.__name__, asked) for asked in zip(*arguments, strict=True)]
    with told_of_loss(ray):
        yield from map(ray.get, calls)
