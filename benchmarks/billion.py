"""A job of 1 billion rows, 100 million articles and 500 million users, computed from the cost model."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from math import ceil, e, exp, log, sqrt

from benchmarks.cost_points import CODE_BYTES, EPOCHS, K, job_config
from benchmarks.costs import Counts, fit, foretold
from dssm_core.features import SideSize
from dssm_core.memory_bound import Need
from dssm_core.memory_need import Scale, need_of_baseline, need_of_run
from dssm_core.strategy import Strategy

ROWS, ARTICLES, USERS = 1_000_000_000, 100_000_000, 500_000_000
CORES, MEMORY, USABLE, NIGHT = 32, 256e9, 0.8, 8.0
"""A machine's cores and bytes, the share of these that a stage may take, and the hours that a stage may take."""
_ID, _FLOAT, _COUNT = 8, 4, 8
_BASELINES = ("random", "popular", "recent_popular")
_SKETCH_ERROR, _SKETCH_DOUBT, _REGISTERS = 1e-6, 0.01, 256
_PLACE = 8
"""Bytes of a place in a recall list: an article and its score."""


@dataclass(frozen=True)
class Stage:
    """What a stage takes: processor seconds, of which all cores share `share`; bytes held by one process; whether its
    work can be cut into parts for several machines as it is; and what of it breaks first."""

    name: str
    cpu: float
    share: float
    held: float
    divides: bool
    breaks: str


@dataclass(frozen=True)
class Design:
    """What takes the place of what breaks: bytes in all, and hours of one machine."""

    what: str
    by: str
    held: float
    hours: float


