"""Numbers, times and reasons in plain words, and log text made harmless where Markdown or HTML is read."""

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from dssm_core.free_memory import in_words
from dssm_core.runs import Run
from lab.language import chosen, t

STATES = {
    "queued": ("waiting its turn", "gray", ":material/hourglass_empty:"),
    "running": ("running", "blue", ":material/play_circle:"),
    "cancelling": ("stopping", "gray", ":material/stop_circle:"),
    "finished": ("finished", "green", ":material/check_circle:"),
    "failed": ("failed", "red", ":material/error:"),
    "cancelled": ("cancelled", "gray", ":material/cancel:"),
    "interrupted": ("interrupted", "orange", ":material/power_off:"),
    "damaged": ("damaged", "red", ":material/broken_image:"),
}
"""A run's state → (English words, badge colour, icon)."""

REASONS = {
    "hit": "in the list",
    "not in pool": "not in the candidate pool: too old, created too late, or never shown in train",
    "removed as seen": "taken out: the user had clicked it in train",
    "lost by the index": "near enough, but the index did not find it",
    "cold article": "the article was never shown in train",
    "cold user": "the user has no click in train",
    "outranked": "other articles scored higher",
}
"""Why a held-out click is or is not in the recall list, in English words for people."""

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
"""What columns are separated by, in words."""


def read_as(facts: Mapping) -> str:
    """How a file was read, from what a report says of it: "UTF-8 text, separated by comma, with a header"."""
    if facts["kind"] == "Parquet":
        return "Parquet"
    named = SEPARATORS.get(facts["separator"])
    separator = t(named) if named else repr(facts["separator"])
    told = {"encoding": facts["encoding"].upper(), "separator": separator}
    if facts["header"]:
        return t("{encoding} text, separated by {separator}, with a header", **told)
    return t("{encoding} text, separated by {separator}, without a header", **told)


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal; "n/a" where undefined."""
    return "n/a" if value is None or pd.isna(value) else f"{value:.1%}"


def share(part: int, whole: int) -> str:
    """A part of a whole as a percentage, with the decimals that keep some from reading as none, and not all as all."""
    if not whole:
        return "n/a"
    texts = [f"{part / whole:.{decimals}%}" for decimals in (1, 2, 3)]
    told = (text for text in texts if part in (0, whole) or float(text[:-1]) not in (0, 100))
    return next(told, t("under {share}", share="0.001%") if part < whole / 2 else t("over {share}", share="99.999%"))


def distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, no two alike and none empty, as a table that is shown needs them."""
    taken: Counter[str] = Counter()
    shown = []
    for name in names:
        taken[name] += 1
        shown.append(f"{name} ({taken[name]})".strip() if taken[name] > 1 or not name else name)
    return shown


def interval(metric: dict) -> str:
    """A metric and its 95 % interval: "21.3% (20.1–22.4)"."""
    if pd.isna(metric.get("value")):
        return "n/a"
    if pd.isna(metric.get("low")):
        return percent(metric["value"])
    return f"{metric['value']:.1%} ({100 * metric['low']:.1f}–{100 * metric['high']:.1f})"


def fine_interval(value: float, low: float, high: float) -> str:
    """A share that may be small, with its 95 % interval and as many decimals as that needs: "0.05% (0.02–0.08)"."""
    if pd.isna(value):
        return "n/a"
    largest = value if pd.isna(high) else high
    decimals = 1 if largest >= 0.01 else 2 if largest >= 0.001 else 3
    value, low, high = (f"{100 * share:.{decimals}f}" if share else "0" for share in (value, low, high))
    return f"{value}%" if low == "nan" else f"{value}% ({low}–{high})"


def day_time(milliseconds: int, timezone: str) -> str:
    """An instant on the clock of the dataset's time zone, to the minute; "" for the unknown time 0."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """Seconds as "40 s", "3 min 20 s" or "2 h 05 min"."""
    if seconds is None:
        return "n/a"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return t("{hours} h {minutes:02} min", hours=minutes // 60, minutes=minutes % 60)
    return (
        t("{minutes} min {seconds:02} s", minutes=minutes, seconds=rest) if minutes else t("{seconds} s", seconds=rest)
    )


def memory(needed: float, free: float) -> str:
    """What a run needs of the memory that is free: "About 1.2 GB of the 14.0 GB of memory that are free"."""
    told = {"needed": in_words(needed), "free": in_words(free)}
    if needed > free:
        return t("Needs about {needed} of memory, and only {free} are free", **told)
    return t("About {needed} of the {free} of memory that are free", **told)


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 run", "1,200 runs". The table of texts has the row "{number:,} runs"."""
    if number == 1 and chosen() == "en":
        return f"1 {noun}"
    return t(f"{{number:,}} {noun}s", number=number)


