"""Dirty logs of the public data sets, ingested whole: the rows are those that a plain, slow reader finds in them."""

import datetime
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
from tests.campaigns.size import cases
from tests.format_samples import us_text

START = datetime.datetime(2019, 11, 9, 22)
_NO_DATASET = r"nothing can be learned without clicks|every row of|tab-separated columns, expected 5"
LABELS = ("-0", "-0", "-1")


class Found:
    """What a slow reader finds: exposures by (user, article, time) with whether they were clicked, and the rest."""

    def __init__(self):
        self.accepted: dict[tuple, bool] = {}
        self.set_aside: Counter = Counter()
        self._texts: dict[tuple, str] = {}

    def row(self, user, article, time, click, text):
        """Take one row; `time` and `click` are None where they cannot be read."""
        reasons = ((not user or not article, "missing id"), (time is None, "bad time"), (click is None, "bad click"))
        reason = next((reason for bad, reason in reasons if bad), None)
        if reason:
            self.set_aside[reason, text] += 1
            return
        key = (user, article, time)
        if key in self.accepted and (self.accepted[key] or not click):
            self.set_aside["duplicate", text] += 1
            return
        if key in self.accepted:
            self.set_aside["duplicate", self._texts[key]] += 1
        self.accepted[key], self._texts[key] = click, text


def dirty_mind(folder, rng):
    """A random behaviors.tsv, and what is in it."""
    found, histories, lines = Found(), {}, []
    for number in range(rng.integers(1, 25)):
        user = rng.choice(["U1", "U2", "U3", ""], p=[0.4, 0.3, 0.27, 0.03])
        at = START + datetime.timedelta(seconds=int(rng.integers(0, 5)) * 20_000)
        time = us_text(at) if rng.random() > 0.1 else rng.choice(["", "11/31/2019 1:00:00 AM", "2019-11-09"])
        known = time == us_text(at)
        entries = [f"N{rng.integers(0, 4)}{rng.choice(LABELS)}" for _ in range(rng.integers(0, 5))]
        if rng.random() < 0.3:
            entries = [rng.choice([entry[:-2], entry]) for entry in entries]
        history = [f"N{rng.integers(4, 9)}" for _ in range(rng.integers(0, 4))]
        fields = [str(number), user, time, " ".join(history), " ".join(entries)]
        fields = fields[:3] if rng.random() < 0.1 else fields
        line = "\t".join(fields)
        lines.append(line)
        labelled = [entry[-2:] in LABELS for entry in entries]
        if len(fields) < 5 or not any(labelled):
            reason = "ragged row" if len(fields) < 5 else "no labels" if entries else "empty list"
            found.set_aside[reason, line] += 1
            continue
        if user and known and (user not in histories or at < histories[user][0]):
            histories[user] = (at, history)
        for entry, told in zip(entries, labelled, strict=True):
            text = "\t".join([*fields[:3], entry])
            click = entry.endswith("-1") if told else None
            found.row(user, entry[:-2] if told else entry, at if known else None, click, text)
    for user, (_, history) in histories.items():
        midnight = min(at for at, _ in histories.values()).replace(hour=0, minute=0, second=0)
        for i, article in enumerate(history):
            found.row(user, article, midnight - datetime.timedelta(seconds=len(history) - i), True, "")
    (folder / "behaviors.tsv").write_text("0\tshort\n" + "".join(line + "\n" for line in lines), encoding="utf-8")
    found.set_aside["ragged row", "0\tshort"] += 1
    return "mind", folder, found


