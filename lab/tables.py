"""Tables that the pages show and the figures draw: pure functions of datasets and runs' files."""

import numpy as np
import pandas as pd

from dssm_core.dataset import NO_TIME, UNKNOWN, Dataset
from dssm_core.inspection import Shares, TrainFacts
from dssm_core.runs import Run
from dssm_core.split import Split
from lab import palette, words
from lab.language import t

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
_HOUR_MS = 3_600_000
_HOURS_READ_AS_DAYS = 96
_HEADLINE_K = 50


def headline_k(run: Run) -> int:
    """The length of the list whose recall is a run's headline: 50, else the longest that it was measured at."""
    lengths = run.config.eval.k
    return _HEADLINE_K if _HEADLINE_K in lengths else max(lengths)


def metric_rows(names: dict[str, str], presets: dict[str, str], metrics: dict[str, dict], metric: str) -> pd.DataFrame:
    """One metric of several runs, best first: columns run (its name), preset, value, low, high.

    All three are keyed by run id: names, presets and the "metrics" part of metrics.json. Runs without it are left out.
    """
    rows = [
        {"id": id, "run": names[id], "preset": presets[id], **metrics[id][metric]}
        for id in names
        if metrics[id].get(metric, {}).get("value") is not None
    ]
    table = pd.DataFrame(rows, columns=["id", "run", "preset", "value", "low", "high"])
    return table.sort_values("value", ascending=False, ignore_index=True)


def days(dataset: Dataset, split: Split) -> pd.DataFrame:
    """Exposures and clicks a day in the dataset's time zone: columns day, part, exposures, clicks.

    `part` is train, validation, test or "left out".
    """
    part = np.zeros(len(dataset.exposures), np.int8)
    for code, rows in enumerate((split.train, split.validation, split.test), start=1):
        part[rows] = code
    local = pd.to_datetime(pd.Series(dataset.exposures.time), unit="ms", utc=True).dt.tz_convert(dataset.timezone)
    table = pd.DataFrame({"day": local.dt.strftime("%Y-%m-%d"), "part": part, "click": dataset.exposures.click})
    counted = table.groupby(["day", "part"], as_index=False).agg(exposures=("click", "size"), clicks=("click", "sum"))
    counted["part"] = counted["part"].map(dict(enumerate(("left out", "train", "validation", "test"))))
    return counted


def popularity(dataset: Dataset) -> pd.DataFrame:
    """Articles by exposures, most exposed first: columns rank (from 1), exposures, clicks; never shown ones left out.

    Past the first hundred, ranks are thinned evenly on the logarithmic axis: a large catalogue draws as fast.
    """
    n = len(dataset.articles)
    exposures = np.bincount(dataset.exposures.article, minlength=n)
    clicks = np.bincount(dataset.exposures.article[dataset.exposures.click], minlength=n)
    order = np.argsort(-exposures, kind="stable")
    order = order[exposures[order] > 0]
    kept = np.unique(np.geomspace(1, max(1, len(order)), 600).astype(int)) - 1 if len(order) else np.array([], int)
    kept = np.union1d(np.arange(min(100, len(order))), kept).astype(int)
    return pd.DataFrame({"rank": kept + 1, "exposures": exposures[order][kept], "clicks": clicks[order][kept]})


def head_share(dataset: Dataset, share: float = 0.1) -> float:
    """The share of all exposures that the most exposed `share` of the shown articles take."""
    counts = np.sort(np.bincount(dataset.exposures.article))[::-1]
    counts = counts[counts > 0]
    return float(counts[: max(1, round(share * len(counts)))].sum() / max(1, counts.sum()))


def best_baseline(table: pd.DataFrame) -> pd.Series | None:
    """The row of the best baseline in a table of `metric_rows`; None without one."""
    baselines = table[table["preset"].isin(palette.BASELINES)]
    return None if baselines.empty else baselines.iloc[0]


def says_history(history: pd.DataFrame) -> str:
    """A sentence without its subject on what a user clicked before; `history` is of `history`."""
    if history.empty:
        return t("clicked nothing in train.")
    clicked = words.counted(len(history), "article")
    if "category" not in history:
        return t("clicked {articles} in train.", articles=clicked)
    most = history.loc[history["category"] != UNKNOWN, "category"].value_counts().head(3)
    categories = ", ".join(f"{name} ({count})" for name, count in most.items())
    return t("clicked {articles} in train, most often {categories}.", articles=clicked, categories=categories)


