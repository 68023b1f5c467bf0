"""The metrics of users against ir-measures, which others trust."""

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, P, R, nDCG

from dssm_core.metrics import METRICS

KS = (1, 5, 20, 30)
THEIRS = {"recall": R, "precision": P, "ndcg": nDCG, "mrr": RR}


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_random_lists_equal_those_of_ir_measures(seed):
    rng = np.random.default_rng(seed)
    lists, held_out = random_cases(rng, users=40, articles=60)
    hits = np.zeros((len(lists), max(KS)), bool)
    for user, articles in enumerate(lists):
        hits[user, : len(articles)] = np.isin(articles, held_out[user])
    sizes = np.array([len(some) for some in held_out])
    theirs = by_ir_measures(lists, held_out)
    for name, measure in THEIRS.items():
        for k in KS:
            ours = METRICS[name](hits, sizes, k)
            expected = [theirs[str(user), measure @ k] for user in range(len(lists))]
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9, err_msg=f"{name}@{k}")


def random_cases(rng, users, articles):
    """Lists of up to 30 articles, some shorter, and 1 to 40 held-out clicks a user, in and out of the list."""
    lists = [rng.permutation(articles)[: rng.integers(3, 31)] for _ in range(users)]
    held_out = [rng.permutation(articles)[: rng.integers(1, 41)] for _ in range(users)]
    return lists, held_out


def by_ir_measures(lists, held_out) -> dict:
    qrels = [ir_measures.Qrel(str(user), str(article), 1) for user, clicks in enumerate(held_out) for article in clicks]
    run = [
        ir_measures.ScoredDoc(str(user), str(article), float(-rank))
        for user, articles in enumerate(lists)
        for rank, article in enumerate(articles)
    ]
    measures = [measure @ k for measure in THEIRS.values() for k in KS]
    return {(one.query_id, one.measure): one.value for one in ir_measures.iter_calc(measures, qrels, run)}