def dirty_ebnerd(folder, rng):
    """A random behaviors.parquet and history.parquet, and what is in them."""
    found, rows = Found(), []
    for number in range(rng.integers(1, 25)):
        user = None if rng.random() < 0.05 else int(rng.integers(1, 4))
        at = None if rng.random() < 0.1 else START + datetime.timedelta(seconds=int(rng.integers(0, 5)) * 20_000)
        shown, clicked = (
            None if rng.random() < 0.1 else [int(a) for a in rng.integers(1, 5, rng.integers(0, n))] for n in (5, 3)
        )
        rows.append((number, user, at, shown, clicked))
        head = f"{number}\t{user or ''}\t{f'{at}.000000' if at else ''}"
        shown, clicked = shown or [], clicked or []
        out_of_view = [article for article in clicked if article not in shown]
        if not shown and not clicked:
            found.set_aside["empty list", f"{head}\t\t"] += 1
        for article in [*shown, *out_of_view]:
            click = article in clicked
            found.row(str(user or ""), str(article), at, click, f"{head}\t{article}\t{int(click)}")
    columns = dict(
        zip(("impression_id", "user_id", "impression_time", "inview", "clicked"), zip(*rows, strict=True), strict=True)
    )
    table = {
        "impression_id": pa.array(columns["impression_id"], pa.uint32()),
        "user_id": pa.array(columns["user_id"], pa.uint32()),
        "impression_time": pa.array(columns["impression_time"], pa.timestamp("us")),
        "article_ids_inview": pa.array(columns["inview"], pa.list_(pa.int32())),
        "article_ids_clicked": pa.array(columns["clicked"], pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(table), folder / "behaviors.parquet")
    users, articles, times = [1, 2], [], []
    for user in users:
        clicks = [int(a) for a in rng.integers(5, 8, rng.integers(0, 4))]
        when = [START - datetime.timedelta(hours=int(rng.integers(1, 3))) for _ in clicks]
        kept = when[: len(when) - int(rng.random() < 0.2)]
        articles.append(clicks)
        times.append(kept)
        if len(kept) != len(clicks) or not clicks:
            joined = ["|".join(map(str, clicks)), "|".join(f"{at}.000000" for at in kept)]
            found.set_aside["ragged row" if clicks else "empty list", "\t".join([str(user), *joined])] += 1
            continue
        for article, at in zip(clicks, kept, strict=True):
            found.row(str(user), str(article), at, True, f"{user}\t{article}\t{at}.000000")
    table = {
        "user_id": pa.array(users, pa.uint32()),
        "article_id_fixed": pa.array(articles, pa.list_(pa.int32())),
        "impression_time_fixed": pa.array(times, pa.list_(pa.timestamp("us"))),
    }
    pq.write_table(pa.table(table), folder / "history.parquet")
    return "ebnerd", folder, found


def dirty_movielens(folder, rng):
    """A random ratings.dat, and what is in it."""
    found, lines = Found(), []
    for _ in range(rng.integers(1, 40)):
        user, article = (str(rng.choice(["1", "2", "3", ""], p=[0.4, 0.3, 0.25, 0.05])) for _ in range(2))
        rating = str(rng.choice(["1", "3.5", "4", "5", "x"]))
        at = START + datetime.timedelta(seconds=int(rng.integers(0, 3)))
        seconds = str(int(at.replace(tzinfo=datetime.UTC).timestamp()))
        time = seconds if rng.random() > 0.1 else str(rng.choice(["", "soon"]))
        fields = [user, article, rating, time]
        fields = [*fields, "9"] if rng.random() < 0.1 else fields
        lines.append("::".join(fields))
        if len(fields) > 4:
            found.set_aside["ragged row", lines[-1]] += 1
        else:
            found.row(user, article, at if time == seconds else None, rating in "45", lines[-1])
    (folder / "ratings.dat").write_text("".join(line + "\n" for line in ["1::2::5::1000000000", *lines]))
    found.row("1", "2", datetime.datetime(2001, 9, 9, 1, 46, 40), True, "1::2::5::1000000000")
    return "movielens", folder, found


@pytest.mark.parametrize("make", [dirty_mind, dirty_ebnerd, dirty_movielens])
def test_dirty_logs_give_what_a_slow_reader_finds(make, tmp_path):
    for seed in range(cases(15, 500)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        name, exposures, found = make(folder, np.random.default_rng(seed))
        workspace = Workspace(folder / "home", bundled=None)
        if not any(found.accepted.values()):
            with pytest.raises(UserError, match=_NO_DATASET):
                ingest(workspace, name, exposures)
            continue
        report = ingest(workspace, name, exposures, timezone="UTC")
        where = f"{name}, seed {seed}"
        assert report["rows_in"] == len(found.accepted) + found.set_aside.total(), where
        assert accepted(load_dataset(workspace, report["dataset"])) == found.accepted, where
        assert set_aside(workspace, report["dataset"]) == found.set_aside, where


def accepted(dataset):
    exposures = dataset.exposures
    users, articles = dataset.users["user_id"].to_numpy(), dataset.articles["article_id"].to_numpy()
    times = pd.to_datetime(exposures.time, unit="ms").to_pydatetime()
    keys = zip(users[exposures.user], articles[exposures.article], times, strict=True)
    return dict(zip(keys, exposures.click.tolist(), strict=True))


def set_aside(workspace, dataset_id):
    rows = pd.read_parquet(workspace.dataset_folder(dataset_id) / "set_aside.parquet")
    rows = rows[rows["table"] == "exposures"]
    return Counter(zip(rows["reason"], rows["text"], strict=True))
