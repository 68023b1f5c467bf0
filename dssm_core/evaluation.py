"""Measures a recommender on the held-out clicks: lists, ranks, reasons, metrics with intervals, segments."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dssm_core.clicks import UserArticles
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.intervals import as_json, bootstrap_means, jackknife, random_groups
from dssm_core.metrics import CATALOGUE_METRICS, METRICS, per_user_metrics
from dssm_core.misses import HIT, counts, reasons
from dssm_core.popularity import Popularity, train_clicks
from dssm_core.recommender import RecallLists, Recommender
from dssm_core.retrieval import positions_in
from dssm_core.segments import segment_recall, segments_of
from dssm_core.split import Split
from dssm_core.stored_files import write_json, written


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. `lists` are as long as the largest K; the frames and dicts are those of a run's folder.

    `held_out`: one row a held-out click: user, article int32, time int64 (0 unknown), exact_rank int64 (0: does not
    qualify), score float32, list_rank int32 (0: not in the list), reason str, in_pool, warm (the article was exposed in
    train), warm_user (the user has a train click) bool; of our own
    towers drawn int32: how often the article was a negative of the user's clicks while training.
    `per_user`: user int32, user_id str, held_out, in_pool, warm int32 counts, and a float64 column a metric
    ("recall@50").
    """

    lists: RecallLists
    held_out: pd.DataFrame
    per_user: pd.DataFrame
    metrics: dict[str, dict[str, float | None]]
    facts: dict[str, Any]
    segments: list[dict[str, Any]]
    reasons: dict[str, int]

    def recall(self) -> pd.DataFrame:
        """The filled places of the lists: user, rank (from 1), article int32, score float32, hit bool."""
        places = self.lists.places()
        hits = self.held_out.loc[self.held_out["reason"] == HIT, ["user", "article"]]
        hit = pd.MultiIndex.from_arrays([places["user"], places["article"]]).isin(pd.MultiIndex.from_frame(hits))
        return pd.DataFrame({**places, "hit": hit})


def held_out_clicks(dataset: Dataset, split: Split, config: Config) -> pd.DataFrame:
    """The held-out clicks to evaluate: user, article (int32) and time (int64 ms, 0 unknown), by user, then article.

    Distinct articles clicked in the test rows, at their first click, of at most `config.eval.users` users, sampled by
    `config.split.seed` alone, so that runs on one split are measured on the same users.
    """
    exposures = dataset.exposures
    rows = split.test[exposures.click[split.test]]
    time = np.zeros(len(rows), np.int64) if exposures.time is None else exposures.time[rows]
    clicks = pd.DataFrame({"user": exposures.user[rows], "article": exposures.article[rows], "time": time})
    clicks = clicks.sort_values(["user", "article", "time"]).drop_duplicates(["user", "article"])
    users = clicks["user"].unique()
    if len(users) > config.eval.users:
        users = np.random.default_rng(config.split.seed).choice(users, config.eval.users, replace=False)
    return clicks[clicks["user"].isin(users)].reset_index(drop=True)


def evaluate(recommender: Recommender, dataset: Dataset, split: Split, config: Config) -> Evaluation:
    """Measure `recommender` at every k of `config.eval.k`. A UserError where the test has no clicks."""
    clicks = held_out_clicks(dataset, split, config)
    if clicks.empty:
        raise UserError(
            f"dataset {dataset.id} has no clicks in the test part of its {split.kind} split: widen the test"
        )
    lists = recommender.recall(clicks["user"].unique().astype(np.int32), max(config.eval.k))
    popularity, clicked = Popularity.in_train(dataset, split), train_clicks(dataset, split)
    held_out = _held_out(recommender, lists, clicks, split, popularity, clicked)
    per_user = _per_user(lists, held_out, dataset, config)
    rng = np.random.default_rng(config.split.seed)
    return Evaluation(
        lists,
        held_out,
        per_user,
        {**_user_metrics(per_user, config, rng), **_catalogue_metrics(lists, split, popularity, config, rng)},
        _facts(held_out, per_user, split),
        _segments(held_out, dataset, popularity, clicked, config, rng),
        counts(held_out["reason"].to_numpy()),
    )


def save_evaluation(folder: Path, evaluation: Evaluation, facts: dict[str, Any], extra: dict[str, Any]) -> None:
    """Write recall.parquet, held_out.parquet, per_user.parquet and metrics.json.

    `facts` (health, index, negatives) join the evaluation's own; `extra` (seconds, peak_mb) stand beside them.
    """
    frames = {"recall": evaluation.recall(), "held_out": evaluation.held_out, "per_user": evaluation.per_user}
    for name, frame in frames.items():
        with written(folder / f"{name}.parquet") as beside:
            frame.to_parquet(beside, index=False, compression="zstd")
    measured = {"metrics": evaluation.metrics, "facts": {**evaluation.facts, **facts}}
    measured |= {"segments": evaluation.segments, "reasons": evaluation.reasons}
    write_json(folder / "metrics.json", {**measured, **extra})


