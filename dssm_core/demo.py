"""Writes a synthetic news log in the headerless `yidian` format, and says what tastes and dirt it planted."""

import re
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from dssm_core import demo_words as words
from dssm_core.demo_world import (
    ASPECTS,
    CATEGORY,
    CLICK,
    CLICK_RATE,
    DAY,
    HALF_LIFE_HOURS,
    HOUR,
    LATENT_DIM,
    PLACES,
    POPULARITY,
    STOCK_DAYS,
    SUBJECTS,
    TASTE_SHARE,
    TOPICS,
    Feed,
    PlantedArticles,
    PlantedUsers,
    World,
    falling,
    plant,
)
from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.meter import Progress
from dssm_core.stored_files import write_json, written
from dssm_core.workspace import Workspace

START = 1_624_809_600_000
"""The log's first moment: 2021-06-28 00:00 in Asia/Shanghai, in milliseconds."""
EXPOSURES_A_DAY = 17
FILES = ("train_data.txt", "user_info.txt", "doc_info.txt")
"""Exposures, users, articles."""
LOG_DIRT = {
    "ragged row": 2e-4,
    "missing id": 1e-4,
    "bad time": 1e-4,
    "bad click": 1e-4,
    "duplicate": 5e-4,
    "created after exposure": 5e-4,
}
USER_DIRT = {"missing": 1e-2, "ragged row": 1e-3, "missing id": 5e-4, "empty attributes": 2e-2, "duplicate": 3e-3}
ARTICLE_DIRT = {
    "missing": 5e-3,
    "ragged row": 1e-3,
    "missing id": 5e-4,
    "bad time": 5e-3,
    "quote in title": 2e-3,
    "duplicate": 3e-3,
}
"""Kinds of dirt → how many for each clean row, one at least. "missing" rows are not written at all; "empty attributes"
and "quote in title" are odd but good; all others are reasons for which ingest sets a row aside."""
NOT_SET_ASIDE = ("missing", "empty attributes", "quote in title")

_LOG_COLUMNS = ("user", "article", "expo_time", "net_status", "flush_nums", "expo_position", "click", "duration")
_LIMITS = {"users": (20, 2_000_000), "days": (1, 366), "seed": (0, 2**63 - 1)}
_PIECES = 8
_CSV = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")

Lines = np.ndarray
"""Rows of a table as text, without line ends: an array of str objects."""


def ingest_demo(
    workspace: Workspace, users: int, articles: int, days: int, seed: int, progress: Progress | None = None
) -> dict:
    """Write a demo log of these sizes aside and ingest it; returns ingest's report."""
    with tempfile.TemporaryDirectory() as folder:
        write_demo(Path(folder), users, articles, days, seed)
        files = (Path(folder) / name for name in FILES)
        return ingest(workspace, "yidian", *files, name=f"demo {users} × {articles}", progress=progress)


def write_demo(
    folder: Path | str, users: int, articles: int, days: int, seed: int, exposures: int | None = None
) -> dict:
    """Write `train_data.txt`, `user_info.txt`, `doc_info.txt` and `truth.json` into `folder`; same bytes for a seed.

    The log starts at 2021-06-28 00:00 in Asia/Shanghai and covers `days` whole days. `exposures` is the number of rows
    to be accepted, 17 a user and day by default; a user is shown an article once a day at most, so that a catalogue too
    small for it gives fewer. Returns the content of truth.json: per table the rows written, those that are to be
    accepted and those to be set aside by ingest's reasons; and what is to be learned. A UserError tells of sizes out of
    range and of a folder that cannot be written.
    """
    exposures = users * days * EXPOSURES_A_DAY if exposures is None else exposures
    _check(days=days, users=users, articles=articles, seed=seed, exposures=exposures)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(folder, users, articles, days, seed, exposures)
    except OSError as error:
        raise UserError(
            f"cannot write the demo into {folder}: {error.strerror or error}; choose a folder that can be written"
        ) from error


def _check(**sizes: int) -> None:
    days = sizes["days"]
    # With fewer articles a day there would come a day with nothing left to show.
    limits = {**_LIMITS, "articles": (max(20, 5 * days), 2_000_000), "exposures": (50 * days, 1_000_000_000)}
    for name, value in sizes.items():
        low, high = limits[name]
        if not low <= value <= high:
            raise UserError(f"the demo cannot have {name}={value}: give a number from {low} to {high}")


