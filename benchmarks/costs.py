"""The cost model: a stage takes so much for each row, user, article and so on, as told by a fit to measured points."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import nnls

from benchmarks.cost_points import EPOCHS, START
from dssm_core.baselines import EASE_ARTICLES

Counts = dict
Quantity = Callable[[Counts], float]

QUANTITIES: dict[str, Quantity] = {
    "job": lambda c: 1,
    "row": lambda c: c["exposures"],
    "user": lambda c: c["users"]["rows"],
    "article": lambda c: c["articles"]["rows"],
    "pool article": lambda c: c["pool"],
    "table row": lambda c: c["users"]["listed"] + c["articles"]["listed"],
    "slot": lambda c: sum(c[side]["rows"] * c[side]["slots"] for side in ("users", "articles")),
    "positive": lambda c: EPOCHS * c["clicks"],
    "validation click × article": lambda c: EPOCHS * c["validation"] * c["train_pool"],
    "tested user": lambda c: c["tested"],
    "tested user × article": lambda c: c["tested"] * c["pool"],
    "tested user × clicked article": lambda c: c["tested"] * c["clicked"],
    "pair of clicks": lambda c: c["co_clicks"],
    "clicked article³": lambda c: float(c["clicked"]) ** 3 * (c["clicked"] <= EASE_ARTICLES),
    "article × √articles": lambda c: c["pool"] ** 1.5,
    "query": lambda c: c["queries"],
    "query × √articles": lambda c: c["queries"] * c["pool"] ** 0.5,
    "query × article": lambda c: c["queries"] * c["pool"],
}
"""What costs are counted in, by the words of the tables."""

_ORDERED = ("job", "row", "pool article", "tested user")
STAGES: dict[str, tuple[str, ...]] = {
    START: ("job",),
    "ingest": ("job", "row", "user", "article"),
    "load": ("row", "user", "article"),
    "split": ("row",),
    "features": ("row", "user", "slot"),
    "negatives": ("row", "user", "article"),
    "libraries": ("job", "table row"),
    "train": ("job", "positive", "validation click × article", "table row"),
    "embed": ("user", "pool article"),
    "index": ("pool article",),
    "random": _ORDERED,
    "popular": _ORDERED,
    "recent_popular": _ORDERED,
    "item_knn": ("job", "pair of clicks", "tested user × clicked article", "pool article"),
    "ease": ("clicked article³",),
    "evaluate": ("job", "tested user", "tested user × article", "pool article"),
    "save": ("job", "tested user"),
}
"""Each stage of a run and what its cost grows with."""
INDEX_STAGES: dict[str, tuple[str, ...]] = {
    "ivf build": ("pool article", "article × √articles"),
    "ivf search": ("query", "query × √articles"),
    "exact search": ("query", "query × article"),
    "ivf-pq build": ("job", "pool article", "article × √articles"),
    "ivf-pq search": ("query", "query × √articles"),
}
"""The same of an index alone."""
MEMORY: dict[str, tuple[str, ...]] = {
    "ingest": ("job", "user", "article"),
    "run": ("job", "row", "tested user", "article"),
}
"""What the most memory of the two processes grows with, in MB."""


def fit(points: list[dict], terms: tuple[str, ...], measured: Callable[[dict], float]) -> dict[str, float]:
    """What each term costs: least squares of the relative errors, none below 0. `points` have counts."""
    values = np.array([measured(point) for point in points])
    quantities = np.array([[QUANTITIES[term](point["counts"]) for term in terms] for point in points], np.float64)
    largest = np.maximum(quantities.max(axis=0), 1e-30)
    weights = 1 / np.maximum(values, 1e-3 * values.max() + 1e-12)
    found, _ = nnls(quantities / largest * weights[:, None], values * weights)
    return dict(zip(terms, (found / largest).tolist(), strict=True))


def foretold(constants: dict[str, float], counts: Counts) -> float:
    """The cost of something of that size."""
    return sum(each * QUANTITIES[term](counts) for term, each in constants.items())


def fitted(points: list[dict], stages: dict[str, tuple[str, ...]], unit: str) -> dict[str, dict[str, float]]:
    """The constants of every stage, in `unit`: seconds, or cpu for processor seconds."""
    return {
        stage: fit(points, terms, lambda point, stage=stage: point["stages"].get(stage, {unit: 0.0})[unit])
        for stage, terms in stages.items()
    }


def most_mb(point: dict, process: str) -> float:
    """The most memory of one of a job's two processes; `ease` is not computed for large catalogues."""
    stages = {stage: taken["mb"] for stage, taken in point["stages"].items() if stage not in (START, "ease")}
    ingest = stages.pop("ingest")
    return ingest if process == "ingest" else max(stages.values())


def model_of(measured: dict) -> dict:
    """Fit what was measured at the small sizes: constants of stages in both units, of indexes, and of memory."""
    jobs, ingests = measured["small"], [*measured["small"], measured["many ids"]]
    stages = {
        unit: fitted(jobs, STAGES, unit) | fitted(ingests, {"ingest": STAGES["ingest"]}, unit)
        for unit in ("seconds", "cpu")
    }
    memory = {
        process: fit(points, MEMORY[process], lambda point, process=process: most_mb(point, process))
        for process, points in {"ingest": ingests, "run": jobs}.items()
    }
    return {**stages, "index": fitted(measured["small indexes"], INDEX_STAGES, "cpu"), "memory": memory}


def compared(measured: dict, model: dict) -> dict:
    """Foretold beside measured at the largest size: each stage's seconds and processor seconds, and the memory."""
    large, index = measured["large"], measured["large index"]
    rows = {
        stage: {
            unit: {"foretold": foretold(model[unit][stage], large["counts"]), "measured": taken}
            for unit, taken in large["stages"].get(stage, {"seconds": 0.0, "cpu": 0.0}).items()
            if unit != "mb"
        }
        for stage in STAGES
    }
    rows["in all"] = {
        unit: {kind: sum(row[unit][kind] for row in rows.values()) for kind in ("foretold", "measured")}
        for unit in ("seconds", "cpu")
    }
    indexes = {
        stage: {"foretold": foretold(constants, index["counts"]), "measured": index["stages"][stage]["cpu"]}
        for stage, constants in model["index"].items()
    }
    memory = {
        process: {"foretold": foretold(constants, large["counts"]), "measured": most_mb(large, process)}
        for process, constants in model["memory"].items()
    }
    return {"stages": rows, "indexes": indexes, "memory": memory, **_long_ingest(measured, model)}


def _long_ingest(measured: dict, model: dict) -> dict:
    """The same of the ingest of a longer log, where one was measured."""
    if "long ingest" not in measured:
        return {}
    counts, taken = measured["long ingest"]["counts"], measured["long ingest"]["stages"]["ingest"]
    constants = {**{unit: model[unit]["ingest"] for unit in ("seconds", "cpu")}, "mb": model["memory"]["ingest"]}
    pairs = {unit: {"foretold": foretold(each, counts), "measured": taken[unit]} for unit, each in constants.items()}
    return {"long ingest": {"rows": counts["exposures"], **pairs}}


def error(pair: dict[str, float]) -> float:
    """By how much of the measured the foretold is off."""
    return pair["foretold"] / pair["measured"] - 1
