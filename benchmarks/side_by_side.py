"""What the timings share: ratios of two sides measured in turn, and a log at the scale of the Yidian sample."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.goals import print_figure, rounded
from dssm_core.clicks import UserArticles
from dssm_core.features import Features, Field, Side
from dssm_core.train_counts import TrainCounts

USERS, CLICKS = 50_000, 600_000
ROUNDS = 5
DIM = 32


def print_ratio(
    name: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS, **details: object
) -> None:
    """Call both sides in turn, `rounds` times each, and print ours ÷ theirs as a figure. Each returns a rate."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    print_figure(
        name,
        [one / other for one, other in pairs],
        ours_per_second=rounded(statistics.median(one for one, _ in pairs)),
        theirs_per_second=rounded(statistics.median(other for _, other in pairs)),
        **details,
    )


def per_second(n: int, work: Callable[[], object]) -> float:
    """How many of the `n` things that `work` does are done in a second."""
    started = time.perf_counter()
    work()
    return n / (time.perf_counter() - started)


def large_counts(articles: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, TrainCounts]:
    """Clicks (users, articles) of a long-tailed log and what a strategy knows of it; ten exposures a click."""
    users = rng.integers(1, USERS + 1, CLICKS).astype(np.int32)
    # Zipf–Mandelbrot: 0.3 % of the clicks on the first article, over half on a tenth, as in MovieLens and the demo log
    share = 1 / (np.arange(articles) + 15.0) ** 0.9
    clicked = (1 + rng.choice(articles, CLICKS, p=share / share.sum())).astype(np.int32)
    shape = (USERS + 1, articles + 1)
    counts = np.bincount(clicked, minlength=articles + 1)
    return (
        users,
        clicked,
        TrainCounts(
            np.arange(1, articles + 1, dtype=np.int32),
            10 * counts,
            counts,
            UserArticles.from_pairs(users, clicked, *shape),
            UserArticles.from_pairs(rng.permutation(users), clicked, *shape),
        ),
    )


def large_features(articles: int, rng: np.random.Generator) -> Features:
    """fun-rec's fields at the cardinalities of the Yidian sample."""
    return Features(
        _side({"user_id": USERS + 1, "device": 2000, "os": 3, "province": 35, "city": 400, "age": 5, "gender": 3}, rng),
        _side({"article_id": articles + 1, "cate": 30, "sub_cate": 300}, rng),
    )


def _side(sizes: dict[str, int], rng: np.random.Generator) -> Side:
    rows = next(iter(sizes.values()))
    firsts = np.cumsum([1, *sizes.values()])
    fields = tuple(
        Field(name, [""] * n, int(first), 1) for (name, n), first in zip(sizes.items(), firsts, strict=False)
    )
    values = [np.arange(rows), *(rng.integers(0, n, rows) for n in list(sizes.values())[1:])]
    slots = (np.stack(values, axis=1) + firsts[:-1]).astype(np.int32)
    return Side(fields, slots, np.ones(slots.shape, np.float32), int(firsts[-1]))


def unit_vectors(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 32) float32, around 500 centres, as those of trained towers lie around topics."""
    centres = np.random.default_rng(1).normal(size=(500, DIM))
    vectors = centres[rng.integers(0, len(centres), n)] + 0.7 * rng.normal(size=(n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
