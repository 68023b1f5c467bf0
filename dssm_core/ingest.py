"""Brings a log, and user and article profiles where there are any, into the workspace as a dataset."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dssm_core.dataset import Dataset, Exposures
from dssm_core.errors import UserError
from dssm_core.exposure_log import ExposureLog
from dssm_core.ingest_plan import Plan, make_plan
from dssm_core.input_files import BY_LOOKING, TextOptions
from dssm_core.meter import Meter, Progress
from dssm_core.profiles import Profiles
from dssm_core.set_aside import SetAside
from dssm_core.split import local_days
from dssm_core.stored_files import written
from dssm_core.workspace import Workspace, new_id, save_dataset


def ingest(
    workspace: Workspace,
    format: str,
    exposures: Path | str,
    users: Path | str | None = None,
    articles: Path | str | None = None,
    test_exposures: Path | str | None = None,
    history: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    click: str | None = None,
    timezone: str | None = None,
    text: TextOptions = BY_LOOKING,
    name: str = "",
    progress: Progress | None = None,
) -> dict:
    """Read, clean and store a dataset; return its report (report.json), with its id under "dataset".

    `format` is one of `FORMATS`. `mapping` gives the file's column for canonical columns of any table (`user_id`) or of
    one (`users.user_id`), "" to leave a column out; `click` is a rule such as `rating>=4` (formats that take them).
    `test_exposures` is a second log: its rows get the split "test", the first's "train". `history` holds clicks from
    before the log, which are train (formats that take it). A log of a public data set may be the folder that its
    archive unpacks to: the other tables are found in it. `timezone` (default: the format's) cuts the days and places
    date-times that name no zone. `text` says what is not to be told by looking at the text files.
    Raises a UserError for input that makes no dataset. Whatever goes wrong, no half-made dataset stays behind.
    """
    files = {
        "exposures": (exposures, test_exposures),
        "history": (history,),
        "users": (users,),
        "articles": (articles,),
    }
    plan = make_plan(format, files, mapping or {}, click, timezone, text)
    dataset_id = new_id()
    with workspace.whole_dataset_folder(dataset_id) as folder:
        with written(folder / "set_aside.parquet") as beside, SetAside(beside) as set_aside:
            dataset = _read(plan, dataset_id, name or Path(exposures).name, set_aside, Meter(plan.files, progress))
        save_dataset(folder, dataset)
    return dataset.report


def _read(plan: Plan, dataset_id: str, name: str, set_aside: SetAside, meter: Meter) -> Dataset:
    articles = Profiles("articles", "article_id", plan, set_aside)
    users = Profiles("users", "user_id", plan, set_aside)
    for profiles in (articles, users):
        for table in plan.tables[profiles.table]:
            profiles.read(table, meter)
    counts = {profiles.table: set_aside.report(profiles.table, len(profiles.ids) - 1) for profiles in (users, articles)}

    log = ExposureLog(plan, users.ids, articles, set_aside)
    for number, table in enumerate(plan.clicks):
        log.read(number, table, meter)
    exposures = log.exposures()
    counts["exposures"] = set_aside.report("exposures", len(exposures))
    _check_clicks(plan, exposures, counts["exposures"])
    report = {
        "dataset": dataset_id,
        **counts.pop("exposures"),
        "users": len(users.ids) - 1,
        "articles": len(articles.ids) - 1,
        "clicks": int(exposures.click.sum()),
        **_times_report(exposures, log.units, plan.timezone),
        "tables": counts,
        "files": plan.facts,
    }
    return Dataset(
        dataset_id, name, plan.format_name, plan.timezone, exposures, users.frame(), articles.frame(), report
    )


def _check_clicks(plan: Plan, exposures: Exposures, counts: dict) -> None:
    path = plan.logs[0].file.path
    if not counts["rows_in"]:
        raise UserError(f"{path} holds no rows: expected at least one exposure")
    if not counts["accepted"]:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in counts["set_aside"].items())
        raise UserError(f"every row of {path} was set aside ({reasons}): check its columns and the format")
    if not exposures.click.any():
        what = "the click rule holds of no row" if plan.rule else "no row is a click"
        raise UserError(f"{path} has {len(exposures)} exposures but {what}: nothing can be learned without clicks")


def _times_report(exposures: Exposures, units: list[str], timezone: str) -> dict:
    if exposures.time is None:
        return {"days": None, "time_unit": None, "first_time": None, "last_time": None}
    return {
        "days": len(np.unique(local_days(exposures.time, timezone))),
        "time_unit": ", ".join(dict.fromkeys(units)),
        "first_time": int(exposures.time.min()),
        "last_time": int(exposures.time.max()),
    }