def configs(differing: pd.DataFrame) -> pd.DataFrame:
    """The knobs in which runs differ, a row a run and a column a knob, from compare.config_differences."""
    return differing.T.rename_axis("run").reset_index()


def own_knobs(table: pd.DataFrame) -> list[str]:
    """What is different about each row of `configs`, in words: the knobs that are not as in most rows."""
    knobs = table.drop(columns="run")
    usual = {key: counts.index[0] for key in knobs if 2 * (counts := knobs[key].value_counts()).iloc[0] > len(knobs)}
    differing = [
        {key: value for key, value in row.items() if value != usual.get(key)} for row in knobs.to_dict("records")
    ]
    return [", ".join(f"{key} = {value}" for key, value in own.items()) or t("as most") for own in differing]


def leaderboard(
    values: pd.DataFrame, differences: pd.DataFrame, names: dict[str, str], presets: dict[str, str], baseline: str
) -> pd.DataFrame:
    """The table people read, best first: each group's value and its difference from the baseline's, with intervals.

    `values` and `differences` are of compare.group_values and compare.group_differences, for one metric. A difference
    whose interval excludes 0 is marked. Columns id, run (name), preset, seeds, value, low, high, covers, difference,
    difference_low, difference_high, difference_covers, verdict.
    """
    apart = differences.set_index("group")[["value", "low", "high", "covers"]]
    apart.columns = ["difference", "difference_low", "difference_high", "difference_covers"]
    table = values.rename(columns={"group": "id"}).join(apart, on="id")
    table.insert(1, "run", table["id"].map(names))
    table.insert(2, "preset", table["id"].map(presets))
    table["verdict"] = [_verdict(row, baseline) for row in table.itertuples()]
    table = table.sort_values("value", ascending=False, ignore_index=True)
    return table.drop(columns=["metric", "users"])


BASELINE = "the baseline"
"""The verdict on the run that the others are compared with."""


def _verdict(row, baseline: str) -> str:
    if row.id == baseline:
        return BASELINE
    if pd.isna(row.difference_low):
        return "n/a"
    if row.difference_low > 0:
        return "▲ better"
    return "▼ worse" if row.difference_high < 0 else "not told apart"


def readable(board: pd.DataFrame, metric: str, baseline: str) -> pd.DataFrame:
    """A leaderboard as texts for people: run, the metric with its interval, the difference in points, the verdict, what
    the interval of the difference covers. Its columns are named in the language of the session."""
    return pd.DataFrame(
        {
            t("run"): board["run"],
            metric: [words.interval(row) for row in board[["value", "low", "high"]].to_dict("records")],
            t("difference from {baseline} (points)", baseline=baseline): [
                "" if pd.isna(row.difference) else _points(row) for row in board.itertuples()
            ],
            t("verdict"): board["verdict"].map(t),
            t("seeds"): board["seeds"],
            t("interval covers"): [t(covers) if covers else "" for covers in board["difference_covers"].fillna("")],
        }
    )


def _points(row) -> str:
    value, low, high = (100 * x for x in (row.difference, row.difference_low, row.difference_high))
    if pd.isna(low):
        return f"{value:+.1f}"
    return t("{value:+.1f} ({low:+.1f} to {high:+.1f})", value=value, low=low, high=high)


def catalogue(names: dict[str, str], metrics: dict[str, dict], wanted: list[str]) -> pd.DataFrame:
    """Metrics of the catalogue, which no single user has: a row a run, a column a metric."""
    values = {name: [_three_digits(metrics[id].get(name, {}).get("value")) for id in names] for name in wanted}
    return pd.DataFrame({t("run"): list(names.values()), **values})


def _three_digits(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3g}"


AGES = ("age (h)", "age (days)")
"""The names of a column of ages, by its unit."""


SHARES = {
    "false negative": (
        "false negatives",
        "The same user clicks it later, in validation or test: training pushes away what should be recalled.",
    ),
    "never exposed": (
        "never exposed",
        "Nobody was shown it in train: easy to tell apart, and new articles are taught to be bad.",
    ),
    "same category": (
        "same category",
        "In the category of the clicked article: the hard ones, which teach more than the topic.",
    ),
    "drawn again": (
        "drawn again",
        "Hit one of the user's own train clicks, so another was drawn. In-batch strategies mask these in training.",
    ),
    "topped up": ("topped up", "The strategy had none left to give for this click, so uniform gave one."),
}
"""What each share of a sample of draws is called, and what it says to people, in English."""
DISTINCT = (
    "distinct articles",
    "How many different articles the draws hold: where they are few, each comes up again and again.",
)
"""The same of the count that stands below the shares."""


