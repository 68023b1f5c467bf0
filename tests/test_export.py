import json
import re
import subprocess
import sys

import faiss
import numpy as np
import pandas as pd
import pytest
from annoy import AnnoyIndex

from dssm_core.config import with_settings
from dssm_core.errors import UserError
from dssm_core.export import FORMS, export_run
from dssm_core.runs import Run, list_runs, open_run
from dssm_core.workspace import load_dataset


@pytest.fixture
def dataset(trained):
    return load_dataset(trained, "tasty")


def test_recall_lists_carry_raw_ids_in_order(trained, dataset, tmp_path):
    run = open_run(trained, "taught")
    export_run(run, dataset, tmp_path)
    lists, kept = pd.read_parquet(tmp_path / "recall.parquet"), run.recall()
    assert lists["user_id"].tolist() == [f"u{row - 1:03}" for row in kept["user"]]
    assert lists["article_id"].tolist() == [f"a{row - 1:03}" for row in kept["article"]]
    assert lists["rank"].tolist() == kept["rank"].tolist()


def nearest_by_faiss(path, query, k):
    return faiss.read_index(str(path)).search(query[None], k)[1][0]


def nearest_by_annoy(path, query, k):
    index = AnnoyIndex(len(query), "angular")
    index.load(str(path))
    return index.get_nns_by_vector(query, k, search_k=10_000)


@pytest.mark.parametrize("kind", ["exact", "ivf", "annoy"])
def test_both_indexes_find_the_same_articles_by_raw_id(trained, dataset, tmp_path, kind):
    run = Run(open_run(trained, "taught").folder)
    run.config = with_settings(run.config, [f"index.kind={kind}"])
    export_run(run, dataset, tmp_path)
    ids = json.loads((tmp_path / "article_ids.json").read_text())
    articles = pd.read_parquet(tmp_path / "articles.parquet").set_index("article_id")["vector"]
    user = pd.read_parquet(tmp_path / "users.parquet")["vector"].iloc[5]
    best = set(articles.map(lambda vector: float(np.dot(vector, user))).nlargest(5).index)
    for name, nearest in (("faiss", nearest_by_faiss), ("annoy", nearest_by_annoy)):
        assert {ids[place] for place in nearest(tmp_path / f"articles.{name}", user, 5)} == best


def test_every_block_of_the_readme_runs_without_this_package(trained, dataset, tmp_path):
    files = export_run(open_run(trained, "taught"), dataset, tmp_path / "out")
    assert {"recall.parquet", "articles.faiss", "articles.annoy", "recall_list.jsonl", "config.json", "README.md"} <= {
        file.name for file in files
    }
    blocks = re.findall(r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 7 and all(block.count("\n") <= 5 for block in blocks)
    blocked = "import sys; sys.modules['dssm_core'] = None\n"
    printed = [
        subprocess.run(
            [sys.executable, "-I", "-c", blocked + block], cwd=tmp_path / "out", capture_output=True, text=True
        )
        for block in blocks
    ]
    assert [one.stderr for one in printed] == [""] * 7
    assert all(one.stdout.strip() for one in printed)


def test_a_recall_list_can_be_had_again_from_the_exported_vectors_and_index(trained, dataset, tmp_path):
    run = open_run(trained, "taught")
    export_run(run, dataset, tmp_path)
    lists = pd.read_parquet(tmp_path / "recall.parquet")
    user = lists["user_id"].iloc[0]
    vector = pd.read_parquet(tmp_path / "users.parquet").set_index("user_id")["vector"][user]
    ids = json.loads((tmp_path / "article_ids.json").read_text())
    near = [ids[place] for place in nearest_by_faiss(tmp_path / "articles.faiss", vector, len(ids))]
    mine = lists.loc[lists["user_id"] == user, "article_id"].tolist()
    assert [article for article in near if article in set(mine)] == mine
    seen = set(near[: len(mine)]) - set(mine)
    exposures = dataset.exposures
    clicked = exposures.article[(exposures.user == dataset.user_row(user)) & exposures.click]
    assert seen <= set(dataset.articles["article_id"].to_numpy()[clicked]), "only what was seen is left out"


def test_funrec_writes_the_three_files_of_its_next_stage(trained, dataset, tmp_path):
    files = export_run(open_run(trained, "taught"), dataset, tmp_path, "funrec")
    files = files[:3]
    assert [file.name for file in files] == ["user_embedding.jsonl", "article_embedding.jsonl", "recall_list.jsonl"]
    users, articles, lists = (
        {
            key: value
            for line in file.read_text(encoding="utf-8").splitlines()
            for key, value in json.loads(line).items()
        }
        for file in files
    )
    user, places = next(iter(lists.items()))
    assert places[0][1] == pytest.approx(np.dot(users[user], articles[places[0][0]]), abs=1e-5), (
        "the score is the cosine"
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_baseline_has_lists_and_no_vectors(trained, dataset, tmp_path, form):
    popular = next(run for run in list_runs(trained) if run.config.model == "popular")
    stems = [file.stem for file in export_run(popular, dataset, tmp_path, form)]
    assert stems in (["recall", "config", "README"], ["recall_list", "config", "README"])


def test_an_unfinished_run_is_not_exported(trained, dataset, tmp_path):
    unfinished = Run(trained.new_run_folder("unfinished"))
    (unfinished.folder / "config.json").write_text((open_run(trained, "taught").folder / "config.json").read_text())
    (unfinished.folder / "status.json").write_text('{"state": "failed", "reason": "because"}')
    with pytest.raises(UserError, match="run unfinished is failed"):
        export_run(unfinished, dataset, tmp_path)
    trained.delete_run("unfinished")
