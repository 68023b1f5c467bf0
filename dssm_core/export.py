"""Takes a finished run out of the workspace: vectors, index and recall lists with raw ids."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from dssm_core.dataset import Dataset
from dssm_core.errors import UserError, unknown_name
from dssm_core.indexes import save_index
from dssm_core.runs import Run
from dssm_core.workspace import write_json, written

Vectors = tuple[np.ndarray, np.ndarray]
"""Rows of the dataset's table (n,) int32 and their vectors (n, d) float32."""


def export_run(run: Run, dataset: Dataset, folder: Path, form: str = "parquet") -> list[Path]:
    """Write a finished run's vectors and recall lists under `folder`, in one of `FORMS`; returns the files written.

    A baseline has no vectors: only its recall lists are written.
    """
    if form not in FORMS:
        raise unknown_name("export format", form, FORMS)
    recall = run.recall()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --to folder") from None
    return FORMS[form](run, dataset, recall, folder)


def read_vectors(run: Run, side: str) -> Vectors | None:
    """The vectors of `side` ("users" or "articles"), or None for a run without any."""
    path = run.folder / f"{side}.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["rows"], arrays["vectors"]


def _parquet(run: Run, dataset: Dataset, recall: pd.DataFrame, folder: Path) -> list[Path]:
    """recall.parquet, users.parquet and articles.parquet (id and vector), and the index with its order of ids."""
    files = [folder / "recall.parquet"]
    _write(_with_ids(recall, dataset), files[0])
    for side, ids in _ids(dataset).items():
        vectors = read_vectors(run, side)
        if vectors is not None:
            files.append(folder / f"{side}.parquet")
            key = f"{side[:-1]}_id"
            _write(pd.DataFrame({key: ids[vectors[0]], "vector": list(vectors[1])}), files[-1])
    return files + _index(run, dataset, folder)


def _index(run: Run, dataset: Dataset, folder: Path) -> list[Path]:
    vectors = read_vectors(run, "articles")
    if vectors is None:
        return []
    index = folder / f"articles.{run.config.index.kind}.index"
    with written(index) as beside:
        save_index(vectors[1], run.config.index, beside)
    ids = folder / "index_ids.json"
    write_json(ids, {"index": index.name, "article_ids": _ids(dataset)["articles"][vectors[0]].tolist()})
    return [index, ids]


def _funrec(run: Run, dataset: Dataset, recall: pd.DataFrame, folder: Path) -> list[Path]:
    """user_embedding.jsonl, article_embedding.jsonl and recall_list.jsonl: one `{id: …}` object a line, raw ids."""
    files = []
    for side, ids in _ids(dataset).items():
        vectors = read_vectors(run, side)
        if vectors is not None:
            files.append(folder / f"{side[:-1]}_embedding.jsonl")
            _write_lines(files[-1], zip(ids[vectors[0]], (vector.tolist() for vector in vectors[1]), strict=True))
    lists = _with_ids(recall, dataset).groupby("user_id", sort=False)
    files.append(folder / "recall_list.jsonl")
    pairs = ((user, list(zip(rows["article_id"], rows["score"].tolist(), strict=True))) for user, rows in lists)
    _write_lines(files[-1], pairs)
    return files


FORMS = {"parquet": _parquet, "funrec": _funrec}


def _ids(dataset: Dataset) -> dict[str, np.ndarray]:
    return {
        "users": dataset.users["user_id"].to_numpy(dtype=object),
        "articles": dataset.articles["article_id"].to_numpy(dtype=object),
    }


def _with_ids(recall: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    ids = _ids(dataset)
    named = {"user_id": ids["users"][recall["user"]], "article_id": ids["articles"][recall["article"]]}
    return pd.DataFrame({**named, "rank": recall["rank"], "score": recall["score"], "hit": recall["hit"]})


def _write(frame: pd.DataFrame, path: Path) -> None:
    with written(path) as beside:
        frame.to_parquet(beside, index=False)


def _write_lines(path: Path, pairs) -> None:
    with written(path) as beside, beside.open("w", encoding="utf-8") as file:
        for key, value in pairs:
            file.write(json.dumps({key: value}, ensure_ascii=False) + "\n")