class Job:
    """That job, by what `benchmarks.cost_model` found."""

    def __init__(self, result: dict):
        self._measured, self._model = result["measured"], result["model"]
        self.config = job_config()
        self.counts = billion(self._measured["large"]["counts"])
        self.held = fit(self._measured["small"], ("row", "user", "article"), lambda point: point["counts"]["held"])
        self.table_row_bytes = _FLOAT * (self.config.tower.embedding_dim + 1)

    @cached_property
    def need(self) -> Need:
        """What the lab's own estimate says that the run's process would hold."""
        return need_of_run(self.config, self._scale, _IN_BATCH)

    def estimate_at_full_scale(self) -> float:
        """Bytes, by the same estimate, of the run that was measured."""
        counts = self._measured["large"]["counts"]
        return need_of_run(self.config, scale_of(counts, counts["held"]), _IN_BATCH).bytes

    @property
    def operations_of_positive(self) -> int:
        """In the products of a step, a positive: forward, and twice that backward."""
        tower = self.config.tower
        layers = [*tower.hidden, tower.dim]
        multiplied = self.config.train.batch_size * tower.dim
        for side in ("users", "articles"):
            widths = [tower.embedding_dim * self.counts[side]["fields"], *layers]
            multiplied += sum(one * following for one, following in pairwise(widths))
        return 3 * 2 * multiplied

    def share(self, *stages: str) -> float:
        """What all cores share of some stages, as measured."""
        taken = [self._measured["large"]["stages"][stage] for stage in stages]
        return parallel_share({unit: sum(one[unit] for one in taken) for unit in taken[0]}, self._measured["cores"])

    def evaluation_cpu(self, users: float) -> float:
        """Processor seconds of the exact evaluation of that many users."""
        return foretold(self._model["cpu"]["evaluate"], {**self.counts, "tested": users})

    def stages(self) -> Iterator[Stage]:
        """Every stage by the code as it is, and the lists of all users besides."""
        log_bytes = self._scale.held + self._part("features of")
        vectors = _FLOAT * self.config.tower.dim * (self.counts["pool"] + self.counts["users"]["rows"])
        pool = _FLOAT * self.config.tower.dim * self.counts["pool"]
        ingested = 1e6 * foretold(self._model["memory"]["ingest"], self.counts)
        prepared = ("load", "split", "features", "negatives")
        yield self._stage("ingest", ("ingest",), ingested, True, "the ids of all users in one process")
        yield self._stage(
            "load, split, features, negatives", prepared, log_bytes, False, "the log and all slots in one process"
        )
        yield self._stage(
            f"training, {EPOCHS} epochs", ("libraries", "train"), self.need.bytes, False, "the embedding tables"
        )
        yield self._stage("embedding", ("embed",), vectors, True, "nothing, in parts")
        yield Stage("IVF-Flat index", self._indexed("ivf build"), 1.0, flat_bytes(self.counts), True, "time of k-means")
        yield self._stage("evaluation, 10,000 users, exact", ("evaluate", "save"), vectors, True, "nothing")
        yield Stage("lists of all users, exact", self._indexed("exact search"), 1.0, pool, True, "time")
        yield Stage(
            "lists of all users, IVF-Flat", self._indexed("ivf search"), 1.0, flat_bytes(self.counts), True, "nothing"
        )
        yield self._stage("random, popular, recent_popular", _BASELINES, self._scale.held, False, "the log in memory")
        yield self._stage(
            "item_knn", ("item_knn",), self._neighbours, False, "dense scores: one for every clicked article"
        )

    def replacements(self) -> Iterator[Design]:
        """What takes the place of what breaks."""
        ingest = foretold(self._model["cpu"]["ingest"], self.counts)
        ids = 1e6 * foretold(self._model["memory"]["ingest"], self.counts)
        training = self._stage("training", ("libraries", "train"), 0.0, False, "")
        yield Design("all ids in one process", "ids shared out by their hash", ids, hours(ingest, 1.0))
        yield Design(
            "tables in one process",
            "tables sharded over parameter servers, one trainer",
            table_bytes(self.counts),
            hours(training.cpu, training.share) + self._waited_for_servers / 3600,
        )
        yield Design(
            "IVF-Flat",
            f"IVF-PQ, {CODE_BYTES} bytes a vector and {_ID} for its id, cut by articles",
            compressed_bytes(self.counts),
            hours(self._indexed("ivf-pq search"), 1.0),
        )

    @property
    def _waited_for_servers(self) -> float:
        """Seconds that the steps take longer where rows come from servers, by the experiment."""
        told = self._measured["sharded tables"]
        more = 1 / told["sharded_per_second"] - 1 / told["one_process_per_second"]
        return EPOCHS * self.counts["clicks"] * more

    def tallies(self) -> list[tuple[str, float, str]]:
        """Ways to count while rows stream by: what, bytes, and how wrong."""
        width, depth = ceil(e / _SKETCH_ERROR), ceil(log(1 / _SKETCH_DOUBT))
        registers = 1.04 / sqrt(_REGISTERS)
        return [
            ("exposures and clicks an article, counted exactly", 2.0 * _COUNT * ARTICLES, "not at all"),
            (
                f"exposures of any pair or word, count-min of {width:,} × {depth}",
                float(_FLOAT * width * depth),
                f"at most {_SKETCH_ERROR * ROWS:,.0f} too many, {100 * (1 - _SKETCH_DOUBT):.0f} % of the time",
            ),
            (
                f"distinct readers an article, HyperLogLog of {_REGISTERS} registers",
                _REGISTERS * 6 / 8 * ARTICLES,
                f"± {100 * registers:.1f} % (one standard error)",
            ),
            (f"recall lists of all users, {K} places", float(_PLACE * K * USERS), "not at all"),
        ]

    def shares_of_exact(self) -> dict[str, float]:
        """How much of the exact lists the indexes return, at the largest catalogue measured."""
        return self._measured["large index"]["share of exact"]

    def _stage(self, name: str, stages: tuple[str, ...], held: float, divides: bool, breaks: str) -> Stage:
        cpu = sum(foretold(self._model["cpu"][stage], self.counts) for stage in stages)
        return Stage(name, cpu, self.share(*stages), held, divides, breaks)

    def _indexed(self, stage: str) -> float:
        return foretold(self._model["index"][stage], {**self.counts, "queries": USERS})

    @cached_property
    def _scale(self) -> Scale:
        return scale_of(self.counts, foretold(self.held, self.counts))

    @property
    def _neighbours(self) -> float:
        return need_of_baseline(self.config.model_copy(update={"model": "item_knn"}), self._scale).bytes

    def _part(self, beginning: str) -> float:
        return sum(part.bytes for part in self.need.parts if part.what.startswith(beginning))


