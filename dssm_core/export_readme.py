"""The README of an export: what each file holds and how to load it in a few lines, without this project."""

from dssm_core.runs import Run

_LOADERS = {
    "recall.parquet": (
        "The recall lists of the evaluated users, {k} articles each, best first: `user_id`, `article_id`, `rank`, "
        "`score`, `hit` (a held-out click).",
        """import pandas as pd
recall = pd.read_parquet("recall.parquet")
user = recall["user_id"].iloc[0]
print(recall[recall["user_id"] == user].head())""",
    ),
    "users.parquet": (
        "The vector of every user ({dim} numbers, of length 1). The first row, with the empty id, is for others.",
        """import numpy as np, pandas as pd
users = pd.read_parquet("users.parquet").set_index("user_id")["vector"]
vectors = np.stack(users.to_list()).astype("float32")
print(vectors.shape)""",
    ),
    "articles.parquet": (
        "The vector of every article of the candidate pool. The score of a pair is the inner product of both vectors.",
        """import numpy as np, pandas as pd
articles = pd.read_parquet("articles.parquet").set_index("article_id")["vector"]
vectors = np.stack(articles.to_list()).astype("float32")
print(vectors.shape)""",
    ),
    "articles.faiss": (
        "The same article vectors as a FAISS index ({faiss}); `article_ids.json` says which article stands where.",
        """import faiss, json, numpy as np, pandas as pd
index, ids = faiss.read_index("articles.faiss"), json.load(open("article_ids.json"))
user = pd.read_parquet("users.parquet")["vector"].iloc[1]
scores, positions = index.search(np.float32([user]), 10)
print([ids[position] for position in positions[0]], scores[0])""",
    ),
    "articles.annoy": (
        "The same as an Annoy index ({trees} trees, angular distance d; the score is 1 − d²/2).",
        """import annoy, json, pandas as pd
index, ids = annoy.AnnoyIndex({dim}, "angular"), json.load(open("article_ids.json"))
user = index.load("articles.annoy") and pd.read_parquet("users.parquet")["vector"].iloc[1]
positions, distances = index.get_nns_by_vector(user, 10, include_distances=True)
print([ids[position] for position in positions], [1 - d**2 / 2 for d in distances])""",
    ),
    "user_embedding.jsonl": (
        "User vectors as fun-rec's next stage reads them: one JSON object a line, from id to vector. The article "
        "vectors in `article_embedding.jsonl` look the same.",
        """import json
users = {{}}
for line in open("user_embedding.jsonl", encoding="utf-8"):
    users.update(json.loads(line))
print(len(users))""",
    ),
    "recall_list.jsonl": (
        "Recall lists in the same way: from user id to pairs of article id and score, best first.",
        """import json
lists = {{}}
for line in open("recall_list.jsonl", encoding="utf-8"):
    lists.update(json.loads(line))
print(len(lists))""",
    ),
}
"""By file: what it holds, and the lines that load it. Both are filled in by `str.format`."""


def export_readme(run: Run, files: list[str], dim: int | None) -> str:
    """The text on those of `files` that need words; the code of each block runs in the export's folder.

    `dim`: the length of the vectors, None for a run without any.
    """
    index = run.config.index
    facts = {
        "k": max(run.config.eval.k),
        "dim": dim,
        "trees": index.trees,
        "faiss": "IVF-Flat, inner product" if index.kind == "ivf" else "flat inner product, exact",
    }
    seen = "leave out" if run.config.pool.remove_seen else "keep"
    parts = [
        f"# Run {run.id}\n\nExported by the recall lab. `config.json` holds every knob of the run. Ids are those of "
        f"the log, as\ntexts. Recall lists {seen} what the user had clicked before the test; an index knows nothing of "
        "users.\n"
    ]
    for name in files:
        if name in _LOADERS:
            words, code = _LOADERS[name]
            parts.append(f"## {name}\n\n{words.format(**facts)}\n\n```python\n{code.format(**facts)}\n```\n")
    return "\n".join(parts)
