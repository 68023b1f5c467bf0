"""Metrics of 50,000 users at three Ks with 1,000 bootstrap samples, against ir-measures without any; in users/s.

Both get recall lists and held-out clicks: we arrays, ir-measures the dicts that it likes best, made beforehand. It is
timed on 5,000 of the users, as its time goes with them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import ir_measures
import numpy as np
import pandas as pd
from ir_measures import RR, P, R, Success, nDCG

from benchmarks.side_by_side import per_second, print_ratio
from dssm_core.evaluation import list_ranks
from dssm_core.intervals import bootstrap_means
from dssm_core.metrics import METRICS, per_user_metrics
from dssm_core.recommender import RecallLists

USERS, THEIR_USERS, ARTICLES, RESAMPLES = 50_000, 5_000, 630_000, 1_000
KS = [10, 50, 200]
THEIRS = {"recall": R, "precision": P, "hit": Success, "ndcg": nDCG, "mrr": RR}


def main() -> None:
    """Print the ratio, once both sides agree."""
    lists, clicks = lists_and_clicks(np.random.default_rng(0))
    qrels, run = as_dicts(lists, clicks)
    measures = {f"{name}@{k}": THEIRS[name] @ k for name in METRICS for k in KS}
    check(lists, clicks, ir_measures.calc_aggregate(list(measures.values()), qrels, run), measures)
    print_ratio(
        "metrics_vs_ir_measures",
        lambda: per_second(USERS, lambda: ours(lists, clicks)),
        lambda: per_second(THEIR_USERS, lambda: ir_measures.calc_aggregate(list(measures.values()), qrels, run)),
    )


def lists_and_clicks(rng: np.random.Generator) -> tuple[RecallLists, pd.DataFrame]:
    """Lists of 200 articles, and one to ten held-out clicks a user of which about one in twenty is in the list."""
    users = np.arange(1, USERS + 1, dtype=np.int32)
    starts = rng.integers(0, ARTICLES, USERS)
    # a user's articles stand 157 apart, so that all of a list differ
    articles = 1 + (starts[:, None] + 157 * np.arange(max(KS))) % ARTICLES
    lists = RecallLists(users, articles.astype(np.int32), np.zeros(articles.shape, np.float32))
    owner = np.repeat(np.arange(USERS), rng.integers(1, 11, USERS))
    clicked = 1 + (starts[owner] + 157 * rng.integers(0, 20 * max(KS), len(owner))) % ARTICLES
    clicks = pd.DataFrame({"user": users[owner], "article": clicked.astype(np.int32)})
    return lists, clicks.drop_duplicates().sort_values(["user", "article"], ignore_index=True)


def ours(lists: RecallLists, clicks: pd.DataFrame) -> tuple[pd.DataFrame, tuple[np.ndarray, ...]]:
    """Every metric of every user, and the means with their intervals."""
    ranks = list_ranks(lists, clicks["user"].to_numpy(), clicks["article"].to_numpy(), ARTICLES + 1)
    per_user = per_user_metrics(clicks.assign(list_rank=ranks), KS)
    values = per_user.drop(columns="user").to_numpy()
    return per_user, bootstrap_means(values, RESAMPLES, np.random.default_rng(0))


def as_dicts(lists: RecallLists, clicks: pd.DataFrame) -> tuple[dict, dict]:
    """Their qrels and run, of the first users."""
    clicks = clicks[clicks["user"] <= THEIR_USERS]
    qrels = {str(user): dict.fromkeys(map(str, of["article"]), 1) for user, of in clicks.groupby("user")}
    falling = [float(-rank) for rank in range(max(KS))]
    run = {
        str(user): dict(zip(map(str, articles), falling, strict=True))
        for user, articles in zip(lists.users[:THEIR_USERS], lists.articles.tolist(), strict=False)
    }
    return qrels, run


def check(lists: RecallLists, clicks: pd.DataFrame, theirs: dict, measures: dict) -> None:
    """Refuse to time two sides that do not measure the same."""
    mean = ours(lists, clicks)[0].iloc[:THEIR_USERS].mean()
    for name, measure in measures.items():
        np.testing.assert_allclose(mean[name], theirs[measure], atol=1e-9, err_msg=name)


if __name__ == "__main__":
    main()