def _write(folder: Path, users: int, articles: int, days: int, seed: int, exposures: int) -> dict:
    planting, of_users, of_articles, of_log = np.random.default_rng(seed).spawn(4)
    world = plant(planting, users, articles, START, days)
    profiles = _user_columns(of_users, world.users)
    user_lines, user_counts, _ = _user_lines(of_users, profiles)
    article_lines, article_counts, clean = _article_lines(of_articles, world.articles, profiles)
    with (
        written(folder / "user_info.txt") as user_path,
        written(folder / "doc_info.txt") as article_path,
        written(folder / "train_data.txt") as log_path,
    ):
        _write_lines(user_path, user_lines)
        _write_lines(article_path, article_lines)
        with log_path.open("wb") as log:
            log_counts = _write_log(log, of_log, world, clean, exposures)
    truth = {
        "seed": seed,
        "sizes": {"users": users, "articles": articles, "days": days, "exposures": exposures},
        "timezone": "Asia/Shanghai",
        "start": START,
        "end": START + days * DAY,
        "exposures": log_counts,
        "users": user_counts,
        "articles": article_counts,
        "planted": _planted(),
    }
    write_json(folder / "truth.json", truth)
    return truth


def _planted() -> dict:
    return {
        "categories": {cate: list(subs) for cate, subs in words.TOPICS.items()},
        "click_rate": CLICK_RATE,
        "click_log_odds_per": CLICK,
        "half_life_hours": HALF_LIFE_HOURS,
        "stock_days": STOCK_DAYS,
        "popularity_per_quality": POPULARITY,
        "share_shown_by_taste": TASTE_SHARE,
        "latent_dimensions": LATENT_DIM,
    }


def _write_lines(path: Path, lines: Lines) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def _joined(*parts: np.ndarray | str, by: str = "") -> np.ndarray:
    """The parts put together element by element; a str part is the same for all."""
    columns = [pa.scalar(part) if isinstance(part, str) else pa.array(part, pa.string()) for part in parts]
    return pc.binary_join_element_wise(*columns, by).to_numpy(zero_copy_only=False)


def _text(numbers: np.ndarray) -> np.ndarray:
    return pa.array(numbers).cast(pa.string()).to_numpy(zero_copy_only=False)


def _decimals(numbers: np.ndarray, digits: int) -> np.ndarray:
    return np.char.mod(f"%.{digits}f", numbers).astype(object)


def _user_columns(rng: np.random.Generator, users: PlantedUsers) -> list[np.ndarray]:
    """The columns of user_info.txt: id, device, os, province, city, age and gender as strings of probabilities."""
    n = len(users.id)
    province, city = (np.array(names, dtype=object)[users.place] for names in zip(*PLACES, strict=True))
    android, ios = (np.array(words.DEVICES[os].split(), dtype=object) for os in ("Android", "iOS"))
    device = np.where(users.ios, *(rng.choice(names, n, p=falling(len(names), 2)) for names in (ios, android)))
    os = np.where(users.ios, "iOS", "Android").astype(object)
    return [_text(users.id), device, os, province, city, _ages(rng, users.age), _genders(rng, users.female)]


def _ages(rng: np.random.Generator, age: np.ndarray) -> np.ndarray:
    """`A_0_24:0.40,…`; the true band is always the most probable."""
    noise = rng.gamma(0.6, size=(len(age), len(words.AGES)))
    chances = 0.45 * noise / noise.sum(axis=1, keepdims=True) + 0.55 * np.eye(len(words.AGES))[age]
    fields = [_joined(f"{name}:", _decimals(chances[:, i], 6)) for i, name in enumerate(words.AGES)]
    return _joined(*fields, by=",")


def _genders(rng: np.random.Generator, female: np.ndarray) -> np.ndarray:
    certainty = rng.uniform(0.55, 1, len(female))
    chance = np.where(female, certainty, 1 - certainty)
    return _joined("female:", _decimals(chance, 6), ",male:", _decimals(1 - chance, 6))


def _pick(rng: np.random.Generator, n: int, dirt: dict[str, float]) -> dict[str, np.ndarray]:
    """Different rows of a table of n for each kind of dirt."""
    counts = [max(1, round(rate * n)) for rate in dirt.values()]
    rows = rng.permutation(n)
    return dict(zip(dirt, np.split(rows, np.cumsum(counts))[: len(dirt)], strict=True))


def _user_lines(rng: np.random.Generator, columns: list[np.ndarray]) -> tuple[Lines, dict, np.ndarray]:
    picked = _pick(rng, len(columns[0]), USER_DIRT)
    columns = [column.copy() for column in columns]
    for column in columns[1:]:
        column[picked["empty attributes"]] = ""
    return _spoilt(rng, columns, picked)