def run_label(run: Run) -> str:
    """What a run is called where one stands alone: its name, else its preset, and when it was started."""
    return f"{run_name(run)} · {t('bundled') if run.bundled else started(run)}"


def run_labels(runs: list[Run], manifests: list[dict]) -> dict[str, str]:
    """The label of each run by its id, with its dataset's name where there is more than one dataset."""
    if len({run.dataset for run in runs}) == 1:
        return _told_apart({run.id: run_label(run) for run in runs})
    names = dataset_names(manifests)
    label = {run.id: run_name(run) if run.bundled else run_label(run) for run in runs}
    return _told_apart({run.id: f"{label[run.id]} · {names.get(run.dataset, t('a deleted dataset'))}" for run in runs})


def started(run: Run) -> str:
    """When a run was made, on this machine's clock."""
    return t("{when:%d %b %H:%M}", when=datetime.fromtimestamp(run.created))


def run_name(run: Run) -> str:
    """A run's own name, else its preset, else its model."""
    return run.name or run.preset or run.model


def score_name(run: Run) -> str:
    """What the scores of a run's recall lists are: cosines of trained vectors, or whatever a baseline sorts by."""
    return "cosine" if run.model == "two_tower" else "score"


def run_names(runs: list[Run]) -> dict[str, str]:
    """A short name per run id, no two alike: where names repeat, when it was started is added, then part of its id."""
    names = {run.id: run_name(run) for run in runs}
    for added in (lambda run: t("bundled") if run.bundled else started(run), lambda run: run.id[-4:]):
        taken = Counter(names.values())
        names = {
            run.id: f"{names[run.id]} ({added(run)})" if taken[names[run.id]] > 1 else names[run.id] for run in runs
        }
    return names


def group_names(groups: dict[str, list[Run]]) -> dict[str, str]:
    """A name per group of runs that differ by their seed alone, no two alike: the run's own, or what all share."""
    names = run_names([runs[0] for runs in groups.values()])
    shared = {
        group: f"{runs[0].preset or runs[0].model} · {counted(len(runs), 'seed')}" for group, runs in groups.items()
    }
    return _told_apart({group: shared[group] if len(runs) > 1 else names[group] for group, runs in groups.items()})


def dataset_names(manifests: list[dict]) -> dict[str, str]:
    """A name per dataset id, no two alike: where names repeat, when it was made is added."""
    names = [manifest["name"] or manifest["id"] for manifest in manifests]
    made = [t("{when:%d %b %H:%M:%S}", when=datetime.fromtimestamp(manifest["created"])) for manifest in manifests]
    return _told_apart(
        {
            manifest["id"]: (t("bundled: ") if manifest["bundled"] else "")
            + (name if names.count(name) == 1 else f"{name} ({when})")
            for manifest, name, when in zip(manifests, names, made, strict=True)
        }
    )


def _told_apart(labels: dict[str, str]) -> dict[str, str]:
    """The labels with the id behind those that are alike: a choice goes by its label, and would take the first."""
    times = Counter(labels.values())
    return {id: label if times[label] == 1 else f"{label} · {id}" for id, label in labels.items()}


def as_html(text: str) -> str:
    """Text for a Plotly label or hover, which would read tags in it.

    A hover of nothing but a formula, $…$, breaks Plotly: a word joiner (U+2060) makes it none.
    """
    return html.escape(_undirected(text), quote=False).replace("$", "\u2060$")


def as_markdown(text: str) -> str:
    """Text for a label, caption or error of Streamlit, which would read Markdown in it.

    Streamlit looks for addresses, icons and arrows once the escapes are gone: word joiners (U+2060), which nobody sees,
    keep it from finding any.
    """
    escaped = re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", re.sub(r"\s+", " ", _undirected(text)))
    return re.sub(r"(?<=[:@])(?=\S)|(?<=www)(?=\\\.)|(?<=[<>~-])(?=\\?[-=>])", "\u2060", escaped, flags=re.IGNORECASE)


def _undirected(text: str) -> str:
    """The text without the marks that turn the direction of all that follows it, ours too."""
    return re.sub("[\u202a-\u202e\u2066-\u2069]", "", text)
