"""A real Ray cluster of two nodes on this machine, and the loss of one of them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from dssm_core import ray_cluster

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}

_LOOKED_AFTER = {"health_check_period_ms": 500}
"""A node that refuses five times to say that it is alive is lost: every 3 s unless told otherwise."""


@contextmanager
def two_nodes() -> Iterator:
    """Yield a `ray.cluster_utils.Cluster`: a head, which nothing is to be taken from, and a node beside it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray_cluster.imported()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": _LOOKED_AFTER})
    try:
        cluster.add_node(**{name: value for name, value in NODE.items() if name != "include_dashboard"})
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def lose(cluster, node) -> None:
    """Kill a node with all that was started on it, as a power failure does."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    lost = [raylet, *raylet.children(recursive=True)]
    for process in lost:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)  # none of them sees the others go
    for process in lost:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    cluster.remove_node(node, allow_graceful=False)
