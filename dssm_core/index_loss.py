"""What an approximate index costs in recall and wins in speed, setting by setting, on the vectors of a finished run."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dssm_core.config import Config, IndexConfig, with_settings
from dssm_core.errors import Damaged, UserError
from dssm_core.export import read_vectors
from dssm_core.free_memory import free_bytes
from dssm_core.indexes import INDEXES, Index, compare_with_exact
from dssm_core.intervals import bootstrap_means
from dssm_core.manifest import read_sealed, write_sealed
from dssm_core.memory_bound import check_fits
from dssm_core.memory_need import need_of_evaluation
from dssm_core.popularity import seen_clicks
from dssm_core.retrieval import VectorRecommender
from dssm_core.runs import Run
from dssm_core.split import make_split
from dssm_core.workspace import Workspace, load_dataset

_USERS = 2000
_RESAMPLES = 1000

SETTINGS: tuple[tuple[str, ...], ...] = (
    ("index.kind=exact",),
    *(("index.kind=ivf", f"index.probes={probes}") for probes in (1, 2, 4, 8, 16, 32, 48, 64, 128)),
    *(
        ("index.kind=annoy", f"index.trees={trees}", f"index.search_k={search_k}")
        for trees in (10, 50)
        for search_k in (-1, 2000, 10_000, 50_000)
    ),
)
"""What is tried, as settings of a config; those that share an index stand together, since it is built once."""


class IndexLoss:
    """The measurements of one run at one K, kept in the workspace beside the runs, so that none is made twice.

    A UserError for a run that has no vectors, is not finished, or has shorter lists than `k`.
    """

    def __init__(self, workspace: Workspace, run: Run, k: int):
        if not run.finished:
            raise UserError(f"run {run.id} is {run.state().state}: wait until it is finished, or train again")
        if run.model != "two_tower":
            raise UserError(
                f"run {run.id} is the baseline {run.model}, which has no vectors to index: choose a trained run"
            )
        if not 1 <= k <= max(run.config.eval.k):
            raise UserError(
                f"bad value {k} for k: run {run.id} was evaluated with lists of up to {max(run.config.eval.k)}"
            )
        self._workspace, self._run, self._k = workspace, run, k
        self._manifest = hashlib.sha256((run.folder / "manifest.json").read_bytes()).hexdigest()

    def rows(self) -> list[dict]:
        """What is known so far, in the order of `SETTINGS`: one dict a setting.

        setting (text), settings (key=value texts), recall, low, high (95 %), loss, loss_low, loss_high (of exact less
        this, paired by user), share_of_exact, queries_per_second, build_s (of the index), users.
        """
        known = self._known()
        return [known[_text(settings)] for settings in SETTINGS if _text(settings) in known]

    def measure(self) -> Iterator[dict]:
        """Measure what is not known yet; yields each setting's dict as it is there, kept already."""
        known = self._known()
        missing = [settings for settings in SETTINGS if _text(settings) not in known]
        yield from (known[_text(settings)] for settings in SETTINGS if _text(settings) in known)
        if not missing:
            return
        bench = _Bench(self._workspace, self._run, self._k)
        for settings in missing:
            row = bench.measure(settings)
            known = self._known() | {row["setting"]: row}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(self._path, {"manifest": self._manifest, "rows": known})
            yield row

    @property
    def _path(self) -> Path:
        return self._workspace.home / "index_loss" / f"{self._run.id}-{self._k}.json"

    def _known(self) -> dict[str, dict]:
        """By setting; nothing where the run's files are not those that were measured."""
        try:
            stored = read_sealed(self._path)
        except Damaged:  # or not there: measured again
            return {}
        return stored["rows"] if stored["manifest"] == self._manifest else {}


def _text(settings: tuple[str, ...]) -> str:
    return " ".join(setting.removeprefix("index.").removeprefix("kind=") for setting in settings)


