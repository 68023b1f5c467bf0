"""Questions asked of a finished run: measure it again another way, or recall for any user."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dssm_core.baselines import BASELINES
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.evaluation import Evaluation, evaluate, save_evaluation
from dssm_core.export import read_vectors
from dssm_core.free_memory import free_bytes
from dssm_core.indexes import INDEXES, describe_index
from dssm_core.manifest import checked, holds, write_manifest
from dssm_core.memory_bound import check_fits
from dssm_core.memory_need import need_of_evaluation
from dssm_core.misses import reasons_at
from dssm_core.popularity import seen_clicks
from dssm_core.recommender import RecallLists, Recommender
from dssm_core.retrieval import VectorRecommender
from dssm_core.runs import Run, describe_run, open_run, write_status
from dssm_core.split import Split, make_split
from dssm_core.stored_files import written
from dssm_core.workspace import Workspace, load_dataset, new_id

_USERS_AT_ONCE = 1 << 17
_EVERYBODY = pa.schema(
    [("user_id", pa.string()), ("rank", pa.int32()), ("article_id", pa.string()), ("score", pa.float32())]
)

ShareOut = Callable[[Recommender], AbstractContextManager[Recommender]]
"""Hands a recommender's work to somebody else while the body runs."""


def evaluate_run(workspace: Workspace, run: Run, config: Config, share_out: ShareOut = nullcontext) -> Evaluation:
    """Measure a finished run again, without training, under another `config.eval` or `config.index`.

    `share_out`: see `ray_recall.shared_out`; the metrics are computed here of all users at once.
    Its facts tell of the index too, as metrics.json does. A UserError for another index of a run without vectors.
    """
    if config.model != "two_tower" and config.index != run.config.index:
        raise UserError(
            f"run {run.id} is the baseline {config.model}, which has no vectors to index: leave --index out"
        )
    dataset, split, recommender = _reopen(workspace, run, config, load_dataset(workspace, run.dataset))
    with share_out(recommender) as shared:
        evaluation = evaluate(shared, dataset, split, config)
    if not isinstance(recommender, VectorRecommender):
        return evaluation
    queries = recommender.user_vectors[evaluation.lists.users]
    index = describe_index(recommender.index, config.index, recommender.pool_vectors, queries, max(config.eval.k))
    return replace(evaluation, facts={**evaluation.facts, "index": index})


def keep_evaluation(workspace: Workspace, run: Run, config: Config, evaluation: Evaluation, name: str = "") -> Run:
    """Add a run that is `run` measured another way, with its vectors and curves, so that the two can be compared."""
    facts = run.metrics()["facts"] | evaluation.facts
    held_out = evaluation.held_out
    before = run.held_out()
    if "drawn" in before:
        held_out = held_out.merge(before[["user", "article", "drawn"]], on=["user", "article"], how="left")
        # clicks of users beyond the first evaluation's sample were not counted
        held_out["drawn"] = held_out["drawn"].fillna(0).astype(np.int32)
    extra = {key: run.metrics()[key] for key in ("seconds", "peak_mb")}
    run_id = new_id()
    with workspace.whole_run_folder(run_id) as folder:
        describe_run(folder, run.dataset, config, name or f"{run.name}, {config.index.kind}", run.preset)
        for part in ("users.npz", "articles.npz", "weights.npz", "events.jsonl"):
            if holds(run.folder, part):
                with checked(run.folder, part) as path:
                    shutil.copyfile(path, folder / part)
        save_evaluation(folder, replace(evaluation, held_out=held_out), facts, extra)
        write_status(folder, "finished")
        write_manifest(folder)
    return open_run(workspace, run_id)


def recall_user(workspace: Workspace, run: Run, user_id: str, k: int) -> dict:
    """One user's `k` best articles and what became of each held-out click, with raw ids.

    Returns {"run", "user", "recall": [{"rank", "article_id", "score", "hit"}], "held_out": [{"article_id", "rank",
    "reason", "drawn"}]}; a held-out click's rank is its place in the list, else its exact rank, None where it does not
    qualify; its reason is that in a list of `k`; drawn: how often it was a negative of the user, None if not counted.
    Read from the run's files where they hold the user and lists long enough; else computed.
    """
    dataset = load_dataset(workspace, run.dataset)
    user = dataset.user_row(user_id)
    if user in run.per_user()["user"].to_numpy() and k <= max(run.config.eval.k):
        recall, held_out = run.recall().query("user == @user"), run.held_out().query("user == @user")
    else:
        recall, held_out = _measured(workspace, run, dataset, user, k)
    ids = dataset.articles["article_id"].to_numpy(dtype=object)
    return {
        "run": run.id,
        "user": user_id,
        "recall": [
            {"rank": int(row.rank), "article_id": ids[row.article], "score": float(row.score), "hit": bool(row.hit)}
            for row in recall.query("rank <= @k").itertuples()
        ],
        "held_out": [
            {
                "article_id": ids[row.article],
                "rank": _rank(row),
                "reason": reason,
                "drawn": int(row.drawn) if "drawn" in held_out else None,
            }
            for row, reason in zip(held_out.itertuples(), reasons_at(held_out, k), strict=True)
        ],
    }


