"""A small made-up log, written in the layout of every format, with what a slow reader counts in it."""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = datetime.datetime(2019, 11, 9)


@dataclass(frozen=True)
class Impression:
    """Some articles shown to a user at a moment, those clicked, and what the user had clicked before the log."""

    user: str
    at: datetime.datetime
    shown: list[str]
    clicked: list[str]
    history: list[str] = field(default_factory=list)


def impressions(users: int = 30, days: int = 4, seed: int = 0) -> list[Impression]:
    """Users of two tastes, one impression a day of six of forty articles, of which about a third are clicked."""
    rng, made = np.random.default_rng(seed), []
    for user in range(users):
        history = [str(a) for a in rng.permutation(40)[: rng.integers(0, 6)] + 100]
        for day in range(days):
            shown = rng.choice(40, 6, replace=False)
            clicked = [str(a + 100) for a in shown if rng.random() < (0.6 if a % 2 == user % 2 else 0.1)]
            at = FIRST_DAY + datetime.timedelta(days=day, seconds=int(rng.integers(0, 86_400)))
            made.append(Impression(str(user + 1), at, [str(a + 100) for a in shown], clicked, history))
    return made


def write_mind(folder: Path, log: list[Impression]) -> dict:
    """behaviors.tsv and news.tsv."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, one in enumerate(log, 1):
        listed = " ".join(f"{article}-{int(article in one.clicked)}" for article in one.shown)
        lines.append(f"{number}\t{one.user}\t{us_text(one.at)}\t{' '.join(one.history)}\t{listed}\n")
    (folder / "behaviors.tsv").write_text("".join(lines), encoding="utf-8")
    entities = json.dumps([{"Label": "Berlin, Germany", "Confidence": 0.9}])
    news = "".join(
        f"{article}\tnews\tnews{article % 3}\tTitle {article}\tAbstract\thttps://x/\t{entities}\t[]\n"
        for article in range(100, 140)
    )
    (folder / "news.tsv").write_text(news, encoding="utf-8")
    return {"exposures": folder}


def us_text(at: datetime.datetime) -> str:
    """As MIND writes a time: no leading zeros but for minutes and seconds."""
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"


def write_ebnerd(folder: Path, log: list[Impression]) -> dict:
    """train/behaviors.parquet, train/history.parquet and articles.parquet."""
    (folder / "train").mkdir(parents=True, exist_ok=True)
    n = len(log)
    behaviors = {
        "impression_id": pa.array(range(n), pa.uint32()),
        "article_id": pa.nulls(n, pa.int32()),
        "impression_time": pa.array([one.at for one in log], pa.timestamp("us")),
        "read_time": pa.array([7.0] * n, pa.float32()),
        "scroll_percentage": pa.nulls(n, pa.float32()),
        "device_type": pa.array([int(one.user) % 3 + 1 for one in log], pa.int8()),
        "article_ids_inview": pa.array([[int(a) for a in one.shown] for one in log], pa.list_(pa.int32())),
        "article_ids_clicked": pa.array([[int(a) for a in one.clicked] for one in log], pa.list_(pa.int32())),
        "user_id": pa.array([int(one.user) for one in log], pa.uint32()),
        "is_sso_user": pa.array([int(one.user) % 2 == 0 for one in log]),
        "gender": pa.nulls(n, pa.int8()),
        "postcode": pa.nulls(n, pa.int8()),
        "age": pa.array([40 if int(one.user) % 2 else None for one in log], pa.int8()),
        "is_subscriber": pa.array([False] * n),
        "session_id": pa.array(range(n), pa.uint32()),
    }
    pq.write_table(pa.table(behaviors), folder / "train" / "behaviors.parquet")
    histories = {one.user: one.history for one in log}
    history = {
        "user_id": pa.array([int(user) for user in histories], pa.uint32()),
        "impression_time_fixed": pa.array(
            [
                [FIRST_DAY - datetime.timedelta(hours=len(clicks) - i) for i in range(len(clicks))]
                for clicks in histories.values()
            ],
            pa.list_(pa.timestamp("us")),
        ),
        "scroll_percentage_fixed": pa.array([[None] * len(c) for c in histories.values()], pa.list_(pa.float32())),
        "article_id_fixed": pa.array([[int(a) for a in c] for c in histories.values()], pa.list_(pa.int32())),
        "read_time_fixed": pa.array([[9.0] * len(c) for c in histories.values()], pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(history), folder / "train" / "history.parquet")
    ids = range(100, 140)
    articles = {
        "article_id": pa.array(ids, pa.int32()),
        "title": [f"Titel {i}" for i in ids],
        "body": ["…"] * len(ids),
        "published_time": pa.array([FIRST_DAY - datetime.timedelta(days=9)] * len(ids), pa.timestamp("us")),
        "topics": [["Kendt", "Sport"]] * len(ids),
        "category": pa.array([118] * len(ids), pa.int16()),
        "category_str": ["nyheder"] * len(ids),
        "subcategory": pa.array([[i % 3] for i in ids], pa.list_(pa.int16())),
        "article_type": ["article_default"] * len(ids),
        "total_pageviews": pa.array([5] * len(ids), pa.int32()),
    }
    pq.write_table(pa.table(articles), folder / "articles.parquet")
    return {"exposures": folder / "train"}


def write_movielens(folder: Path, log: list[Impression]) -> dict:
    """ratings.dat, movies.dat and users.dat: a click is a rating of 4 or 5."""
    folder.mkdir(parents=True, exist_ok=True)
    ratings = [
        f"{one.user}::{article}::{4 + i % 2 if article in one.clicked else 1 + i % 3}::{_seconds(one.at)}\n"
        for one in log
        for i, article in enumerate(one.shown)
    ]
    (folder / "ratings.dat").write_text("".join(ratings), encoding="latin-1")
    movies = [f"{i}::Café {i}: the film (19{i % 100:02})::Drama|Children's\n" for i in range(100, 140)]
    (folder / "movies.dat").write_text("".join(movies), encoding="latin-1")
    users = [f"{user}::{'FM'[i % 2]}::25::{i % 21}::48067\n" for i, user in enumerate({one.user: 0 for one in log})]
    (folder / "users.dat").write_text("".join(users), encoding="latin-1")
    return {"exposures": folder}


def write_yidian(folder: Path, log: list[Impression]) -> dict:
    """train_data.txt alone."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{one.user}\t{article}\t{_seconds(one.at)}000\t5\t0\t{place}\t{int(article in one.clicked)}\t0\n"
        for one in log
        for place, article in enumerate(one.shown)
    ]
    (folder / "train_data.txt").write_text("".join(rows), encoding="utf-8")
    return {"exposures": folder / "train_data.txt"}


