"""Takes a finished run out of the workspace: vectors, index and recall lists with raw ids."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from dssm_core.config import flatten
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError, unknown_name
from dssm_core.export_readme import export_readme
from dssm_core.indexes import save_index
from dssm_core.manifest import checked, holds
from dssm_core.runs import Run
from dssm_core.stored_files import write_json, written

Vectors = tuple[np.ndarray, np.ndarray]
"""Rows of the dataset's table (n,) int32 and their vectors (n, d) float32."""


def export_run(run: Run, dataset: Dataset, folder: Path, form: str = "") -> list[Path]:
    """Write a finished run under `folder`, in one of `FORMS` or, without one, in all; returns the files written.

    With them goes config.json and a README.md that says how to load each in a few lines. A baseline has no vectors:
    only its recall lists are written.
    """
    if form and form not in FORMS:
        raise unknown_name("export format", form, FORMS)
    recall = run.recall()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --to folder") from None
    files = [file for name in ([form] if form else FORMS) for file in FORMS[name](run, dataset, recall, folder)]
    config = folder / "config.json"
    write_json(config, {"run": run.id, "name": run.name, "dataset": run.dataset, "config": flatten(run.config)})
    readme = folder / "README.md"
    with written(readme) as beside:
        vectors = read_vectors(run, "articles")
        dim = None if vectors is None else vectors[1].shape[1]
        beside.write_text(export_readme(run, [file.name for file in files], dim), encoding="utf-8")
    return [*files, config, readme]


def read_vectors(run: Run, side: str) -> Vectors | None:
    """The vectors of `side` ("users" or "articles") of a finished run, or None for a run without any."""
    name = f"{side}.npz"
    if not holds(run.folder, name):
        return None
    with checked(run.folder, name) as path, np.load(path, allow_pickle=False) as arrays:
        rows, vectors = arrays["rows"], arrays["vectors"]
        if (
            rows.dtype != np.int32
            or vectors.dtype != np.float32
            or vectors.ndim != 2
            or rows.shape != vectors.shape[:1]
        ):
            raise ValueError("rows must be (n,) int32 and vectors (n, d) float32")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors must be finite")
        return rows, vectors


def _parquet(run: Run, dataset: Dataset, recall: pd.DataFrame, folder: Path) -> list[Path]:
    """recall.parquet, users.parquet and articles.parquet (id and vector), and both indexes with their order of ids."""
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
    """articles.faiss and articles.annoy, each as the run's config says, and what article stands where in both."""
    vectors = read_vectors(run, "articles")
    if vectors is None:
        return []
    kinds = {"annoy": "annoy", "faiss": "ivf" if run.config.index.kind == "ivf" else "exact"}
    files = []
    for name, kind in kinds.items():
        files.append(folder / f"articles.{name}")
        with written(files[-1]) as beside:
            save_index(vectors[1], run.config.index.model_copy(update={"kind": kind}), beside)
    ids = folder / "article_ids.json"
    write_json(ids, _ids(dataset)["articles"][vectors[0]].tolist())
    return [*files, ids]


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
