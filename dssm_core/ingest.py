"""Brings a log, and user and article profiles where there are any, into the workspace as a dataset."""

import mmap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from dssm_core import local_ingest
from dssm_core.errors import UserError
from dssm_core.exposure_counts import ExposureCounts
from dssm_core.ingest_plan import Plan, make_plan
from dssm_core.input_files import BY_LOOKING, TextOptions
from dssm_core.meter import Meter, Progress
from dssm_core.profiles import read_profiles
from dssm_core.ray_cluster import check_engine
from dssm_core.set_aside import SetAside
from dssm_core.stored_files import as_label, written
from dssm_core.times import TimeColumn
from dssm_core.workspace import Workspace, finish_dataset, new_id

_MOST_MAPPED = 32 << 20
"""Bytes of the largest piece of memory by which glibc still learns what to keep."""


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
    texts: Mapping[str, TextOptions] | None = None,
    name: str = "",
    progress: Progress | None = None,
    engine: str = "local",
    address: str | None = None,
) -> dict:
    """Read, clean and store a dataset; return its report (report.json), with its id under "dataset".

    `format` is one of `FORMATS`. A log (`exposures`, `test_exposures`) may be in parts, all of the same columns: a
    folder, or a pattern such as `logs/part-*.csv`; they are read in the order of their names. `mapping` gives the
    file's column for canonical columns of any table (`user_id`) or of one (`users.user_id`), "" to leave a column out;
    `click` is a rule such as `rating>=4` (formats that take them). `test_exposures` is a second log: its rows get the
    split "test", the first's "train". `history` holds clicks from before the log, which are train (formats that take
    it). A log of a public data set may be the folder that its archive unpacks to: the other tables are found in it.
    `timezone` (default: the format's) cuts the days and places date-times that name no zone. `text` says what is not to
    be told by looking at the text files, `texts` the same of single tables' files. `engine` "ray" has the parts of the
    log read by the Ray cluster at `address` (see `ray_cluster.connected`), whose machines must share the log and the
    workspace as folders of the same paths; the dataset is the same.
    Raises a UserError for input that makes no dataset. Whatever goes wrong, no half-made dataset stays behind.
    """
    check_engine(engine, address)
    if engine == "ray":
        # workers are in folders of their own
        exposures, test_exposures, history = (
            path and Path(path).absolute() for path in (exposures, test_exposures, history)
        )
    files = {
        "exposures": (exposures, test_exposures),
        "history": (history,),
        "users": (users,),
        "articles": (articles,),
    }
    told = {table: (texts or {}).get(table, text) for table in files}
    plan = make_plan(format, files, mapping or {}, click, timezone, told)
    _keep_freed_memory()
    meter = Meter(plan, progress)
    dataset_id = new_id()
    with workspace.whole_dataset_folder(dataset_id) as folder:
        with written(folder / "set_aside.parquet") as beside, SetAside(beside) as set_aside:
            profiles = {table: read_profiles(table, plan, set_aside, meter) for table in ("articles", "users")}
            tables = {table: set_aside.report(table, read.n) for table, read in profiles.items()}
            times = plan.time_columns()
            kept = _engine(engine, address)(folder, plan, times, profiles, set_aside, meter)
            _check_clicks(plan, kept, set_aside)
            counts = set_aside.report("exposures", kept.rows)
        ids = {table: read.n for table, read in profiles.items()}
        report = {
            "dataset": dataset_id,
            **counts,
            **ids,
            "clicks": kept.clicks,
            **_report_times(kept, times, profiles["articles"].times),
            "tables": tables,
            "files": plan.facts,
        }
        facts = {"name": name or as_label(Path(exposures).name), "format": format, "timezone": plan.timezone}
        whole = {table: read.whole() for table, read in profiles.items()}
        finish_dataset(folder, **whole, report=report, **facts, exposures=kept.rows, clicks=kept.clicks)
        meter.finish()
    return report


def _keep_freed_memory() -> None:
    """Have what every block of a log frees kept for the next one, rather than given back and taken page by page again.

    By freeing a large piece: glibc keeps as much as it has seen come and go (mallopt(3), M_MMAP_THRESHOLD). Elsewhere
    it changes nothing.
    """
    np.empty(_MOST_MAPPED - 2 * mmap.PAGESIZE, np.uint8)


def _engine(engine: str, address: str | None) -> Callable[..., ExposureCounts]:
    """What reads, sorts and writes the exposures."""
    if engine == "local":
        return local_ingest.write_exposures
    from dssm_core import ray_ingest

    return partial(ray_ingest.write_exposures, address)


def _report_times(kept: ExposureCounts, times: list[TimeColumn | None], ctimes: list[TimeColumn]) -> dict:
    columns = {"expo_time": [column for column in times if column], "ctime": ctimes}
    return kept.report([column.unit for column in columns["expo_time"]]) | {"times": _told(columns)}


def _told(columns: dict[str, list[TimeColumn]]) -> dict[str, str]:
    """How each column of times was read."""
    return {name: "; ".join(dict.fromkeys(column.told() for column in read)) for name, read in columns.items() if read}


def _check_clicks(plan: Plan, kept: ExposureCounts, set_aside: SetAside) -> None:
    path, counts = plan.logs[0].file.path, set_aside.report("exposures", kept.rows)
    if not counts["rows_in"]:
        raise UserError(f"{path} holds no rows: expected at least one exposure")
    if not kept.rows:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in counts["set_aside"].items())
        raise UserError(f"every row of {path} was set aside ({reasons}): check its columns and the format")
    if not kept.clicks:
        what = "the click rule holds of no row" if plan.rule else "no row is a click"
        raise UserError(
            f"{path} has {kept.rows} exposures but {what}: nothing can be learned without clicks; name the column of "
            f"clicks, or a rule that some row meets"
        )
