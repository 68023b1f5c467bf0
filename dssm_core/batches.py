"""Cuts an epoch into batches of positives plus negatives, and prepares the next while the last one trains."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.config import Config
from dssm_core.negatives import Draws, Strategy


@dataclass(frozen=True)
class Batches:
    """Several batches of B positives with their negatives.

    `users`, `positives`: (steps, B) int32. `negatives`: (steps, B, k) int32 for each row's own, 0 where there is
    none; (steps, S) for sets shared by the batch; (steps, 0) where they are the batch's other positives. `known`
    (steps, room, 2) int32 are the places (row, column) of a batch's shared negatives, or other positives, that the
    row's user is known to have clicked; unused room holds row B, which no batch has.
    """

    users: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    known: np.ndarray

    def __len__(self) -> int:
        return len(self.users)


class BatchMaker:
    """Draws the negatives of an epoch's positives and packs both into `Batches`."""

    def __init__(self, strategy: Strategy, clicked: UserArticles, config: Config):
        self._strategy = strategy
        self._clicked = clicked
        self._config = config
        self._place = np.zeros(clicked.n_articles, np.int32)
        self._room = 1

    def epoch(
        self,
        users: np.ndarray,
        positives: np.ndarray,
        size: int,
        rng: np.random.Generator,
        steps_per_call: Callable[[], int],
    ) -> tuple[Draws, Iterator[Batches]]:
        """Shuffle the positives into batches of `size`; the last batch is filled up from the first.

        Returns what was drawn for the whole epoch and an iterator over `Batches` of up to `steps_per_call()` steps,
        which is asked anew for each.
        """
        order = rng.permutation(len(users))
        steps = -(-len(order) // size)
        order = np.resize(order, steps * size)
        users, positives = users[order], positives[order]
        draws = self._draw(users, steps, rng)
        shape = (steps, size)
        negatives = draws.articles.reshape(*shape, -1) if self._own else draws.articles
        users, positives = users.reshape(shape), positives.reshape(shape)

        def pack(part: slice) -> Batches:
            return self._pack(users[part], positives[part], negatives[part])

        return draws, _ahead(pack, _parts(steps, steps_per_call))

    def one(self, users: np.ndarray, positives: np.ndarray, rng: np.random.Generator) -> Batches:
        """A single batch of these positives, in this order."""
        negatives = self._draw(users, 1, rng).articles
        return self._pack(users[None], positives[None], negatives[None] if self._own else negatives)

    @property
    def _own(self) -> bool:
        return not self._strategy.in_batch and not self._config.negatives.shared

    def _draw(self, users: np.ndarray, steps: int, rng: np.random.Generator) -> Draws:
        if self._own:
            return self._strategy.draw(users, self._config.negatives.k, rng)
        shared = self._config.negatives.shared
        articles = self._strategy.sample(steps * shared, rng) if shared else np.zeros(0, np.int32)
        return Draws(articles.astype(np.int32).reshape(steps, shared))

    def _pack(self, users: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> Batches:
        known = np.zeros((len(users), 0, 2), np.int32)
        if not self._own and self._config.loss.mask_known:
            columns = positives if self._strategy.in_batch else negatives
            known = self._padded([self._known(*step) for step in zip(users, columns, strict=True)], users.shape[1])
        return Batches(users, positives, negatives, known)

    def _padded(self, pairs: list[np.ndarray], size: int) -> np.ndarray:
        """All steps' pairs in one array. Its room grows by more than is needed: the step is compiled for each anew."""
        most = max(map(len, pairs))
        if most > self._room:
            self._room = most * 5 // 4
        padded = np.full((len(pairs), self._room, 2), [size, 0], np.int32)
        for step, places in enumerate(pairs):
            padded[step, : len(places)] = places
        return padded

    def _known(self, users: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Places (row, column) whose article the row's user clicked, found by marking where each article stands."""
        self._place[columns] = np.arange(1, len(columns) + 1)
        rows, articles = self._clicked.flat(users)
        found = self._place[articles]
        first = self._place[columns] - 1
        self._place[columns] = 0
        rows, found = rows[found > 0], found[found > 0] - 1
        return _every_copy(rows, found, first)


def _every_copy(rows: np.ndarray, found: np.ndarray, representative: np.ndarray) -> np.ndarray:
    """Repeat each place (row, column) for all columns of the same article: those with the same representative."""
    order = np.argsort(representative, kind="stable")
    start = np.searchsorted(representative[order], found)
    copies = np.searchsorted(representative[order], found, side="right") - start
    offsets = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    columns = order[np.repeat(start, copies) + offsets]
    return np.stack([np.repeat(rows, copies), columns], axis=1).astype(np.int32)


def _parts(steps: int, size: Callable[[], int]) -> Iterator[slice]:
    start = 0
    while start < steps:
        part = slice(start, start + size())
        yield part
        start = part.stop


def _ahead(make: Callable[[slice], Batches], parts: Iterator[slice]) -> Iterator[Batches]:
    """`make(part)` for each part, one ahead of its use, on a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        coming = None
        for part in parts:
            coming, ready = thread.submit(make, part), coming
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()
