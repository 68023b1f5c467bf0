"""What a run will hold in memory at its peak, told from its config and its log before any of it is taken.

The factors were measured on whole runs; tests/campaigns/test_memory.py holds the estimates against such runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from dssm_core.baselines import NEIGHBOURS, PAIRS_PER_BLOCK
from dssm_core.config import Config, IndexConfig
from dssm_core.dataset import Dataset
from dssm_core.features import SideSize
from dssm_core.memory_bound import Need, Part
from dssm_core.retrieval import BLOCK_BYTES
from dssm_core.split import Split
from dssm_core.strategy import Strategy
from dssm_core.train_counts import TrainCounts

_LIBRARIES = 330e6
_TENSORFLOW = 900e6
_EXPOSURE = 28
"""Bytes of an exposure beside its columns: its place in the split, its pair among the counts."""
_FEATURE = 16
"""Bytes of a slot: its row and its weight, as NumPy's and as TensorFlow's array."""
_TABLES_AT_BIRTH = 3
"""How often the larger table is there while its first values are drawn; TensorFlow keeps that room for its steps."""
_KERAS_COPIES = 3
"""Of a table that Keras trains, as DeepMatch's: its gradient and both moments of Adam."""
_STEP_SCORES = 5.5
"""Matrices of a step's scores at once: cosines, logits, masks and their gradients."""
_STEP_EMBEDDINGS = 3
"""Arrays of a step's gathered rows at once."""
_WEIGHED_ROWS = 5000
_WEIGHED = 3.5
"""Arrays of the rows that a gate's weights are taken over."""
_DENSE_COPIES = 6
"""Weights of the layers at once: with gradient, both moments of Adam, the last and the best epoch's."""
_BLOCK = 2.1
"""Arrays of a block of scores at once: with what it is compared to."""
_LINEAR_BLOCK = 5
"""The same of a linear baseline, which joins and sorts it too."""
_PLACE = 65
"""Bytes of a place in a recall list, while it is looked up and written."""
_MINED_PLACE = 50
_ORDERED_PLACE = 16
"""The same of a list that is cut from one order, in its block."""
_ANNOY_SPARE = 1.5
"""Annoy asks for half as much room again as it has nodes."""
_NEIGHBOUR = 24
"""Bytes of an article's neighbour: as part of its block, of all blocks, and of those that are kept."""
_CO_CLICK = 70


@dataclass(frozen=True)
class Scale:
    """How much of everything a run meets in its log: `held` bytes of the dataset itself, and counts.

    `clicks`: train clicks. `clicked`: articles that have any. `co_clicks`: pairs of clicks of one user, with repeats.
    `test_users`: users with a held-out click. `users` and `articles`: those of the features.
    """

    held: int
    exposures: int
    users: SideSize
    articles: SideSize
    train_pool: int
    pool: int
    clicks: int
    clicked: int
    co_clicks: int
    validation: int
    test_users: int

    @classmethod
    def of(cls, dataset: Dataset, split: Split, counts: TrainCounts, users: SideSize, articles: SideSize) -> "Scale":
        """Count what a split leaves of a dataset."""
        exposures = dataset.exposures
        columns = [exposures.user, exposures.article, exposures.time, exposures.click, *exposures.extra.values()]
        tables = sum(int(table.memory_usage(deep=True).sum()) for table in (dataset.users, dataset.articles))
        tested = exposures.user[split.test[exposures.click[split.test]]]
        return cls(
            tables + sum(column.nbytes for column in columns if column is not None),
            len(exposures),
            users,
            articles,
            len(split.train_pool),
            len(split.pool),
            int(counts.clicks.sum()),
            np.count_nonzero(counts.clicks),
            int((counts.clicked.counts() ** 2).sum()),
            len(split.validation),
            np.count_nonzero(np.bincount(tested)),
        )


def need_of_run(config: Config, scale: Scale, strategy: Strategy | None) -> Need:
    """Of a run's process. `strategy`: of a two-tower's negatives; None for a baseline."""
    log = [
        Part("libraries", _LIBRARIES),
        Part(f"the log of {scale.exposures:,} exposures", scale.held + _EXPOSURE * scale.exposures),
    ]
    if strategy is None:
        return _largest([*log, *stage] for stage in _baseline_stages(config.model, config, scale))
    slots = sum(side.rows * side.slots for side in (scale.users, scale.articles))
    model = [
        *log,
        Part("TensorFlow", _TENSORFLOW),
        Part("features of all users and articles", _FEATURE * slots),
        *_model(config, scale, strategy),
        *_vectors(config, scale),
    ]
    stages = [_validation(config, scale), _evaluation(config, scale)]
    if "mined" in (config.negatives.strategy, config.negatives.blend):
        stages.append([_mined(config, scale)])
    return _largest([*model, *stage] for stage in stages)


