"""Takes a dataset out of the workspace: its tables with raw ids, as the generic format reads them without a mapping."""

import csv
import shlex
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dssm_core.dataset import NO_TIME, Dataset
from dssm_core.errors import UserError, unknown_name
from dssm_core.stored_files import written

_ROWS_AT_ONCE = 1 << 20
_INSTANT = pa.timestamp("ms", "UTC")


def export_dataset(dataset: Dataset, folder: Path, form: str = "parquet") -> dict[str, Path]:
    """Write a dataset's exposures, users and articles under `folder` in one of `FORMS`; returns the files by table.

    Ingested again by `read_again`, they make the same dataset, and nothing is set aside. Times are instants in UTC.
    """
    if form not in FORMS:
        raise unknown_name("export format of a dataset", form, FORMS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --to folder") from None
    tables = {"exposures": _exposures(dataset), "users": [_profiles(dataset.users)], "articles": [_articles(dataset)]}
    files = {name: folder / f"{name}.{form}" for name in tables}
    for name, pieces in tables.items():
        with written(files[name]) as beside:
            FORMS[form](beside, iter(pieces))
    return files


def read_again(dataset: Dataset, files: dict[str, Path]) -> str:
    """The command that makes the dataset of exported files."""
    named = [word for table, file in files.items() for word in (f"--{table}", str(file))]
    told = [] if files["exposures"].suffix == ".parquet" else ["--encoding", "utf-8", "--separator", ",", "--header"]
    zone = ["--timezone", dataset.timezone]
    return shlex.join(["python", "-m", "dssm_core", "ingest", "--format", "generic", *named, *zone, *told])


def _exposures(dataset: Dataset) -> Iterator[pa.Table]:
    exposures = dataset.exposures
    ids = {
        "user_id": (pa.array(dataset.users["user_id"]), exposures.user),
        "article_id": (pa.array(dataset.articles["article_id"]), exposures.article),
    }
    for start in range(0, len(exposures), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        columns = {name: texts.take(pa.array(numbers[rows])) for name, (texts, numbers) in ids.items()}
        if exposures.time is not None:
            columns["expo_time"] = pa.array(exposures.time[rows], _INSTANT)
        columns["click"] = exposures.click[rows].astype(np.int8)
        extra = {name: values[rows] for name, values in exposures.extra.items()}
        yield pa.table(columns | {name: v.astype(np.int8) if v.dtype == bool else v for name, v in extra.items()})


def _profiles(table: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(table.iloc[1:], preserve_index=False)


def _articles(dataset: Dataset) -> pa.Table:
    table, ctime = _profiles(dataset.articles), dataset.ctime[1:]
    instants = pa.array(ctime, _INSTANT, mask=ctime == NO_TIME)
    return table.set_column(table.schema.get_field_index("ctime"), "ctime", instants)


def _write_parquet(path: Path, pieces: Iterator[pa.Table]) -> None:
    first = next(pieces)
    with pa.parquet.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for piece in chain([first], pieces):
            writer.write_table(piece)


def _write_csv(path: Path, pieces: Iterator[pa.Table]) -> None:
    first = next(pieces)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(first.column_names)  # Arrow writes no header with a quote in it
    with path.open("ab") as file:
        for piece in chain([first], pieces):
            pa.csv.write_csv(piece, file, pa.csv.WriteOptions(include_header=False))


FORMS: dict[str, Callable[[Path, Iterator[pa.Table]], None]] = {"parquet": _write_parquet, "csv": _write_csv}
"""How a dataset's tables are written, by the name that the user sees and the files end with."""
