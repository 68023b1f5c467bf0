"""Small numerical work on one thread: its pieces wait longer for each other's threads than they take."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """While the body runs, BLAS and OpenMP take one thread.

    The limit is the whole process's, and of two that overlap the later would restore what the earlier had set: bodies
    wait for each other.
    """
    with _ONE_AT_A_TIME, threadpool_limits(1):
        yield