def sampling_shares(shares: dict[str, Shares]) -> pd.DataFrame:
    """A row a share and a column a strategy, as texts with 95 % intervals; `SHARES` says what each means. Its texts are
    in the language of the session.

    Shares that no strategy has, such as "same category" in a log without categories, are left out.
    """
    rows = []
    for measure, (label, _) in SHARES.items():
        texts = {name: _unbroken(words.fine_interval(*some.shares[measure])) for name, some in shares.items()}
        if set(texts.values()) != {"n/a"}:
            rows.append({t("share of the negatives"): t(label), **texts})
    distinct = {name: t("{part:,} of {whole:,}", part=some.distinct, whole=some.draws) for name, some in shares.items()}
    rows.append({t("share of the negatives"): t(DISTINCT[0]), **distinct})
    return pd.DataFrame(rows)


def _unbroken(text: str) -> str:
    """An interval that a narrow column does not break at its dash: word joiners (U+2060) hold it together."""
    return text.replace("–", "\u2060–\u2060")


def says_shares(shares: dict[str, Shares]) -> str:
    """What to conclude from the shares of one strategy, or of several beside each other: a sentence or two."""
    if len(shares) == 1:
        return _says_one(*next(iter(shares.items())))
    told = [t("No strategy shown here clearly draws more false negatives than another.")]
    if (ordered := _apart(shares, "false negative")) is not None:
        (fewest, low), (most, high) = ordered
        found = {"most": most, "high": _small(high), "fewest": fewest, "low": _small(low)}
        told = [t("{most} draws the most false negatives, {high}; {fewest} the fewest, {low}.", **found)]
    if (ordered := _apart(shares, "same category")) is not None:
        (easiest, low), (hardest, high) = ordered
        found = {"hardest": hardest, "high": _small(high), "easiest": easiest, "low": _small(low)}
        told.append(
            t("{hardest} draws from the clicked article's category most, {high}; {easiest} least, {low}.", **found)
        )
    return " ".join(told)


def _says_one(name: str, some: Shares) -> str:
    false, never, same = (some.shares[measure][0] for measure in ("false negative", "never exposed", "same category"))
    told = {"strategy": name, "false": _small(false), "never": _small(never)}
    if np.isnan(same):
        return t(
            "Of the negatives of {strategy}, {false} are clicked by their user later and {never} were never exposed.",
            **told,
        )
    return t(
        "Of the negatives of {strategy}, {false} are clicked by their user later and {never} were never exposed; "
        "{same} are in the clicked article's category.",
        **told,
        same=_small(same),
    )


def _apart(shares: dict[str, Shares], measure: str) -> list[tuple[str, float]] | None:
    """The (strategy, share) of the lowest and of the highest, where their intervals do not overlap; else None."""
    known = {name: some.shares[measure] for name, some in shares.items() if not np.isnan(some.shares[measure][0])}
    if not known:
        return None
    lowest, highest = min(known, key=lambda name: known[name][0]), max(known, key=lambda name: known[name][0])
    if not known[highest][1] > known[lowest][2]:
        return None
    return [(lowest, known[lowest][0]), (highest, known[highest][0])]


def _small(share: float) -> str:
    """A share that may be small: "0.05%"."""
    return words.fine_interval(share, np.nan, np.nan)


TO_USER = "to this user"
"""The column that ticks articles which the user was exposed to in train."""


def drawn(dataset: Dataset, facts: TrainFacts, rows: np.ndarray, click: tuple[int, int, int]) -> pd.DataFrame:
    """Articles drawn as negatives for a `click` (user, article, time): columns title, flags, category, age, and more.

    `flags`: what is wrong or hard about each. age is that at the time of the click; exposures and clicks are those of
    train; `TO_USER` says whether this user was shown the article in train.
    """
    user, positive, time = click
    table = articles(dataset, rows)
    table["flags"] = [", ".join(flags) for flags in negative_flags(facts, rows, user, positive)]
    table["exposures"], table["clicks"] = facts.counts.exposures[rows], facts.counts.clicks[rows]
    exposed = facts.counts.exposed.contains(np.full(len(rows), user), rows)
    table[TO_USER] = np.where(exposed, "✓", "")
    table = with_age(table, dataset, rows, np.full(len(rows), time))
    return ordered(table, "title", "flags", "category", *AGES, "exposures", "clicks", TO_USER)