def need_of_baseline(config: Config, scale: Scale) -> Need:
    """Of a baseline that is computed in a process which holds the log already."""
    return _largest(_baseline_stages(config.model, config, scale))


def need_of_evaluation(config: Config, users: int, pool: int, test_users: int) -> Need:
    """Of measuring the vectors of a finished run again, in a process which holds the log already."""
    parts = [_vectors_of(users + pool, config), *_measuring(config, test_users, pool)]
    # it is trained: the other knobs are what they are
    return Need(tuple(replace(part, knobs=tuple(filter(_of_evaluation, part.knobs))) for part in parts))


def _of_evaluation(knob: str) -> bool:
    return knob.startswith(("index.", "eval."))


def _largest(stages: Iterable[list[Part]]) -> Need:
    return max((Need(tuple(stage)) for stage in stages), key=lambda need: need.bytes)


def _model(config: Config, scale: Scale, strategy: Strategy) -> list[Part]:
    """Tables, layers, and what a step of training takes beside them."""
    tower, users, articles = config.tower, scale.users, scale.articles
    length, knob = (tower.embedding_dim, "tower.embedding_dim") if tower.hidden else (tower.dim, "tower.dim")
    past = tower.history * articles.fields if tower.kind == "youtube" else 0
    article_rows = articles.listed + config.features.title_buckets * articles.hashed
    user_rows = users.listed + (article_rows if past else 0)
    tables = [4 * length * rows for rows in (user_rows, article_rows)]
    step = _step(config, scale, strategy, length, users.slots + past)
    copies = 3 if config.train.keep == "best" and config.train.epochs > 1 else 2
    if tower.kind == "deepmatch":
        copies += _KERAS_COPIES
    at_birth = max(0, (_TABLES_AT_BIRTH - 1) * max(tables) - sum(part.bytes for part in step))
    knobs = (knob, *(["features.title_buckets"] if articles.hashed else []))
    weighed = min(_WEIGHED_ROWS, articles.rows) * articles.slots if tower.kind == "senet" else 0
    rows = f"embedding tables of {user_rows + article_rows:,} rows with their last and best copies"
    return [
        Part(rows, copies * sum(tables) + at_birth, knobs),
        _layers(config, scale, length),
        Part("embeddings to weigh the fields by", _WEIGHED * 4 * length * weighed, (knob,)),
        *step,
    ]


def _layers(config: Config, scale: Scale, length: int) -> Part:
    units = [*config.tower.hidden, config.tower.dim]
    inner = sum(a * b for a, b in pairwise(units))
    weights = 2 * inner + (scale.users.fields + scale.articles.fields) * length * units[0]
    return Part("layers of the towers", 4 * _DENSE_COPIES * weights, ("tower.hidden", "tower.embedding_dim"))


