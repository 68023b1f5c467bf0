"""Texts as an enemy would put them into a log, and a workspace that is full of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dssm_core.config import Config, flatten
from dssm_core.dataset import Dataset
from dssm_core.manifest import write_manifest
from dssm_core.pipeline import carry_out
from dssm_core.runs import describe_run, open_run, write_status
from dssm_core.split import make_split
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace
from tests.conftest import HOUR, MONDAY, make_dataset
from tests.datasets import write_dataset

SCRIPTS = (
    "<script>window.__pwned=1</script>mk{i}",
    "<img src=x onerror=window.__pwned=1>mk{i}",
    'mk{i}"><svg onload=window.__pwned=1>',
    "mk{i}'-window.__pwned=1-'",
    "</script><script>window.__pwned=1</script>mk{i}",
    "&lt;img src=x onerror=window.__pwned=1&gt;mk{i}",
    "&#60;script&#62;window.__pwned=1&#60;/script&#62;mk{i}",
    "<iframe srcdoc='<script>parent.__pwned=1</script>'></iframe>mk{i}",
    "[mk{i}](javascript:window.__pwned=1)",
    '<a href="javascript:window.__pwned=1">mk{i}</a>',
    "$\\href{javascript:window.__pwned=1}{mk{i}}$",
    "<math><mtext></mtext><style><img src=x onerror=window.__pwned=1></style></math>mk{i}",
)
CALLS = (
    "![mk{i}](http://evil.example/{i}.png)",
    "<img src=http://evil.example/{i}.png>mk{i}",
    "[mk{i}](http://evil.example/{i})",
    "<a href='http://evil.example/{i}'>mk{i}</a>",
    "<iframe src=http://evil.example/{i}></iframe>mk{i}",
    "<style>@import url(http://evil.example/{i}.css)</style>mk{i}",
    "<span style='background:url(http://evil.example/{i}.png)'>mk{i}</span>",
    "<base href=http://evil.example/>mk{i}",
    "<meta http-equiv=refresh content='0;url=http://evil.example/{i}'>mk{i}",
    "mk{i} http://evil.example/{i}",
    "mk{i} www.evil.example/{i}",
    "mk{i}@evil.example",
    "<http://evil.example/{i}> mk{i}",
    '=HYPERLINK("http://evil.example/{i}","mk{i}")',
)
MARKUP = (
    "<b>mk{i}</b>",
    "<i>mk{i}</i>",
    "<sub>mk{i}</sub>",
    "mk{i}<br>mk{i}",
    "**mk{i}**",
    "_mk{i}_",
    "`mk{i}`",
    "~~mk{i}~~",
    "# mk{i}",
    "- mk{i}",
    "1. mk{i}",
    "> mk{i}",
    "$mk{i}$",
    "$$mk{i}$$",
    ":red[mk{i}]",
    ":red-background[mk{i}]",
    ":material/skull: mk{i}",
    ":smile: mk{i}",
    ":small[mk{i}] :streamlit:",
    "| mk{i} | b |\n|---|---|\n| c | d |",
    "%{{fullData.name}} %{{x}} mk{i}",
    "{{{{7*7}}}} mk{i}",
    "mk{i} \\",
    "&amp;&copy;&#8658; mk{i}",
)
STRANGE = (
    "\u202egnp.mk{i}",
    "\u2067mk{i}\u2066",
    "mk\u200b{i}\u200d\ufeff",
    "مرحبا mk{i} بالعالم",
    "m\u0336\u0489\u0301" + "\u0301" * 40 + "k{i}",
    "mk{i}" + "W" * 400,
    "mk{i}\n\n\tmk{i}",
    "../../../../etc/passwd mk{i}",
    "..\\..\\mk{i}\\CON",
    "2024",
    "1e5",
    "nan",
    "title",
    "hit",
    "\u0000mk{i} b",
    "🏴\u200d☠️ mk{i}",
)
ALL = (*SCRIPTS, *CALLS, *MARKUP, *STRANGE)


def texts(rng: np.random.Generator, n: int) -> list[str]:
    """`n` hostile texts, no two alike; each but the shortest has a word of its own, mk and its number."""
    order = [int(one) for _ in range(-(-n // len(ALL))) for one in rng.permutation(len(ALL))][:n]
    made = [ALL[kind].replace("{i}", str(i)).replace("{{", "{").replace("}}", "}") for i, kind in enumerate(order)]
    return [text if made.count(text) == 1 else f"{text} mk{i}" for i, text in enumerate(made)]


DATASET = "20260101-000000-aaaaaa"
TRAINED, BESIDE, FAILED = "20260101-000001-bbbbbb", "20260101-000002-cccccc", "20260101-000003-dddddd"


def workspace(home: Path, some: list[str]) -> Workspace:
    """A workspace whose ids, titles, attributes, names and messages are all of `some` texts.

    It has a dataset, the baselines' runs, two runs that look trained, with made-up vectors, and one that failed.
    """
    space = Workspace(home, bundled=None)
    report = {"rows_in": 99 + len(some), "accepted": 99, "set_aside": {"bad time": len(some)}}
    dataset = replace(_dataset(some), id=DATASET, name=some[0], report=report)
    with space.whole_dataset_folder(DATASET) as folder:
        rows = {"table": "exposures", "line": range(len(some)), "reason": "bad time", "text": some}
        pd.DataFrame(rows).to_parquet(folder / "set_aside.parquet")
        write_dataset(folder, dataset)
    config = Config(model="popular", split={"train_days": 2}, eval={"k": [5, 20], "bootstrap": 100})
    describe_run(space.new_run_folder("popular-first"), DATASET, config, some[1], "popular")
    carry_out(space, open_run(space, "popular-first"), lambda event: None)
    pool = make_split(dataset, config.split, config.pool).pool
    _seem_trained(home, TRAINED, config, some[2], dataset, pool)
    _seem_trained(home, BESIDE, config, some[3], dataset, pool)
    describe_run(space.new_run_folder(FAILED), DATASET, config, some[4], "popular")
    write_status(home / "runs" / FAILED, "failed", " ".join(some))
    (home / "runs" / FAILED / "log.txt").write_text("\n".join(some), encoding="utf-8")
    return space


def _dataset(some: list[str]) -> Dataset:
    rng, marked = np.random.default_rng(0), [text for text in some if "mk" in text]
    articles = {
        text if turn == 0 else f"{text} {turn}": {
            "ctime": MONDAY - HOUR,
            "title": some[place - 1],
            "cate": some[place % 8],
            marked[-1]: some[place % 3],
        }
        for turn in range(2)
        for place, text in enumerate(some)
    }
    users = {text: {"city": some[place % 5], marked[-2]: some[place % 4]} for place, text in enumerate(some)}
    user_ids, article_ids = list(users), list(articles)
    n = 60 * len(some)
    picked = zip(rng.integers(0, len(user_ids), n), rng.integers(0, len(article_ids), n), strict=True)
    times = np.sort(rng.integers(0, 4 * 24 * HOUR, n)) + MONDAY
    rows = [
        (user_ids[user], article_ids[article], int(time), int(click))
        for (user, article), time, click in zip(picked, times, rng.random(n) < 0.5, strict=True)
    ]
    return make_dataset(rows, articles, users)


def _seem_trained(home: Path, run_id: str, config: Config, name: str, dataset: Dataset, pool: np.ndarray) -> None:
    """A copy of the baseline's run with vectors, under the model's and a hostile name."""
    folder, rng = home / "runs" / run_id, np.random.default_rng(len(name))
    shutil.copytree(home / "runs" / "popular-first", folder)
    described = read_json(folder / "config.json")
    trained = flatten(config.model_copy(update={"model": "two_tower", "seed": len(name)}))
    write_json(folder / "config.json", {**described, "name": name, "preset": "in_batch", "config": trained})
    for side, rows in (("users", np.arange(len(dataset.users))), ("articles", pool)):
        vectors = rng.normal(size=(len(rows), 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.savez(folder / f"{side}.npz", rows=rows.astype(np.int32), vectors=vectors)
    metrics = read_json(folder / "metrics.json")
    metrics["facts"] |= {"temperature": 0.1, "field_weights": {"users": {name: 0.5, "id": 0.4}, "articles": {name: 1}}}
    write_json(folder / "metrics.json", metrics)
    for epoch in (1, 2):
        event = {"type": "epoch", "epoch": epoch, "epochs": 2, "loss": 1, "validation_loss": 1, "negative": 0.1}
        with (folder / "events.jsonl").open("a") as file:
            file.write(json.dumps(event | {"false_negatives": 0.01, "validation_recall@50": 0.1}) + "\n")
    write_manifest(folder)
