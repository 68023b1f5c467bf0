"""Two processors at once: what comes next is made while the last is still being used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")

_AHEAD = 2
"""How many items wait at most: a batch, and what is told of how far its file was read."""

_LOOKED_AT_S = 0.1
"""How long a thread that waits for its reader takes at most to see that nobody reads any more."""


class _Left(Exception):
    """Nobody reads any more."""


@contextmanager
def read_ahead(make: Callable[[Callable[[Item], None]], None]) -> Iterator[Iterator[Item]]:
    """Yield an iterator of what `make` hands to the function that it is called with, by a thread of its own.

    The order is that of handing over; at most two items wait. What `make` raises is raised after what it handed over.
    After the body the thread ends by itself, at the next item that it would hand over: it must change nothing that
    outlives the body.
    """
    ready: Queue[tuple[str, object]] = Queue(_AHEAD)
    left = Event()

    def put(kind: str, value: object) -> None:
        while not left.is_set():
            with suppress(Full):
                return ready.put((kind, value), timeout=_LOOKED_AT_S)
        raise _Left

    def work() -> None:
        try:
            make(lambda item: put("item", item))
            end = ("end", None)
        except _Left:
            return
        except Exception as error:
            end = ("error", error)
        with suppress(_Left):
            put(*end)

    Thread(target=work, daemon=True).start()
    try:
        yield _received(ready)
    finally:
        left.set()


def _received(ready: Queue) -> Iterator:
    while (received := ready.get())[0] == "item":
        yield received[1]
    if received[0] == "error":
        raise received[1]