def write_generic(folder: Path, log: list[Impression]) -> dict:
    """log.csv alone."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{one.user},{article},{one.at.isoformat()},{int(article in one.clicked)}\n"
        for one in log
        for article in one.shown
    ]
    text = "user_id,article_id,expo_time,click\n" + "".join(rows)
    (folder / "log.csv").write_text(text, encoding="utf-8")
    return {"exposures": folder / "log.csv"}


def _seconds(at: datetime.datetime) -> int:
    return int(at.replace(tzinfo=datetime.UTC).timestamp())


WRITERS: dict[str, Callable[[Path, list[Impression]], dict]] = {
    "yidian": write_yidian,
    "generic": write_generic,
    "mind": write_mind,
    "ebnerd": write_ebnerd,
    "movielens": write_movielens,
}
"""Writes a log in each format; returns the arguments with which it is ingested."""

TELLS_HISTORY = ("mind", "ebnerd")
"""The formats that tell what was clicked before the log."""


def counted(log: list[Impression], history: bool) -> tuple[int, int]:
    """Exposures and clicks of a log, counted slowly; `history`: with each user's history, once."""
    seen, clicks = set(), set()
    for one in log:
        for article in one.shown:
            seen.add((one.user, article, one.at))
            if article in one.clicked:
                clicks.add((one.user, article, one.at))
    before = sum(len(clicks) for clicks in {one.user: one.history for one in log}.values()) if history else 0
    return len(seen) + before, len(clicks) + before