def negative_flags(facts: TrainFacts, rows: np.ndarray, user: int, positive: int) -> list[list[str]]:
    """For each article drawn for a user's click: which of "clicked later", "never exposed", "same category" hold."""
    later = facts.later.contains(np.full(len(rows), user), rows)
    never = facts.counts.exposures[rows] == 0
    category = facts.category if facts.category is not None else np.zeros(len(facts.decile), np.int64)
    same = (category[positive] > 0) & (category[rows] == category[positive])
    named = zip(later, never, same, strict=True)
    return [[flag for flag, holds in zip(FLAGS, which, strict=True) if holds] for which in named]


FLAGS = ("clicked later", "never exposed", "same category")
"""What may be wrong with a negative, or hard about it."""


def field_weights(weights: dict[str, dict[str, float]]) -> pd.DataFrame:
    """The mean gate of every field: columns side ("users" or "articles"), field, weight; each side's largest first."""
    rows = [
        {"side": side, "field": field, "weight": weight}
        for side, fields in weights.items()
        for field, weight in sorted((fields or {}).items(), key=lambda item: -item[1])
    ]
    return pd.DataFrame(rows, columns=["side", "field", "weight"])


def with_age(table: pd.DataFrame, dataset: Dataset, rows: np.ndarray, times: np.ndarray) -> pd.DataFrame:
    """`table` with the age of articles `rows` at `times` (ms), in hours or days, whichever reads better.

    NaN where either time is unknown, below 0 for an article made later. No column where no age is known.
    """
    created = dataset.ctime[rows]
    age = np.where((created > NO_TIME) & (times > NO_TIME), times - created, np.nan) / _HOUR_MS
    if np.isnan(age).all():
        return table
    # adding 0 makes of -0 a plain 0
    if np.nanmedian(np.abs(age)) > _HOURS_READ_AS_DAYS:
        return table.assign(**{AGES[1]: np.round(age / 24, 1) + 0.0})
    return table.assign(**{AGES[0]: np.round(age) + 0.0})


def ordered(table: pd.DataFrame, *order: str) -> pd.DataFrame:
    """The columns of `order` that the table has, in that order."""
    return table[[name for name in order if name in table]]


def articles(dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
    """What is shown of articles: columns title (else the id), article (id) and, where known, category."""
    known = [name for name in ("article_id", "title", "cate") if name in dataset.articles]
    # column by column: taking rows of the whole table would copy all that is not shown
    shown = {name: dataset.articles[name].array.take(rows).to_numpy() for name in known}
    ids = shown["article_id"]
    titles = shown.get("title", np.full(len(rows), ""))
    table = {"title": np.where(titles == "", ids, titles), "article": ids}
    if "cate" in shown:
        table["category"] = shown["cate"]
    return pd.DataFrame(table)


def csv(table: pd.DataFrame, header: bool = True) -> bytes:
    """A table as CSV (UTF-8, marked as such for spreadsheets), with texts that would run as formulas defused.

    Without `header` it continues one that was begun.
    """
    safe = table.copy()
    for column in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        safe[column] = [defused(value) for value in safe[column]]
    safe.columns = [defused(column) for column in safe.columns]
    text = safe.to_csv(index=False, header=header, float_format="%.6g")
    return text.encode("utf-8-sig" if header else "utf-8")


def defused(value: object) -> object:
    """A cell that a spreadsheet will not run: texts that start like a formula get an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def step_losses(events: list[dict], most: int = 2000) -> pd.DataFrame:
    """The loss of every reported step: columns progress (in epochs) and loss, thinned evenly to `most` rows."""
    steps = [event for event in events if event["type"] == "step"]
    table = pd.DataFrame(steps, columns=["step", "steps", "epochs", "loss"])
    table["progress"] = table["step"] / table["steps"] * table["epochs"]
    return table.iloc[:: -(-len(table) // most) or 1][["progress", "loss"]]