def _held_out(
    recommender: Recommender,
    lists: RecallLists,
    clicks: pd.DataFrame,
    split: Split,
    popularity: Popularity,
    clicked: UserArticles,
) -> pd.DataFrame:
    users, articles = clicks["user"].to_numpy(), clicks["article"].to_numpy()
    exact_rank, score = recommender.exact(users, articles)
    list_rank = list_ranks(lists, users, articles, clicked.n_articles)
    in_pool = positions_in(split.pool, clicked.n_articles)[articles] >= 0
    warm, warm_user = popularity.exposures[articles] > 0, clicked.counts()[users] > 0
    reason = reasons(
        k=lists.articles.shape[1],
        list_rank=list_rank,
        in_pool=in_pool,
        exact_rank=exact_rank,
        score=score,
        last_score=lists.scores[np.searchsorted(lists.users, users), -1],
        warm_article=warm,
        warm_user=warm_user,
    )
    ranks = {"exact_rank": exact_rank, "score": score, "list_rank": list_rank}
    return clicks.assign(**ranks, reason=reason, in_pool=in_pool, warm=warm, warm_user=warm_user)


def list_ranks(lists: RecallLists, users: np.ndarray, articles: np.ndarray, n_articles: int) -> np.ndarray:
    """The place from 1 (0: absent) in the lists of each (user, article): (m,) int32; pairs ascend by user, article."""
    held = users.astype(np.int64) * n_articles + articles
    listed = lists.users.astype(np.int64)[:, None] * n_articles + lists.articles
    place = np.minimum(np.searchsorted(held, listed), len(held) - 1)
    rows, columns = np.nonzero((held[place] == listed) & (lists.articles > 0))
    ranks = np.zeros(len(held), np.int32)
    ranks[place[rows, columns]] = columns + 1
    return ranks


def _per_user(lists: RecallLists, held_out: pd.DataFrame, dataset: Dataset, config: Config) -> pd.DataFrame:
    groups = held_out.groupby("user", sort=True)
    frame = pd.DataFrame(
        {
            "user": lists.users,
            "user_id": dataset.users["user_id"].to_numpy()[lists.users],
            "held_out": groups.size().to_numpy(np.int32),
            "in_pool": groups["in_pool"].sum().to_numpy(np.int32),
            "warm": groups["warm"].sum().to_numpy(np.int32),
        }
    )
    return frame.merge(per_user_metrics(held_out, config.eval.k), on="user", validate="one_to_one")


def _user_metrics(per_user: pd.DataFrame, config: Config, rng: np.random.Generator) -> dict[str, dict]:
    names = [f"{name}@{k}" for name in METRICS for k in config.eval.k]
    intervals = zip(*bootstrap_means(per_user[names].to_numpy(), config.eval.bootstrap, rng), strict=True)
    return {name: as_json(*interval) for name, interval in zip(names, intervals, strict=True)}


def _catalogue_metrics(
    lists: RecallLists, split: Split, popularity: Popularity, config: Config, rng: np.random.Generator
) -> dict[str, dict]:
    groups = random_groups(len(lists.users), rng)
    positions = positions_in(split.pool, len(popularity.clicks))
    clicks = popularity.clicks[split.pool]
    found: dict[str, dict] = {}
    for k in config.eval.k:
        by_group = np.stack(list(_recalled(lists, positions, len(clicks), groups, k)))
        for name, metric in CATALOGUE_METRICS.items():
            interval = jackknife(
                lambda recalled, metric=metric: metric(recalled, clicks), by_group.sum(axis=0), by_group
            )
            # the jackknife knows no bounds, but a share does
            highest = np.inf if name == "novelty" else 1.0
            found[f"{name}@{k}"] = as_json(*np.clip(interval, 0.0, highest))
    return {f"{name}@{k}": found[f"{name}@{k}"] for name in CATALOGUE_METRICS for k in config.eval.k}


def _recalled(
    lists: RecallLists, positions: np.ndarray, n_pool: int, groups: np.ndarray, k: int
) -> Iterator[np.ndarray]:
    """For each group of users, how many of their top-k lists hold each article of the pool: (n_pool,) int64."""
    for group in range(groups.max() + 1):
        articles = lists.articles[groups == group, :k]
        yield np.bincount(positions[articles[articles > 0]], minlength=n_pool)


def _facts(held_out: pd.DataFrame, per_user: pd.DataFrame, split: Split) -> dict[str, Any]:
    return {
        "users": len(per_user),
        "held_out_clicks": len(held_out),
        "in_pool_share": float(held_out["in_pool"].mean()),
        "warm_share": float(held_out["warm"].mean()),
        "pool": len(split.pool),
    }


def _segments(
    held_out: pd.DataFrame,
    dataset: Dataset,
    popularity: Popularity,
    clicked: UserArticles,
    config: Config,
    rng: np.random.Generator,
) -> list[dict]:
    parted = list(segments_of(held_out, dataset.users, dataset.articles, popularity.clicks, clicked.counts()))
    return segment_recall(parted, held_out, config.eval.k, config.eval.bootstrap, rng)