class _Bench:
    """A run's vectors, a fixed sample of its evaluated users with their held-out clicks, and the exact index."""

    def __init__(self, workspace: Workspace, run: Run, k: int):
        self._config, self._k = run.config, k
        dataset = load_dataset(workspace, run.dataset)
        split = make_split(dataset, run.config.split, run.config.pool)
        _check_memory(run.config, len(dataset.users), len(split.pool), k)
        (_, self._user_vectors), (self._pool, self._vectors) = (read_vectors(run, side) for side in _SIDES)
        self._seen = seen_clicks(dataset, split) if run.config.pool.remove_seen else None
        self._n_articles = len(dataset.articles)
        held_out = run.held_out()
        users = held_out["user"].unique().astype(np.int32)
        self._users = users[np.linspace(0, len(users) - 1, min(_USERS, len(users))).astype(np.int64)]
        mine = held_out[held_out["user"].isin(self._users)]
        self._owner = np.searchsorted(self._users, mine["user"].to_numpy())
        self._clicks = mine["user"].to_numpy(np.int64) * self._n_articles + mine["article"].to_numpy()
        self._exact = INDEXES["exact"](self._vectors, run.config.index)
        self._exact_recall = self._recall(self._exact)
        self._built: tuple[IndexConfig, Index, float] | None = None

    def measure(self, settings: tuple[str, ...]) -> dict:
        """One setting: its recall, what it loses, and how fast it is."""
        config = with_settings(self._config, settings)
        index, build_s = self._index(config)
        recall = self._recall(index)
        rng = np.random.default_rng(self._config.split.seed)
        value, low, high = bootstrap_means(np.column_stack([recall, self._exact_recall - recall]), _RESAMPLES, rng)
        speed = compare_with_exact(index, self._exact, self._user_vectors[self._users], self._k)
        named = dict(zip(("recall", "loss"), value.tolist(), strict=True))
        named |= dict(zip(("low", "loss_low"), low.tolist(), strict=True))
        named |= dict(zip(("high", "loss_high"), high.tolist(), strict=True))
        told = {"setting": _text(settings), "settings": list(settings), **named, "build_s": build_s}
        told |= {key: speed[key] for key in ("share_of_exact", "queries_per_second", "exact_queries_per_second")}
        return told | {"users": len(self._users)}

    def _index(self, config: Config) -> tuple[Index, float]:
        """The index that a config asks for, built only where the last one was another."""
        same = ("kind", "trees", "lists")
        if self._built and all(getattr(self._built[0], key) == getattr(config.index, key) for key in same):
            return self._built[1].searched(config.index), self._built[2]
        started = time.monotonic()
        index = INDEXES[config.index.kind](self._vectors, config.index)
        self._built = (config.index, index, time.monotonic() - started)
        return index, self._built[2]

    def _recall(self, index: Index) -> np.ndarray:
        """Recall of each user of the sample, the seen articles taken out as in the run: (users,) float64."""
        recommender = VectorRecommender(
            self._user_vectors, self._pool, self._vectors, index, self._seen, self._n_articles
        )
        lists = recommender.recall(self._users, self._k)
        listed = lists.users.astype(np.int64)[:, None] * self._n_articles + lists.articles
        found = np.isin(self._clicks, listed[lists.articles > 0])
        return np.bincount(self._owner, found, len(self._users)) / np.bincount(self._owner, minlength=len(self._users))


def _check_memory(config: Config, users: int, pool: int, k: int) -> None:
    """A UserError where the setting that takes most does not fit into memory."""
    asked = config.model_copy(update={"eval": config.eval.model_copy(update={"k": [k], "users": _USERS})})
    configs = [with_settings(asked, settings) for settings in SETTINGS]
    needs = [need_of_evaluation(config, users, pool, users) for config in configs]
    most = max(range(len(needs)), key=lambda place: needs[place].bytes)
    check_fits(configs[most], lambda turned: needs[most], free_bytes(), "measuring the indexes")


_SIDES = ("users", "articles")
