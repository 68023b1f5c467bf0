"""A log in parts with dirt of every kind, whose first part is by far the longest."""

from pathlib import Path

import numpy as np
import pandas as pd

NOON = 1_624_852_800_000
LONG = "u" * 100
"""An id long enough to be hashed by other means than short ones."""
_COLUMNS = ("user_id", "article_id", "expo_time", "net_status", "flush_nums", "expo_position", "click", "duration")
_USERS, _ARTICLES = 900, 300


def write_parts(folder: Path, form: str, parts: int = 4, rows: int = 1_500, seed: int = 0) -> dict:
    """Write the parts of a log into `folder`/logs, and its articles; returns what `ingest` is to be told of them.

    `form`: yidian, csv or parquet. The first part has eight times the rows of the others; half of the articles have no
    profile, and the ctime of some lies behind their exposures.
    """
    rng, logs = np.random.default_rng(seed), folder / "logs"
    logs.mkdir(parents=True)
    for number in range(parts):
        _write(logs / f"part-{number}", form, _rows(rng, rows * (1 if number else 8)))
    ctimes = [NOON + 86_400_000 * (i % 3 == 0) for i in range(_ARTICLES // 2)]
    if form == "yidian":
        lines = [f"a{i}\ttitle\t{ctime}\t1\tcate\tsub\tkey\n" for i, ctime in enumerate(ctimes)]
        (folder / "doc.txt").write_text("".join(lines))
        return {"format": "yidian", "exposures": logs, "articles": folder / "doc.txt"}
    articles = pd.DataFrame({"article_id": [f"a{i}" for i in range(len(ctimes))], "ctime": ctimes})
    articles.to_csv(folder / "articles.csv", index=False)
    return {"format": "generic", "exposures": logs, "articles": folder / "articles.csv"}


def _rows(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    table = pd.DataFrame({name: rng.integers(0, 9, rows).astype(str) for name in _COLUMNS})
    table["user_id"] = [f"u{i}" if i else LONG for i in rng.integers(0, _USERS, rows)]
    table["article_id"] = [f"a{i}" for i in rng.integers(0, _ARTICLES, rows)]
    table["expo_time"] = [str(NOON + i * 60_000) for i in rng.integers(0, 2_000, rows)]
    table["click"] = rng.integers(0, 2, rows).astype(str)
    for column, value in (("user_id", ""), ("expo_time", "Android"), ("click", "maybe"), ("duration", "-7")):
        table.loc[rng.random(rows) < 0.01, column] = value
    again = rng.random(rows) < 0.02
    table[again] = table[np.roll(again, 1)].to_numpy() if again.any() and not again[-1] else table[again]
    return table


def _write(path: Path, form: str, table: pd.DataFrame) -> None:
    if form == "parquet":
        table.to_parquet(path.with_suffix(".parquet"), row_group_size=1_000)
        return
    text = table.to_csv(index=False, header=form == "csv", sep="," if form == "csv" else "\t", lineterminator="\n")
    path.with_suffix(".csv" if form == "csv" else ".txt").write_text(text + ("ragged\n" if form == "yidian" else ",\n"))
