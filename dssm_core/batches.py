"""Cuts an epoch into batches of positives plus negatives, and prepares the next while the last one trains."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dssm_core.checkpoint import part_of, under
from dssm_core.clicks import UserArticles
from dssm_core.false_negatives import FalseNegatives
from dssm_core.strategy import Draws, Sizes, Strategy
from dssm_core.streaming import StreamingFrequency
from dssm_core.training_data import Clicks


@dataclass(frozen=True)
class Batches:
    """Several batches of B positives with their negatives.

    `users`, `positives`: (steps, B) int32; `before` (steps, B, 2) int32, see `Clicks`. `own` (steps, B, k) int32 are
    each click's own negatives, 0 where there is none; `shared` (steps, S) are sets shared by the batch. Where the
    strategy is in-batch, the other positives are negatives too. `known` (steps, room, 2) int32 are the places (row,
    column) that the row's user is known to have clicked, where the columns are the batch's positives (if in-batch), the
    shared set and the positives of the memory, in this order; unused room holds row B, which no batch has. `log_q`
    (steps, B + S + B·k) float32: ln q of positives, shared and own negatives where it is estimated on the fly; else
    (steps, 0).
    """

    users: np.ndarray
    positives: np.ndarray
    before: np.ndarray
    own: np.ndarray
    shared: np.ndarray
    known: np.ndarray
    log_q: np.ndarray

    def __len__(self) -> int:
        return len(self.users)


class BatchMaker:
    """Draws the negatives of an epoch's positives and packs both into `Batches` of `sizes`; `steps`: an epoch's.

    `false_negatives` counts what it draws that should not have been drawn, where somebody wants to know.
    """

    def __init__(
        self,
        strategy: Strategy,
        clicked: UserArticles,
        sizes: Sizes,
        steps: int,
        mask_known: bool,
        false_negatives: FalseNegatives | None = None,
    ):
        self._strategy = strategy
        self._clicked = clicked
        self._mask_known = mask_known
        self._false_negatives = false_negatives
        self._sizes, self._size = sizes, sizes.batch
        self._memory = np.zeros((strategy.memory, sizes.batch), np.int32)
        self._step = 0
        self._streaming = StreamingFrequency(clicked.n_articles, steps, sizes.batch) if strategy.streaming else None
        self._place = np.zeros(clicked.n_articles, np.int32)
        self._room = 1

    def epoch(
        self, clicks: Clicks, rng: np.random.Generator, steps_per_call: Callable[[], int]
    ) -> tuple[Draws, Iterator[Batches]]:
        """Shuffle the clicks into batches; the last batch is filled up from the first.

        Returns what was drawn for the whole epoch and an iterator over `Batches` of up to `steps_per_call()` steps,
        which is asked anew for each.
        """
        order = rng.permutation(len(clicks))
        steps = -(-len(order) // self._size)
        clicks = clicks.at(np.resize(order, steps * self._size))
        draws, own, shared = self._draw(clicks, steps, rng)

        def pack(part: slice) -> Batches:
            rows = slice(part.start * self._size, part.stop * self._size)
            return self._pack(clicks.at(rows), own[rows], shared[part])

        return draws, _ahead(pack, _parts(steps, steps_per_call))

    def one(self, clicks: Clicks, rng: np.random.Generator) -> Batches:
        """A single batch of `size` clicks, in this order, that leaves the memory and the frequencies as they are."""
        _, own, shared = self._draw(clicks, 1, rng)
        return self._pack(clicks, own, shared, passing=True)

    def state(self) -> dict[str, np.ndarray]:
        """What the batches so far left behind: memory, frequencies, and the room that the step is compiled for."""
        streaming = under("streaming", self._streaming.state()) if self._streaming else {}
        return {"memory": self._memory.copy(), "step": np.array(self._step), "room": np.array(self._room), **streaming}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self._memory, self._step, self._room = state["memory"], int(state["step"]), int(state["room"])
        if self._streaming:
            self._streaming.restore(part_of("streaming", state))

    def _draw(self, clicks: Clicks, steps: int, rng: np.random.Generator) -> tuple[Draws, np.ndarray, np.ndarray]:
        """What was drawn, as each click's own (n, k) and as sets of the steps (steps, S)."""
        own, shared = np.zeros((len(clicks), 0), np.int32), np.zeros((steps, 0), np.int32)
        drawing, sizes = self._strategy.drawing, self._sizes
        if sizes.shared:
            shared = drawing.sample(steps * sizes.shared, rng).astype(np.int32).reshape(steps, sizes.shared)
            return Draws(shared), own, shared
        if sizes.own:
            draws = drawing.draw(clicks.users, clicks.articles, sizes.own - drawing.extra, rng)
            return draws, draws.articles, shared
        return Draws(own), own, shared

    def _pack(self, clicks: Clicks, own: np.ndarray, shared: np.ndarray, passing: bool = False) -> Batches:
        users, positives = clicks.users.reshape(-1, self._size), clicks.articles.reshape(-1, self._size)
        own = own.reshape(*users.shape, own.shape[1])
        known, log_q = [], []
        for step in range(len(users)):
            columns = self._columns(positives[step], shared[step])
            known.append(self._known(users[step], columns))
            log_q.append(self._log_q(positives[step], shared[step], own[step], passing))
            if not passing:
                self._remember(positives[step])
                if self._false_negatives:
                    self._false_negatives.count(users[step], columns, own[step], self._strategy.in_batch)
        before = clicks.before.reshape(*users.shape, 2)
        return Batches(users, positives, before, own, shared, self._padded(known), np.stack(log_q))

    def _columns(self, positives: np.ndarray, shared: np.ndarray) -> np.ndarray:
        batch = positives if self._strategy.in_batch else positives[:0]
        return np.concatenate([batch, shared, self._memory.ravel()])

    def _remember(self, positives: np.ndarray) -> None:
        """Put the batch where the step puts its vectors: over the oldest."""
        if len(self._memory):
            self._memory[self._step % len(self._memory)] = positives
        self._step += 1

    def _log_q(self, positives: np.ndarray, shared: np.ndarray, own: np.ndarray, passing: bool) -> np.ndarray:
        if self._streaming is None:
            return np.zeros(0, np.float32)
        if not passing:
            self._streaming.update(positives)
        articles = np.concatenate([positives, shared, own.ravel()])
        probability = self._streaming.probability(articles)
        if self._strategy.beside_share:
            share = self._strategy.beside_share
            probability = (1 - share) * probability + share * self._strategy.beside.probability[articles]
        return np.log(probability).astype(np.float32)

    def _padded(self, pairs: list[np.ndarray]) -> np.ndarray:
        """All steps' pairs in one array. Its room grows by more than is needed: the step is compiled for each anew."""
        most = max(map(len, pairs))
        if most > self._room:
            self._room = most * 5 // 4
        padded = np.full((len(pairs), self._room, 2), [self._size, 0], np.int32)
        for step, places in enumerate(pairs):
            padded[step, : len(places)] = places
        return padded

    def _known(self, users: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Places (row, column) whose article the row's user clicked, found by marking where each article stands."""
        if not self._mask_known or not len(columns):
            return np.zeros((0, 2), np.int32)
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
    copies = np.bincount(representative, minlength=len(representative))
    start = np.cumsum(copies) - copies
    start, copies = start[found], copies[found]
    offsets = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    columns = order[np.repeat(start, copies) + offsets]
    return np.stack([np.repeat(rows, copies), columns], axis=1).astype(np.int32)


def _parts(steps: int, size: Callable[[], int]) -> Iterator[slice]:
    start = 0
    while start < steps:
        part = slice(start, min(steps, start + size()))
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
