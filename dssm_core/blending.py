"""Two strategies in one: each negative comes from the second with a given chance."""

from dataclasses import replace

import numpy as np

from dssm_core.drawing import singly
from dssm_core.strategy import Draws, Strategy


def blended(first: Strategy, second: Strategy, share: float) -> Strategy:
    """A strategy that takes `share` (0..1) of a click's negatives from `second`.

    Where one of the two is in-batch, the other's draws join the batch's other positives. q is the mixture.
    """
    if second.in_batch:
        return _beside_batch(second, first, 1 - share)
    return _beside_batch(first, second, share) if first.in_batch else _mixture(first, second, share)


def _beside_batch(batch: Strategy, drawn: Strategy, share: float) -> Strategy:
    mixture = _mixture(batch, drawn, share)
    beside_share = 1 - (1 - share) * (1 - batch.beside_share)
    beside = _mixture(batch.beside, drawn, share / beside_share) if batch.beside and beside_share else _singly(drawn)
    return replace(batch, probability=mixture.probability, draw=mixture.draw, beside=beside, beside_share=beside_share)


def _singly(strategy: Strategy) -> Strategy:
    """The same with a q of single draws: of several, `exposed` tops up those that a user has too few articles for."""
    return replace(strategy, draw=singly(lambda users, positives, rng: strategy.draw(users, positives, 1, rng)))


def _mixture(first: Strategy, second: Strategy, share: float) -> Strategy:
    """Each draw is the second's with chance `share`, and the first's otherwise."""

    def draw(users: np.ndarray, positives: np.ndarray, k: int, rng: np.random.Generator) -> Draws:
        articles = np.zeros((len(users), k), np.int32)
        from_second = rng.random(articles.shape) < share
        repeated, topped_up = 0, 0
        for strategy, places in ((first, ~from_second), (second, from_second)):
            rows, columns = np.nonzero(places)
            drawn = strategy.draw(users[rows], positives[rows], 1, rng)
            articles[rows, columns] = drawn.articles[:, 0]
            repeated, topped_up = repeated + drawn.repeated, topped_up + drawn.topped_up
        return Draws(articles, repeated, topped_up)

    def sample(size: int, rng: np.random.Generator) -> np.ndarray:
        return np.where(rng.random(size) < share, second.sample(size, rng), first.sample(size, rng))

    probability = (1 - share) * first.probability + share * second.probability
    return Strategy(probability, draw, sample if first.sample and second.sample else None)
