"""Tables of one user and of one article: pure functions of a dataset and a run's files, which are sorted by user."""

import numpy as np
import pandas as pd

from dssm_core.dataset import NO_TIME, UNKNOWN, Dataset
from dssm_core.inspection import train_clicks_of
from dssm_core.misses import HIT, OUTRANKED, reasons_at
from dssm_core.split import Split
from lab import tables, words
from lab.language import t
from lab.tables import AGES

_SHOWN_CATEGORIES = 8


def of_user(table: pd.DataFrame, user: int) -> pd.DataFrame:
    """The rows of a user in a table that is sorted by user, such as recall.parquet."""
    users = table["user"].to_numpy()
    # of the same type: searchsorted copies the whole column otherwise
    return table.iloc[slice(*np.searchsorted(users, np.array([user, user + 1], users.dtype)))]


def profile(dataset: Dataset, user: int) -> dict[str, str]:
    """A user's known attributes."""
    row = dataset.users.iloc[user]
    return {name: str(row[name]) for name in dataset.user_attributes if row[name] not in ("", UNKNOWN)}


def history(dataset: Dataset, split: Split, user: int) -> pd.DataFrame:
    """A user's train clicks, latest first: columns time, title, category, age (when clicked), article."""
    rows = train_clicks_of(dataset, split, user)
    times = dataset.exposures.time[rows] if dataset.exposures.time is not None else np.zeros(len(rows), np.int64)
    order = np.argsort(-times, kind="stable")
    rows, times = rows[order], times[order]
    table = tables.articles(dataset, dataset.exposures.article[rows])
    table["time"] = [words.day_time(int(time), dataset.timezone) for time in times]
    table = tables.with_age(table, dataset, dataset.exposures.article[rows], times)
    return tables.ordered(table, "time", "title", "category", *AGES, "article")


def timeline(dataset: Dataset, split: Split, held_out: pd.DataFrame, user: int, k: int) -> pd.DataFrame:
    """A user's clicks on the axis of time: columns time (the dataset's clock), title, category, what.

    `held_out`: the user's held-out clicks. `what` is train, hit or missed (in lists of `k`). Of the categories those
    with most of the clicks are kept, and the rest is "other". Empty for a log without times.
    """
    columns = ["time", "title", "category", "what"]
    if dataset.exposures.time is None:
        return pd.DataFrame(columns=columns)
    rows = train_clicks_of(dataset, split, user)
    article = np.concatenate([dataset.exposures.article[rows], held_out["article"]]).astype(np.int64)
    what = np.where(reasons_at(held_out, k) == HIT, "hit", "missed")
    table = tables.articles(dataset, article)
    table["what"] = np.concatenate([np.full(len(rows), "train"), what])
    times = pd.to_datetime(np.concatenate([dataset.exposures.time[rows], held_out["time"]]), unit="ms", utc=True)
    table["time"] = times.tz_convert(dataset.timezone).tz_localize(None)
    if "category" not in table:
        return table.assign(category="")[columns]
    frequent = table["category"].value_counts().index[:_SHOWN_CATEGORIES]
    return table.assign(category=table["category"].where(table["category"].isin(frequent), t("other")))[columns]


def recall_list(
    dataset: Dataset,
    split: Split,
    recall: pd.DataFrame,
    k: int,
    score: str = "score",
    clicks: np.ndarray | None = None,
) -> pd.DataFrame:
    """A user's K recalled articles: columns rank, hit, title, category, age (at the cutoff), clicks, `score`, article.

    `recall`: the user's rows. `clicks`: of every article in train; left out without them.
    """
    mine = recall[recall["rank"] <= k]
    rows = mine["article"].to_numpy()
    table = tables.articles(dataset, rows)
    table.insert(0, "rank", mine["rank"].to_numpy())
    table.insert(1, "hit", mine["hit"].to_numpy())
    table[score] = mine["score"].to_numpy()
    if clicks is not None:
        table[CLICKS] = clicks[rows]
    table = tables.with_age(table, dataset, rows, np.full(len(rows), split.cutoff or NO_TIME))
    return tables.ordered(table, "rank", "hit", "title", "category", *AGES, CLICKS, score, "article")


CLICKS = "train clicks"
"""The column of how often articles were clicked in train."""
DRAWN = "as negative"
"""The column of how often training took an article as a negative for the user."""


def held_out_list(
    dataset: Dataset, held_out: pd.DataFrame, recall: pd.DataFrame, k: int, score: str = "score"
) -> pd.DataFrame:
    """A user's held-out clicks: columns hit (in the first K), rank, reason, drawn, title, category, why, time, age,
    article.

    What the table is opened for stands first: the rest may lie beyond a narrow screen's edge. `held_out`, `recall`: the
    user's rows. `rank` is the place in the recall list; past its end, the exact rank; missing for articles that do not
    qualify. `why` is the reason in words. `DRAWN` is there where the run counted it. `score`: what scores are called.
    """
    mine = held_out.sort_values(["time", "article"])
    last = recall[recall["rank"] == k]
    table = tables.articles(dataset, mine["article"].to_numpy())
    reasons = reasons_at(mine, k)
    table.insert(0, "hit", reasons == HIT)
    table.insert(1, "rank", ranks(mine))
    beaten_by = tables.articles(dataset, last["article"].to_numpy())["title"]
    table["reason"] = [t(reason) for reason in reasons]
    table["why"] = [
        why(reason, row.score, k, score, *(zip(last["score"], beaten_by, strict=True)))
        for reason, row in zip(reasons, mine.itertuples(), strict=True)
    ]
    if "drawn" in mine:
        table[DRAWN] = mine["drawn"].to_numpy()
    table["time"] = [words.day_time(int(time), dataset.timezone) for time in mine["time"]]
    table = tables.with_age(table, dataset, mine["article"].to_numpy(), mine["time"].to_numpy())
    return tables.ordered(table, "hit", "rank", "reason", DRAWN, "title", "category", "why", "time", *AGES, "article")