def _step(config: Config, scale: Scale, strategy: Strategy, length: int, user_slots: int) -> list[Part]:
    sizes, negatives = strategy.sizes(config.negatives, config.train.batch_size), config.negatives
    articles = sizes.batch * (1 + sizes.own) + sizes.shared
    gathered = 4 * length * (sizes.batch * user_slots + articles * scale.articles.slots)
    # a memory is no longer than an epoch
    remembered = min(negatives.memory if strategy.memory else 0, -(-scale.clicks // sizes.batch))
    columns = sizes.own + sizes.shared + sizes.batch * (strategy.in_batch + remembered)
    drawn = ("negatives.shared",) if negatives.shared else ("negatives.k",) if sizes.own else ()
    return [
        Part(
            f"embeddings of a step's {sizes.batch:,} users and {articles:,} articles",
            _STEP_EMBEDDINGS * gathered,
            ("train.batch_size", *drawn),
        ),
        Part(
            f"a step's scores, {sizes.batch:,} × {columns:,}",
            _STEP_SCORES * 4 * sizes.batch * columns,
            (*(["negatives.memory"] if strategy.memory else []), *drawn, "train.batch_size"),
        ),
        Part("an epoch's negatives", 12 * scale.clicks * sizes.own, drawn),
    ]


def _vectors(config: Config, scale: Scale) -> list[Part]:
    return [_vectors_of(scale.users.rows + max(scale.pool, scale.train_pool), config)]


def _vectors_of(rows: int, config: Config) -> Part:
    # in parts, and joined
    return Part(f"vectors of {rows:,} users and articles", 2 * 4 * rows * config.tower.dim, ("tower.dim",))


def _validation(config: Config, scale: Scale) -> list[Part]:
    return [Part("a block of scores", _BLOCK * min(BLOCK_BYTES, 4 * scale.validation * scale.train_pool))]


def _evaluation(config: Config, scale: Scale) -> list[Part]:
    return _measuring(config, scale.test_users, scale.pool)


def _measuring(config: Config, test_users: int, pool: int) -> list[Part]:
    """The index, the lists through it, and the exact ranks."""
    users = min(config.eval.users, test_users)
    return [*_index(config, pool), *_lists(config, users, _BLOCK * min(BLOCK_BYTES, 4 * users * pool))]


def _lists(config: Config, users: int, block: float) -> list[Part]:
    """Recall lists, whose last use takes most: by then no block of scores is there any more."""
    places = users * max(config.eval.k)
    what = f"recall lists of {users:,} users"
    lists = Part(what, _PLACE * places, ("eval.k", "eval.users"))
    return [lists, Part("a block of scores", max(0, block - lists.bytes))]


def _index(config: Config, pool: int) -> list[Part]:
    """What the index holds beside the vectors; exact search reads those themselves."""
    vectors = 4 * pool * config.tower.dim
    built = {"exact": 0.0, "ivf": vectors + 8 * pool, "annoy": _annoy(config.index, pool, config.tower.dim)}
    knobs = {"exact": (), "ivf": ("index.kind",), "annoy": ("index.trees", "index.kind")}[config.index.kind]
    what = f"the {config.index.kind} index of {pool:,} articles"
    return [Part(what, built[config.index.kind], (*knobs, "tower.dim"))]


def _annoy(index: IndexConfig, pool: int, dim: int) -> float:
    """Annoy's nodes, all of one size: an article each, and for each tree its splits and its leaves.

    A leaf holds as many articles as there is room for in a node, or down to half as many.
    """
    node, in_leaf = 12 + 4 * dim, 0.7 * (dim + 2)
    return _ANNOY_SPARE * node * (pool + index.trees * 2 * pool / in_leaf)


def _mined(config: Config, scale: Scale) -> Part:
    places = scale.users.rows * min(config.negatives.rank_to, scale.train_pool)
    return Part("the ranks to mine from", _MINED_PLACE * places, ("negatives.rank_to",))


def _baseline_stages(baseline: str, config: Config, scale: Scale) -> list[list[Part]]:
    """What a baseline takes while it is built, and while it is measured."""
    users = min(config.eval.users, scale.test_users)
    if baseline not in ("item_knn", "ease"):
        return [_lists(config, users, _BLOCK * min(BLOCK_BYTES, _ORDERED_PLACE * users * max(config.eval.k)))]
    learned = _neighbours(scale) if baseline == "item_knn" else _ease(scale)
    lists = _lists(config, users, _LINEAR_BLOCK * min(BLOCK_BYTES, 4 * users * scale.clicked))
    return [[learned], [learned, *lists]]


def _neighbours(scale: Scale) -> Part:
    kept = min(NEIGHBOURS * scale.clicked, scale.co_clicks)
    block = _CO_CLICK * min(PAIRS_PER_BLOCK, scale.co_clicks)
    return Part(f"neighbours of {scale.clicked:,} articles", _NEIGHBOUR * kept + block)


def _ease(scale: Scale) -> Part:
    """The matrix of all pairs, twice: once more where it is cut to the pool, or before that its filled places."""
    matrix, filled = 4 * scale.clicked**2, min(scale.clicked**2, scale.co_clicks)
    what = f"ease's matrix of {scale.clicked:,} × {scale.clicked:,} articles"
    return Part(what, matrix + max(matrix, 8 * filled), instead="use item_knn, or make more memory free")