def _spoilt(
    rng: np.random.Generator, columns: list[np.ndarray], picked: dict[str, np.ndarray]
) -> tuple[Lines, dict, np.ndarray]:
    """The table's lines in random order with the dirt both tables share; its counts; and which rows stay good."""
    columns[0][picked["missing id"]] = ""
    lines = _joined(*columns, by="\t")
    lines[picked["ragged row"]] = [_ragged(line, i) for i, line in enumerate(lines[picked["ragged row"]])]
    good = np.ones(len(lines), dtype=bool)
    for kind in picked.keys() & {"missing", "ragged row", "missing id", "bad time"}:
        good[picked[kind]] = False
    lines = np.concatenate([np.delete(lines, picked["missing"]), lines[picked["duplicate"]]])
    set_aside = {kind: len(rows) for kind, rows in picked.items() if kind not in NOT_SET_ASIDE}
    others = {kind: len(rows) for kind, rows in picked.items() if kind in NOT_SET_ASIDE}
    counts = {"rows_in": len(lines), "accepted": int(good.sum()), "set_aside": set_aside, **others}
    return rng.permutation(lines), counts, good


def _ragged(line: str, i: int) -> str:
    """The line with columns too few or too many, in turn."""
    return line + "\t0" if i % 2 else "\t".join(line.split("\t")[:4])


def _article_lines(
    rng: np.random.Generator, articles: PlantedArticles, profiles: list[np.ndarray]
) -> tuple[Lines, dict, np.ndarray]:
    cate, sub = (np.array(names, dtype=object)[articles.topic] for names in zip(*TOPICS, strict=True))
    aspect = ASPECTS.words[ASPECTS.draw(rng, articles.topic)]
    columns = [
        _text(articles.id),
        _titles(rng, articles, aspect),
        _text(articles.ctime),
        _text(articles.images),
        cate,
        _sub_cates(rng, articles.topic, sub),
        _key_words(rng, SUBJECTS.words[articles.subject], aspect, sub),
    ]
    picked = _pick(rng, len(cate), ARTICLE_DIRT)
    _shift(rng, columns, picked["bad time"], profiles)
    quoted = picked["quote in title"]
    columns[1][quoted] = _joined('"', columns[1][quoted])
    return _spoilt(rng, columns, picked)


def _shift(rng: np.random.Generator, columns: list[np.ndarray], rows: np.ndarray, profiles: list[np.ndarray]) -> None:
    """Put a user's profile in the place of the article's own columns, so that ctime is "Android" or empty."""
    of = rng.integers(0, len(profiles[0]), len(rows))
    for column, profile in zip(columns[1:], profiles[1:], strict=True):
        column[rows] = profile[of]
    columns[2][rows] = np.where(np.arange(len(rows)) % 2, "Android", "")


def _titles(rng: np.random.Generator, articles: PlantedArticles, aspect: np.ndarray) -> np.ndarray:
    n = len(articles.id)
    slots = {
        "a": SUBJECTS.words[articles.subject],
        "b": aspect,
        "n": _text(rng.integers(2, 10, n)),
        "city": np.array([city for _, city in PLACES], dtype=object)[rng.integers(0, len(PLACES), n)],
    }
    titles = np.empty(n, dtype=object)
    for category, patterns in enumerate(words.TEMPLATES.values()):
        for template, pattern in enumerate(patterns):
            rows = np.flatnonzero((CATEGORY[articles.topic] == category) & (articles.template == template))
            pieces = re.split(r"{(\w+)}", pattern)
            titles[rows] = _joined(*(slots[p][rows] if i % 2 else p for i, p in enumerate(pieces)))
    return _joined(titles, np.array(words.TAILS, dtype=object)[rng.integers(0, len(words.TAILS), n)])


def _sub_cates(rng: np.random.Generator, topic: np.ndarray, sub: np.ndarray) -> np.ndarray:
    """The sub_cate; one in seven names another of its category too, `own/other`."""
    count, first = np.bincount(CATEGORY)[CATEGORY[topic]], np.searchsorted(CATEGORY, CATEGORY[topic])
    step = 1 + (rng.random(len(topic)) * (count - 1)).astype(np.int64)
    other = np.array([name for _, name in TOPICS], dtype=object)[first + (topic - first + step) % count]
    return np.where(rng.random(len(topic)) < 1 / 7, _joined(sub, other, by="/"), sub)


