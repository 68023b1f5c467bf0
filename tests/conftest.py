"""What all tests share: small datasets made by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from dssm_core.config import with_settings
from dssm_core.dataset import Dataset, Exposures
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run
from dssm_core.workspace import Workspace
from tests.datasets import save_dataset

QUICK = (
    "train.epochs=2",
    "train.batch_size=256",
    "split.validation_users=60",
    "eval.k=5,20",
    "eval.bootstrap=100",
    "tower.hidden=[]",
    "tower.dim=8",
)
"""Settings under which the tasteful dataset trains in a second."""

# how long an example takes says nothing on a busy machine
settings.register_profile("lab", deadline=None)
settings.load_profile("lab")

HOUR = 3_600_000
MONDAY = 1_624_809_600_000
"""2021-06-28 00:00 in Asia/Shanghai, in milliseconds."""


def make_dataset(rows, articles=None, users=None, timezone="Asia/Shanghai", extra=None) -> Dataset:
    """A dataset from (user_id, article_id, time or None, click) rows and {id: {column: value}} tables."""
    articles, users = articles or {}, users or {}
    user_ids = ["", *sorted({row[0] for row in rows} | set(users))]
    article_ids = ["", *sorted({row[1] for row in rows} | set(articles))]
    timed = all(row[2] is not None for row in rows)
    order = sorted(range(len(rows)), key=lambda i: (user_ids.index(rows[i][0]), rows[i][2] or 0, i))
    exposures = Exposures(
        np.array([user_ids.index(rows[i][0]) for i in order], np.int32),
        np.array([article_ids.index(rows[i][1]) for i in order], np.int32),
        np.array([rows[i][2] for i in order], np.int64) if timed else None,
        np.array([bool(rows[i][3]) for i in order]),
        {name: np.asarray(values)[order] for name, values in (extra or {}).items()},
    )
    user_table = pd.DataFrame({"user_id": user_ids})
    for column in sorted({key for row in users.values() for key in row}):
        user_table[column] = [users.get(i, {}).get(column, "unknown") for i in user_ids]
    article_table = pd.DataFrame({"article_id": article_ids})
    article_table["ctime"] = np.array([articles.get(i, {}).get("ctime", 0) for i in article_ids], np.int64)
    for column in sorted({key for row in articles.values() for key in row} - {"ctime"}):
        missing = "" if column == "title" else "unknown"
        article_table[column] = [articles.get(i, {}).get(column, missing) for i in article_ids]
    return Dataset("tiny", "tiny", "generic", timezone, exposures, user_table, article_table, {"rows_in": len(rows)})


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def tasteful_dataset() -> Dataset:
    """300 users of two tastes over 120 articles of two categories, 7 days, three sevenths of the exposures clicked."""
    rng = np.random.default_rng(3)
    n = 12_000
    user, article = rng.integers(0, 300, n), rng.integers(0, 120, n)
    same_taste = user % 2 == article % 2
    click = rng.random(n) < np.where(same_taste, 0.6, 0.03)
    time = MONDAY + rng.integers(0, 7 * 24 * HOUR, n)
    rows = [(f"u{u:03}", f"a{a:03}", int(t), int(c)) for u, a, t, c in zip(user, article, time, click, strict=True)]
    articles = {
        f"a{a:03}": {"ctime": MONDAY - HOUR, "cate": ("sport", "music")[a % 2], "title": f"Article {a}"}
        for a in range(120)
    }
    users = {f"u{u:03}": {"city": ("north", "south")[u % 2]} for u in range(300)}
    return make_dataset(rows, articles, users)


@pytest.fixture(scope="session")
def trained(tasteful_dataset, tmp_path_factory):
    """A workspace with the tasteful dataset ("tasty") and a finished in-batch run of it, with its baselines."""
    workspace = Workspace(tmp_path_factory.mktemp("trained"), bundled=None)
    save_dataset(workspace, "tasty", tasteful_dataset)
    config = with_settings(find_preset("in_batch").config, QUICK)
    folder = workspace.new_run_folder("taught")
    describe_run(folder, "tasty", config, "taught", "in_batch")
    carry_out(workspace, Run(folder), EventLog(folder / "events.jsonl"))
    return workspace
