"""States every guard against leakage with the number of rows or articles it concerns, counted afresh from the split."""

from dataclasses import dataclass

import numpy as np

from dssm_core.clicks import UserArticles
from dssm_core.dataset import NO_TIME, Dataset
from dssm_core.split import Split


@dataclass(frozen=True)
class Guard:
    """One guard: its name, how many rows or articles it met, and what was guarded, in a sentence."""

    name: str
    count: int
    text: str


def leakage_report(dataset: Dataset, split: Split) -> list[Guard]:
    """All guards that apply to a split. Those whose text says "must be 0" are counted from the rows themselves."""
    return [
        _created_after_exposure(dataset),
        *_around_cutoff(dataset, split),
        *_after_held_out_click(dataset, split),
        *_pool_after_end(dataset, split),
        *_history_in_test(dataset, split),
        _shared_rows(split),
        _repeat_clicks(dataset, split),
        *(
            Guard(f"left out: {reason}", count, "Rows of the log that are neither in train, nor validation, nor test.")
            for reason, count in split.left_out.items()
        ),
    ]


def _created_after_exposure(dataset: Dataset) -> Guard:
    count = dataset.report.get("set_aside", {}).get("created after exposure", 0)
    return Guard(
        "exposures before the article was created",
        count,
        "Rows set aside while cleaning, because the article's creation time lies after its exposure.",
    )


def _around_cutoff(dataset: Dataset, split: Split) -> list[Guard]:
    if split.cutoff is None:
        return []
    guards = []
    if dataset.exposures.time is not None:
        time = dataset.exposures.time
        fitted = np.concatenate([split.train, split.validation])
        guards = [
            Guard(
                "train rows at or after the cutoff",
                int((time[fitted] >= split.cutoff).sum()),
                "Train and validation must end before the test begins: must be 0.",
            ),
            Guard(
                "test rows before the cutoff",
                int((time[split.test] < split.cutoff).sum()),
                "The test must begin at the cutoff: must be 0.",
            ),
        ]
    return [
        *guards,
        Guard(
            "train articles created after the cutoff",
            _created_from(dataset, split.train_pool, split.cutoff),
            "Training must not see an article, as a click or as a negative, that did not exist yet: must be 0.",
        ),
    ]


def _after_held_out_click(dataset: Dataset, split: Split) -> list[Guard]:
    """A split without one cutoff for all, such as leave_last, has one a user."""
    if split.kind != "leave_last":
        return []
    time, user = dataset.exposures.time, dataset.exposures.user
    first_held_out = np.full(len(dataset.users), np.iinfo(np.int64).max)
    np.minimum.at(first_held_out, user[split.test], time[split.test])
    fitted = np.concatenate([split.train, split.validation])
    return [
        Guard(
            "train rows after the user's held-out click",
            int((time[fitted] > first_held_out[user[fitted]]).sum()),
            "What a user did after their first held-out click must not be trained on: must be 0.",
        )
    ]


def _pool_after_end(dataset: Dataset, split: Split) -> list[Guard]:
    if split.end is None:
        return []
    return [
        Guard(
            "pool articles created after the end of the test",
            _created_from(dataset, split.pool, split.end),
            "An article that did not exist by the end of the test must not be recalled: must be 0.",
        )
    ]


def _history_in_test(dataset: Dataset, split: Split) -> list[Guard]:
    history = dataset.exposures.history
    if not history.any():
        return []
    return [
        Guard(
            "clicks of the history held out",
            int(history[np.concatenate([split.validation, split.test])].sum()),
            "What a user clicked before the log is train, and neither validates nor tests: must be 0.",
        )
    ]


def _shared_rows(split: Split) -> Guard:
    parts = np.bincount(np.concatenate([split.train, split.validation, split.test]))
    return Guard(
        "rows in more than one part",
        int((parts > 1).sum()),
        "No exposure may be in two of train, validation and test: must be 0.",
    )


def _repeat_clicks(dataset: Dataset, split: Split) -> Guard:
    exposures = dataset.exposures
    trained, tested = (rows[exposures.click[rows]] for rows in (split.train, split.test))
    clicked = UserArticles.from_pairs(
        exposures.user[trained], exposures.article[trained], len(dataset.users), len(dataset.articles)
    )
    count = int(clicked.contains(exposures.user[tested], exposures.article[tested]).sum())
    return Guard(
        "held-out clicks repeated from train",
        count,
        "Held-out clicks on an article that the same user clicked in train: known already, so it is removed from the "
        "recall list (pool.remove_seen) or an easy hit.",
    )


def _created_from(dataset: Dataset, articles: np.ndarray, instant: int) -> int:
    ctime = dataset.ctime[articles]
    return int(((ctime != NO_TIME) & (ctime >= instant)).sum())