_IN_BATCH = Strategy(None, None, None, in_batch=True)


def billion(counts: Counts) -> Counts:
    """The counts of that job, where the log is in all shares like a measured one.

    Users have fewer clicks each. So fewer clicks pair: how many of its own user a click meets besides is in proportion
    to the clicks a user. And fewer users are tested: those with a click in the test, were they drawn for each anew.
    """
    rows = ROWS / counts["exposures"]
    users, articles = USERS / counts["users"]["rows"], ARTICLES / counts["articles"]["rows"]
    clicks = rows * counts["clicks"]
    paired = counts["co_clicks"] / counts["clicks"] - 1
    return {
        **counts,
        "exposures": ROWS,
        "users": _grown(counts["users"], USERS),
        "articles": _grown(counts["articles"], ARTICLES),
        "train_pool": articles * counts["train_pool"],
        "pool": articles * counts["pool"],
        "clicks": clicks,
        "clicked": min(articles * counts["clicked"], clicks),
        "co_clicks": clicks * (1 + paired * rows / users),
        "test_users": USERS * (1 - exp(-rows * counts["test_clicks"] / USERS)),
    }


def _grown(side: dict, rows: int) -> dict:
    """A side of that many rows, as many of which are listed in its table as before."""
    return {**side, "rows": rows, "listed": side["listed"] * rows / side["rows"]}


def scale_of(counts: Counts, held: float) -> Scale:
    """As the lab counts it before a run."""
    sides = {side: SideSize(**_whole(counts[side])) for side in ("users", "articles")}
    taken = _whole({**counts, "held": held}) | sides
    return Scale(**{one.name: taken[one.name] for one in fields(Scale)})


def _whole(counts: Counts) -> Counts:
    return {key: int(value) if isinstance(value, float) else value for key, value in counts.items()}


def parallel_share(taken: dict[str, float], cores: int) -> float:
    """The share p of a stage that all cores work at: seconds / processor seconds = 1 − p + p / cores (Amdahl, 1967)."""
    return min(1.0, max(0.0, (1 - taken["seconds"] / taken["cpu"]) / (1 - 1 / cores)))


def hours(cpu_seconds: float, share: float) -> float:
    """On one machine of `CORES`."""
    return cpu_seconds * (1 - share + share / CORES) / 3600


def machines(hours_of_one: float, held: float) -> int:
    """So many that the stage is done in a night and fits, where it can be cut into parts."""
    return max(1, ceil(hours_of_one / NIGHT), ceil(held / (USABLE * MEMORY)))


def table_bytes(counts: Counts) -> float:
    """Both embedding tables with an accumulator a row."""
    rows = counts["users"]["listed"] + counts["articles"]["listed"]
    return rows * _FLOAT * (job_config().tower.embedding_dim + 1)


def compressed_bytes(counts: Counts) -> float:
    """An IVF-PQ index of the pool."""
    return counts["pool"] * (CODE_BYTES + _ID)


def flat_bytes(counts: Counts) -> float:
    """An IVF-Flat index of the pool."""
    return counts["pool"] * (_FLOAT * job_config().tower.dim + _ID)


def half_width(deviation: float, users: int) -> float:
    """Of the 95 % interval of a mean over a sample of users."""
    return 1.96 * deviation / sqrt(users)
