"""Recall by the workers of a Ray cluster: each holds the vectors once, mapped from its node's shared memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from dssm_core.errors import UserError
from dssm_core.ray_cluster import connected
from dssm_core.recommender import RecallLists, Recommender
from dssm_core.retrieval import VectorRecommender


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
        self._each = partial(_call_all, ray, _workers(ray), _sent(ray, recommender))

    def recall(self, users: np.ndarray, k: int) -> RecallLists:
        """The best `k` articles of each of `users`, as in `Recommender.recall`."""
        return self._recommender.recall(users, k, self._each)

    def exact(self, users: np.ndarray, articles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exact rank and score of each (user, article) pair, as in `Recommender.exact`."""
        return self._recommender.exact(users, articles, self._each)


class _Worker:
    """Holds what was sent to its node, whose arrays it maps and does not copy, and calls its methods."""

    _held = None

    def call(self, sent: list, name: str, arguments: tuple) -> Any:
        import ray

        # in a list, Ray leaves the fetching to the worker, which does it once
        self._held = self._held or ray.get(sent[0])
        return getattr(self._held, name)(*arguments)


def _sent(ray: ModuleType, recommender: VectorRecommender) -> Any:
    try:
        return ray.put(recommender)
    except TypeError:
        raise UserError("this index cannot be sent to workers: take exact or ivf by --index") from None


def _workers(ray: ModuleType) -> list:
    """One for each free processor; those of a node that is lost are made again on another."""
    worker = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Worker)
    return [worker.remote() for _ in range(max(1, int(ray.available_resources().get("CPU", 1))))]


def _call_all(ray: ModuleType, workers: list, sent: Any, method: Any, *arguments: Any) -> Iterator[Any]:
    """`map` for the methods of what was sent."""
    asked = list(zip(*arguments, strict=True))
    pool = ray.util.ActorPool(workers)
    return pool.map(lambda worker, block: worker.call.remote([sent], method.__name__, block), asked)
