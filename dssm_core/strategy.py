"""What a way to draw negatives is: its q(a), its draws, and whether the batch's other positives are negatives too."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dssm_core.config import NegativesConfig
from dssm_core.errors import UserError

MOST_OWN = 200
"""The most negatives of its own that a click may have beside the batch's other positives."""

MOST_SHARED = 16_384
"""The most that a batch may share beside them: every click is scored with each."""

Sample = Callable[[int, np.random.Generator], np.ndarray]
"""(size, rng) → int32 article rows, drawn independently from q."""


@dataclass(frozen=True)
class Draws:
    """Negatives drawn for clicks.

    `articles` (n, k) int32; 0 means that this click has no such negative (`funrec_mix` spreads k draws per user over
    the user's clicks; or the user has clicked every article that could be drawn). `repeated` counts the draws that hit
    one of the user's own clicks and were drawn again; `topped_up` those that the strategy itself could not supply.
    """

    articles: np.ndarray
    repeated: int = 0
    topped_up: int = 0

    @property
    def drawn(self) -> int:
        """Number of negatives."""
        return int((self.articles > 0).sum())


Draw = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Draws]
"""(users (n,), positives (n,), k, rng) → k negatives for each click of `users` on `positives`, none of their own."""


@dataclass(frozen=True)
class Strategy:
    """A way to draw negatives.

    `probability`: q(a), (articles,) float64 summing to 1: the chance that one draw for a click picked at random is a,
    before own clicks are drawn again. `draw` draws for each click, `extra` more than it is asked for. `sample` draws
    from q whoever the user is, for sets shared by a batch; None where draws depend on the click.

    `in_batch`: the batch's other positives are the negatives, and `draw` only shows what they look like. They may be
    joined by the positives of the `memory` batches before, and by draws of the strategy `beside`, of which there are so
    many that they make up `beside_share` of a click's negatives. Of all these the `hardest` are kept, where it is
    above 0. `streaming`: q is estimated from the batches as they come instead of counted.
    """

    probability: np.ndarray
    draw: Draw
    sample: Sample | None
    in_batch: bool = False
    beside: "Strategy | None" = None
    beside_share: float = 0.0
    memory: int = 0
    hardest: int = 0
    streaming: bool = False
    extra: int = 0

    @property
    def drawing(self) -> "Strategy":
        """What draws the negatives that are not the batch's other positives."""
        return self.beside or self

    def sizes(self, config: NegativesConfig, batch: int) -> "Sizes":
        """How many negatives a batch of `batch` clicks has. A UserError where there are too many."""
        if not self.in_batch:
            return Sizes(batch, 0, config.shared) if config.shared else Sizes(batch, config.k + self.extra, 0)
        if not self.beside_share:
            return Sizes(batch, 0, 0)
        drawn = max(1, round(self.beside_share / (1 - self.beside_share) * (batch - 1)))
        most = MOST_SHARED if self.beside.sample else MOST_OWN
        if drawn > most:
            raise UserError(
                f"a share of {self.beside_share:.3g} beside a batch of {batch} would take {drawn:,} negatives "
                f"{'for the batch' if self.beside.sample else 'of its own for each click'}: bring that share to "
                f"{most / (most + batch - 1):.2f} or less by negatives.blend_share, or lower train.batch_size"
            )
        return Sizes(batch, 0, drawn) if self.beside.sample else Sizes(batch, drawn, 0)


def batch_size(wanted: int, clicks: int) -> int:
    """Clicks a step: as wanted, but no more than the log has."""
    return min(wanted, max(2, clicks))


@dataclass(frozen=True)
class Sizes:
    """What a batch is made of: its clicks, the negatives that each has of its own, and those that all share."""

    batch: int
    own: int
    shared: int