def recall_everybody(
    workspace: Workspace, run: Run, k: int, path: Path, share_out: ShareOut = nullcontext
) -> dict[str, int | str]:
    """Write the `k` best articles of every user of a run's dataset to a Parquet file, with raw ids.

    Its columns: user_id, rank (from 1), article_id, score. `share_out`: see `ray_recall.shared_out`. Returns {"run",
    "users", "rows", "file"}. The file is there once it is whole.
    """
    dataset, _, recommender = _reopen(workspace, run, run.config, load_dataset(workspace, run.dataset))
    users, rows = np.arange(1, len(dataset.users), dtype=np.int32), 0
    ids = {name: pa.array(getattr(dataset, f"{name}s")[f"{name}_id"]) for name in ("user", "article")}
    with _lists_written(path) as writer, share_out(recommender) as shared:
        for first in range(0, len(users), _USERS_AT_ONCE):
            table = _with_ids(shared.recall(users[first : first + _USERS_AT_ONCE], k), ids)
            writer.write_table(table)
            rows += len(table)
    return {"run": run.id, "users": len(users), "rows": rows, "file": str(path)}


@contextmanager
def _lists_written(path: Path) -> Iterator[pq.ParquetWriter]:
    """Yield a writer of recall lists whose file is there once the body has succeeded, and not before."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as beside, pq.ParquetWriter(beside, _EVERYBODY, compression="zstd") as writer:
            yield writer
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another file") from None


def _with_ids(lists: RecallLists, ids: dict[str, pa.Array]) -> pa.Table:
    places = {name: pa.array(values) for name, values in lists.places().items()}
    named = {"user_id": ids["user"].take(places["user"]), "article_id": ids["article"].take(places["article"])}
    return pa.table({**places, **named}).select(_EVERYBODY.names).cast(_EVERYBODY)


def _rank(click) -> int | None:
    """The place in the list where there is one, which also settles ties; else the exact rank; None: not qualified."""
    return int(click.list_rank or click.exact_rank) or None


def _measured(workspace: Workspace, run: Run, dataset: Dataset, user: int, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recall list and held-out clicks of one user, as a run's files have them, for lists of at least `k`."""
    _, split, recommender = _reopen(workspace, run, run.config, dataset, users=1)
    length = min(max(k, *run.config.eval.k), len(split.pool))
    config = run.config.model_copy(update={"eval": run.config.eval.model_copy(update={"k": [length]})})
    rows = split.test[dataset.exposures.user[split.test] == user]
    if dataset.exposures.click[rows].any():
        evaluation = evaluate(recommender, dataset, replace(split, test=rows), config)
        return evaluation.recall(), evaluation.held_out
    lists = recommender.recall(np.array([user], np.int32), length)
    frame = pd.DataFrame({"rank": np.arange(1, length + 1), "article": lists.articles[0], "score": lists.scores[0]})
    return frame.assign(hit=False)[lists.articles[0] > 0], run.held_out().head(0)


def _reopen(
    workspace: Workspace, run: Run, config: Config, dataset: Dataset, users: int | None = None
) -> tuple[Dataset, Split, Recommender]:
    """The dataset, split and recommender of a finished run, its index built as `config` says.

    `users`: how many it is to be asked for; None: all that are evaluated. A UserError where memory is short of that.
    """
    if not run.finished:
        raise UserError(f"run {run.id} is {run.state().state}: wait until it is finished, or train again")
    split = make_split(dataset, config.split, config.pool)
    if config.model != "two_tower":
        return dataset, split, BASELINES[config.model](dataset, split, config, np.random.default_rng(config.seed))
    counts = len(dataset.users), len(split.pool), users or len(dataset.users)
    check_fits(config, lambda turned: need_of_evaluation(turned, *counts), free_bytes(), "measuring the run")
    (_, user_vectors), (pool, pool_vectors) = read_vectors(run, "users"), read_vectors(run, "articles")
    seen = seen_clicks(dataset, split) if config.pool.remove_seen else None
    index = INDEXES[config.index.kind](pool_vectors, config.index)
    return dataset, split, VectorRecommender(user_vectors, pool, pool_vectors, index, seen, len(dataset.articles))