def _key_words(rng: np.random.Generator, *columns: np.ndarray) -> np.ndarray:
    """`^word:weight,word:weight`; one in twelve has a word with a separator in it."""
    n = len(columns[0])
    weights = -np.sort(-rng.uniform(0.05, 1, (n, len(columns))), axis=1)
    pairs = [_joined(word, _decimals(weights[:, i], 2), by=":") for i, word in enumerate(columns)]
    plain = _joined("^", _joined(*pairs, by=","))
    odd = rng.choice(np.array(words.ODD_KEY_WORDS, dtype=object), n)
    return np.where(rng.random(n) < 1 / 12, _joined(plain, ",", odd, ":0.04"), plain)


def _write_log(log: BinaryIO, rng: np.random.Generator, world: World, clean: np.ndarray, exposures: int) -> dict:
    """Write the log day by day, dirt strewn in. `clean`: the articles whose doc_info row is good."""
    feed = Feed(world)
    counts = {
        "rows_in": 0,
        "accepted": 0,
        "set_aside": dict.fromkeys(LOG_DIRT, 0),
        "clicks": 0,
        "negative durations": 0,
    }
    for day, wanted in enumerate(np.diff(np.linspace(0, exposures, world.days + 1).round().astype(int))):
        rows = feed.day(rng, day, int(wanted))
        table = _log_table(world, rows)
        unborn = _created_during(world, clean, day)
        dirt = {kind: _log_dirt(rng, kind, table, unborn) for kind in LOG_DIRT}
        _write_strewn(log, rng, table, [line for lines in dirt.values() for line in lines])
        for kind, lines in dirt.items():
            counts["set_aside"][kind] += len(lines)
        counts["accepted"] += table.num_rows
        counts["clicks"] += int(rows["click"].sum())
        counts["negative durations"] += int((rows["duration"] < 0).sum())
    counts["rows_in"] = counts["accepted"] + sum(counts["set_aside"].values())
    return counts


def _log_table(world: World, rows: dict[str, np.ndarray]) -> pa.Table:
    rows = {**rows, "user": world.users.id[rows["user"]], "article": world.articles.id[rows["article"]]}
    return pa.table({name: rows[name] for name in _LOG_COLUMNS})


def _created_during(world: World, clean: np.ndarray, day: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and ctimes of the articles created that day after its first hour, as far as ingest can know their ctime."""
    articles, start = world.articles, world.start + day * DAY
    during = clean & (articles.ctime >= start + HOUR) & (articles.ctime < start + DAY)
    return articles.id[during], articles.ctime[during]


def _log_dirt(rng: np.random.Generator, kind: str, table: pa.Table, unborn: tuple[np.ndarray, np.ndarray]) -> list[str]:
    """Lines with one kind of dirt, made from different good rows of the day."""
    n = 0 if kind == "created after exposure" and not len(unborn[0]) else table.num_rows
    rows = rng.choice(table.num_rows, min(n, max(1, round(LOG_DIRT[kind] * n))), replace=False)
    fields = np.array([_text(column.to_numpy()) for column in table.take(pa.array(rows)).columns], dtype=object)
    _soil(rng, kind, fields, unborn)
    lines = ["\t".join(row) for row in fields.T]
    return [_ragged(line, i) for i, line in enumerate(lines)] if kind == "ragged row" else lines


def _soil(rng: np.random.Generator, kind: str, fields: np.ndarray, unborn: tuple[np.ndarray, np.ndarray]) -> None:
    """Spoil the columns (8, rows) of a kind of dirt; duplicates stay as they are."""
    each = np.arange(fields.shape[1])
    if kind == "missing id":
        fields[each % 2, each] = ""
    elif kind == "bad time":
        fields[2] = np.resize(np.array(["NULL", "", "1624x809600", "-"], dtype=object), len(each))
    elif kind == "bad click":
        fields[6] = np.resize(np.array(["2", "-1", "", "yes"], dtype=object), len(each))
    elif kind == "created after exposure" and len(each):
        picked = rng.integers(0, len(unborn[0]), len(each))
        # Each a millisecond earlier than the last: two lines can never be the same exposure.
        fields[1], fields[2] = _text(unborn[0][picked]), _text(unborn[1][picked] - HOUR // 60 - each)


def _write_strewn(log: BinaryIO, rng: np.random.Generator, table: pa.Table, lines: list[str]) -> None:
    """Write the table as TSV in a few pieces, the lines in random order between them."""
    strewn = np.array_split(rng.permutation(np.array(lines, dtype=object)), _PIECES)
    cuts = np.linspace(0, table.num_rows, _PIECES + 1).astype(int)
    for first, last, between in zip(cuts[:-1], cuts[1:], strewn, strict=True):
        buffer = pa.BufferOutputStream()
        csv.write_csv(table.slice(first, last - first), buffer, _CSV)
        log.write(buffer.getvalue())
        log.write("".join(f"{line}\n" for line in between).encode())