def ranks(held_out: pd.DataFrame) -> np.ndarray:
    """The place in the list, which also settles ties; past its end the exact rank; missing where it has none."""
    place = held_out["list_rank"].where(held_out["list_rank"] > 0, held_out["exact_rank"])
    return place.astype("Int64").replace(0, pd.NA).to_numpy()


def why(reason: str, own: float, k: int, score: str, last: tuple[float, str] | None = None) -> str:
    """A click's reason in words; an outranked one with its score beside that of the article at rank `k`."""
    if reason == OUTRANKED and last and not np.isnan(own):
        told = {"score": t(score), "own": own, "k": k, "other": last[0], "title": last[1]}
        return t("{score} {own:.3g}; rank {k} has {other:.3g}: {title}", **told)
    return t(words.REASONS[reason])


def moved(dataset: Dataset, one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str], k: int) -> pd.DataFrame:
    """One user's held-out clicks under two runs: columns title, "rank in" each, moved, change, article.

    `one`, `other`: the user's rows of both. `moved` is above 0 where the second run ranks the click higher; `change` is
    INTO, OUT_OF or "".
    """
    both = one.merge(other, on=["user", "article"], suffixes=("_one", "_other"))
    table = tables.articles(dataset, both["article"].to_numpy())
    sides = []
    for side, name in zip(("_one", "_other"), names, strict=True):
        mine = both[["list_rank" + side, "exact_rank" + side]].set_axis(["list_rank", "exact_rank"], axis=1)
        table[rank_in(name)] = ranks(mine)
        sides.append(((mine["list_rank"] > 0) & (mine["list_rank"] <= k)).to_numpy())
    first, second = (pd.array(table[rank_in(name)], dtype="Int64") for name in names)
    table["moved"] = first - second
    table["change"] = np.select([sides[1] & ~sides[0], sides[0] & ~sides[1]], [INTO, OUT_OF], "")
    return table[["title", *map(rank_in, names), "moved", "change", "article"]]


INTO, OUT_OF = "into the list", "out of the list"
"""What a second run may change about a click."""
BOTH = "both"
"""Who recalls what two runs agree on."""


def rank_in(name: str) -> str:
    """The heading of the ranks of a run that stands beside another."""
    return t("rank in {run}", run=name)


def both_lists(
    dataset: Dataset, one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str], k: int
) -> pd.DataFrame:
    """What either of two runs recalls for a user: columns hit, title, category, "rank in" each, in, article.

    `one`, `other`: the user's rows of recall.parquet of both. `in` says who recalls it; those of both come first.
    """
    sides = [table.loc[table["rank"] <= k, ["article", "rank", "hit"]] for table in (one, other)]
    union = sides[0].merge(sides[1], on="article", how="outer", suffixes=("_one", "_other"))
    table = tables.articles(dataset, union["article"].to_numpy())
    first, second = (union[f"rank_{side}"].astype("Int64") for side in ("one", "other"))
    headings = [rank_in(name) for name in names]
    table[headings[0]], table[headings[1]] = first, second
    table["in"] = np.select([first.notna() & second.notna(), first.notna()], [BOTH, names[0]], names[1])
    table["hit"] = (union["hit_one"].fillna(False).astype(bool) | union["hit_other"].fillna(False)).to_numpy(bool)
    order = np.lexsort((union[["rank_one", "rank_other"]].min(axis=1), table["in"] != BOTH))
    return tables.ordered(table.iloc[order], "hit", "title", "category", *headings, "in", "article")


def neighbours(dataset: Dataset, rows: np.ndarray, cosines: np.ndarray) -> pd.DataFrame:
    """Articles near another: columns title, category, cosine, article."""
    table = tables.articles(dataset, rows).assign(cosine=cosines)
    return tables.ordered(table, "title", "category", "cosine", "article")


def readers(dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
    """Users who clicked an article: columns user_id, then their attributes as "user …", missing where not known."""
    table = dataset.users.iloc[rows].reset_index(drop=True)
    table.columns = [name if name == "user_id" else t("user {attribute}", attribute=name) for name in table]
    return table.mask(table.isin(["", UNKNOWN]))


def list_places(recall: pd.DataFrame, article: int) -> np.ndarray:
    """The ranks of an article in the recall lists that hold it: (n,) int32."""
    return recall["rank"].to_numpy()[recall["article"].to_numpy() == article]
