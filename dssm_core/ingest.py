"""Brings a log, and user and article profiles where there are any, into the workspace as a dataset."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from dssm_core.canonical import CANONICAL, InputTable
from dssm_core.cleaning import (
    REASONS,
    SPLITS,
    ClickRule,
    Verdicts,
    duplicates,
    is_missing,
    most_probable,
    time_unit,
    to_clicks,
    to_creation_times,
    to_optional_integers,
    to_times,
)
from dssm_core.dataset import NO_TIME, UNKNOWN, Dataset, Exposures
from dssm_core.errors import UserError, unknown_name
from dssm_core.format_generic import missing_column
from dssm_core.formats import Format, find_format
from dssm_core.input_files import Batch
from dssm_core.split import local_days
from dssm_core.stored_files import written
from dssm_core.workspace import Workspace, new_id, save_dataset

OPTIONAL_NUMBERS = ("expo_position", "duration", "net_status", "flush_nums")
"""Columns of the log that are kept as whole numbers where they are given."""

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes of all files."""

_MISSING = {("articles", "ctime"): NO_TIME, ("articles", "title"): ""}
"""Columns that are no attributes, with what stands where a row has none; a missing attribute is "unknown"."""
_SET_ASIDE = pa.schema([("table", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())])


def ingest(
    workspace: Workspace,
    format: str,
    exposures: Path | str,
    users: Path | str | None = None,
    articles: Path | str | None = None,
    test_exposures: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    click: str | None = None,
    timezone: str | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> dict:
    """Read, clean and store a dataset; return its report (report.json), with its id under "dataset".

    `format` is one of `FORMATS`. `mapping` gives the file's column for canonical columns of any table, and `click` a
    rule such as `rating>=4` (formats that take them). `test_exposures` is a second log: its rows get the split "test",
    the first's "train". `timezone` (default: the format's) cuts the days and places date-times that name no zone.
    Raises a UserError for input that makes no dataset. Whatever goes wrong, no half-made dataset stays behind.
    """
    plan = _plan(format, exposures, users, articles, test_exposures, mapping or {}, click, timezone)
    dataset_id = new_id()
    with workspace.whole_dataset_folder(dataset_id) as folder:
        with written(folder / "set_aside.parquet") as beside, SetAside(beside) as set_aside:
            dataset = _read(plan, dataset_id, name or Path(exposures).name, set_aside, _Meter(plan.files, progress))
        save_dataset(folder, dataset)
    return dataset.report


@dataclass(frozen=True)
class _Plan:
    """Everything that a person chose, checked: the files are open and their columns found."""

    format_name: str
    format: Format
    timezone: str
    rule: ClickRule | None
    logs: tuple[InputTable, ...]
    users: InputTable | None
    articles: InputTable | None

    @property
    def files(self) -> list[Path]:
        return [table.file.path for table in (*self.logs, self.users, self.articles) if table]


def _plan(
    format_name: str,
    exposures: Path | str,
    users: Path | str | None,
    articles: Path | str | None,
    test_exposures: Path | str | None,
    mapping: Mapping[str, str],
    click: str | None,
    timezone: str | None,
) -> _Plan:
    chosen = find_format(format_name)
    if (mapping or click) and not chosen.mapped:
        raise UserError(f"the {format_name} format has fixed columns: leave out the mapping and rule, or use generic")
    known = set().union(*CANONICAL.values())
    for canonical in mapping:
        if canonical not in known:
            raise unknown_name("canonical column", canonical, known)
    rule = ClickRule.parse(click) if click else None
    opened = {
        table: [chosen.open_table(Path(path), table, mapping) for path in paths if path]
        for table, paths in (("exposures", (exposures, test_exposures)), ("users", [users]), ("articles", [articles]))
    }
    _check_mapping(opened, mapping, rule)
    zone = _checked_timezone(timezone or chosen.timezone)
    users_table, articles_table = (next(iter(opened[table]), None) for table in ("users", "articles"))
    return _Plan(format_name, chosen, zone, rule, tuple(opened["exposures"]), users_table, articles_table)


def _checked_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise UserError(
            f"unknown timezone {timezone!r}: expected a name such as Asia/Shanghai, Europe/Zurich or UTC"
        ) from None
    return timezone


def _check_mapping(opened: dict[str, list[InputTable]], mapping: Mapping[str, str], rule: ClickRule | None) -> None:
    """Every mapped column must be used by some table, every column of the rule be there, and two logs be alike."""
    tables = [table for group in opened.values() for table in group]
    for canonical, column in mapping.items():
        if not any(table.columns.get(canonical) == column for table in tables):
            raise UserError(
                f"no table has a column {column!r} to take as {canonical}: the log has "
                f"{', '.join(map(repr, tables[0].file.names))}; mend the mapping or name the file that has it"
            )
    if rule and "click" in mapping:
        raise UserError("click is both mapped to a column and given by a rule: leave out one of them")
    first, *others = opened["exposures"]
    for log in (first, *others):
        for part in rule.comparisons if rule else ():
            if part.column not in log.file.names:
                raise missing_column(part.column, log.file)
        for column in ("expo_time", "click"):
            if (column in log.columns) != (column in first.columns):
                raise UserError(f"only one of {first.file.path} and {log.file.path} has {column}: both or none must")


class SetAside:
    """The rows that were set aside: counted by table and reason, and written to a Parquet file as they come."""

    def __init__(self, path: Path):
        self.counts: dict[str, Counter] = {table: Counter() for table in CANONICAL}
        self._writer = pa.parquet.ParquetWriter(path, _SET_ASIDE, compression="zstd")

    def __enter__(self) -> "SetAside":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, table: str, reasons: np.ndarray, lines: np.ndarray, texts: pa.Array) -> None:
        """Keep some rows: `reasons` (n,) str, their `lines` (n,) int64 and raw `texts` (n,)."""
        if not len(reasons):
            return
        names, numbers = np.unique(reasons, return_counts=True)
        self.counts[table].update(dict(zip(names.tolist(), numbers.tolist(), strict=True)))
        columns = [pa.repeat(table, len(reasons)), pa.array(lines, pa.int64()), pa.array(reasons.astype(object)), texts]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SET_ASIDE))

    def report(self, table: str, accepted: int) -> dict:
        """The counts of a table as {"rows_in", "accepted", "set_aside": {reason: n}}."""
        counts = {reason: self.counts[table][reason] for reason in REASONS if self.counts[table][reason]}
        return {"rows_in": accepted + sum(counts.values()), "accepted": accepted, "set_aside": counts}


class _Meter:
    """Adds up the bytes read over several files."""

    def __init__(self, files: list[Path], progress: Progress | None):
        self._total = sum(path.stat().st_size for path in files)
        self._before = 0
        self._progress = progress or (lambda done, total: None)

    def batches(self, table: InputTable) -> Iterator[Batch]:
        """The batches of one file, measured."""
        yield from table.file.batches(lambda done: self._progress(self._before + done, self._total))
        self._before += table.file.path.stat().st_size
        self._progress(self._before, self._total)


class Ids:
    """Numbers ids from 1 in the order in which they are first met; 0 is the unknown id ""."""

    def __init__(self):
        self._numbers = {"": 0}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def find(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, 0 where it was never met: (n,) int32."""
        encoded, numbers = ids.dictionary_encode(), self._numbers
        found = [numbers.get(value, 0) for value in encoded.dictionary.to_pylist()]
        return np.array(found, np.int32)[encoded.indices.to_numpy()]

    def number(self, ids: pa.Array) -> np.ndarray:
        """The number of each id, new ones added: (n,) int32."""
        encoded, numbers = ids.dictionary_encode(), self._numbers
        found = [numbers.setdefault(value, len(numbers)) for value in encoded.dictionary.to_pylist()]
        return np.array(found, np.int32)[encoded.indices.to_numpy()]


def _read(plan: _Plan, dataset_id: str, name: str, set_aside: SetAside, meter: _Meter) -> Dataset:
    articles = _Profiles("articles", "article_id", plan, set_aside)
    users = _Profiles("users", "user_id", plan, set_aside)
    for profiles, table in ((articles, plan.articles), (users, plan.users)):
        if table:
            profiles.read(table, meter)
    counts = {profiles.table: set_aside.report(profiles.table, len(profiles.ids) - 1) for profiles in (users, articles)}

    log = _Log(plan, users.ids, articles, set_aside)
    for number, table in enumerate(plan.logs):
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
    }
    return Dataset(
        dataset_id, name, plan.format_name, plan.timezone, exposures, users.frame(), articles.frame(), report
    )


def _check_clicks(plan: _Plan, exposures: Exposures, counts: dict) -> None:
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


class _Profiles:
    """Collects one table of profiles: its ids, in order, and its columns, batch by batch."""

    def __init__(self, table: str, key: str, plan: _Plan, set_aside: SetAside):
        self.table = table
        self.ids = Ids()
        self._key = key
        self._plan = plan
        self._set_aside = set_aside
        self._unit = plan.format.time_unit
        self._columns: dict[str, list[pa.Array]] = {"ctime": []} if table == "articles" else {}
        self._profiled = 1

    def read(self, table: InputTable, meter: _Meter) -> None:
        """Add the profiles of a file."""
        self._columns |= {name: [] for name in table.columns if name != self._key}
        for batch in meter.batches(table):
            self._add_ragged(batch)
            if len(batch.lines):
                self._add(batch, {name: batch.rows.column(column) for name, column in table.columns.items()})
        self._profiled = len(self.ids)

    def ctimes(self) -> np.ndarray:
        """Creation times of the articles with a profile, the unknown one first: (profiles + 1,) int64."""
        known = [chunk.to_numpy() for chunk in self._columns["ctime"]] or [np.zeros(self._profiled - 1, np.int64)]
        return np.concatenate([np.array([NO_TIME]), *known])

    def frame(self) -> pd.DataFrame:
        """The whole table: the unknown row, the profiles, and rows of unknowns for the ids that only the log knows."""
        columns = {self._key: pa.array(list(self.ids), pa.string())}
        for name, chunks in self._columns.items():
            missing = pa.scalar(_MISSING.get((self.table, name), UNKNOWN))
            unprofiled = len(self.ids) - 1 - sum(map(len, chunks))
            columns[name] = pa.chunked_array([pa.repeat(missing, 1), *chunks, pa.repeat(missing, unprofiled)])
        return pa.table(columns).to_pandas()

    def _add_ragged(self, batch: Batch) -> None:
        _add_ragged(self._set_aside, self.table, batch)

    def _add(self, batch: Batch, columns: dict[str, pa.Array]) -> None:
        verdicts = Verdicts(len(batch.lines))
        verdicts.reject(is_missing(columns[self._key]), "missing id")
        if "ctime" in columns and self.table == "articles":
            columns["ctime"] = self._creation_times(columns["ctime"], verdicts)
        kept = np.flatnonzero(verdicts.accepted)
        known = len(self.ids)
        rows = self.ids.number(columns[self._key].take(kept))
        _, first = np.unique(rows, return_index=True)
        repeated = np.ones(len(batch.lines), dtype=bool)
        repeated[kept[first[rows[first] >= known]]] = False
        verdicts.reject(repeated, "duplicate")
        _add_rejected(self._set_aside, self.table, batch, verdicts)
        for name, chunks in self._columns.items():
            if name in columns:
                chunks.append(self._cleaned(name, columns[name].filter(pa.array(verdicts.accepted))))

    def _creation_times(self, texts: pa.Array, verdicts: Verdicts) -> pa.Array:
        self._unit = self._unit or time_unit(texts)
        times, ok = to_creation_times(texts, self._unit, self._plan.timezone, self._plan.format.strict_ctime)
        verdicts.reject(~ok, "bad time")
        return pa.array(times)

    def _cleaned(self, name: str, values: pa.Array) -> pa.Array:
        if (self.table, name) in _MISSING:
            return values
        if name in self._plan.format.probabilities:
            return most_probable(values)
        return pc.if_else(pc.equal(values, ""), UNKNOWN, values)


class _Log:
    """Collects the exposures of one or two files as arrays, batch by batch."""

    def __init__(self, plan: _Plan, users: Ids, articles: _Profiles, set_aside: SetAside):
        self.units: list[str] = []
        self._plan = plan
        self._users, self._articles = users, articles.ids
        self._ctimes = articles.ctimes()
        self._set_aside = set_aside
        self._has_split = len(plan.logs) > 1 or "split" in plan.logs[0].columns
        self._numbers = [name for name in OPTIONAL_NUMBERS if all(name in log.columns for log in plan.logs)]
        self._chunks: dict[str, list[np.ndarray]] = {}

    def read(self, number: int, table: InputTable, meter: _Meter) -> None:
        """Add the rows of a file: the first (0) is the log, or its train rows; the second (1) its test rows."""
        unit = self._plan.format.time_unit
        for batch in meter.batches(table):
            _add_ragged(self._set_aside, "exposures", batch)
            if len(batch.lines):
                columns = {name: batch.rows.column(column) for name, column in table.columns.items()}
                if "expo_time" in columns:
                    unit = unit or time_unit(columns["expo_time"])
                self._add(number, batch, columns, unit)
        if unit and "expo_time" in table.columns:
            self.units.append(unit)

    def _add(self, number: int, batch: Batch, columns: dict[str, pa.Array], unit: str | None) -> None:
        verdicts = Verdicts(len(batch.lines))
        verdicts.reject(is_missing(columns["user_id"]) | is_missing(columns["article_id"]), "missing id")
        values = {"file": np.full(len(batch.lines), number, np.int8), "line": batch.lines}
        if "expo_time" in columns:
            values["time"], ok = to_times(columns["expo_time"], unit, self._plan.timezone)
            verdicts.reject(~ok, "bad time")
        values["click"], ok = self._clicks(batch, columns)
        verdicts.reject(~ok, "bad click")
        if self._has_split:
            values["split"], ok = self._splits(number, columns)
            verdicts.reject(~ok, "bad split")
        if "expo_time" in columns and len(self._ctimes) > 1:
            verdicts.reject(self._too_early(columns["article_id"], values["time"]), "created after exposure")
        values |= {name: to_optional_integers(columns[name]) for name in self._numbers}
        _add_rejected(self._set_aside, "exposures", batch, verdicts)
        self._keep(columns, values, verdicts.accepted)

    def _clicks(self, batch: Batch, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        every = np.ones(len(batch.lines), dtype=bool)
        if self._plan.rule:
            files = {part.column: batch.rows.column(part.column) for part in self._plan.rule.comparisons}
            return self._plan.rule.clicked(files), every
        return to_clicks(columns["click"]) if "click" in columns else (every, every)

    def _splits(self, number: int, columns: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers into `SPLITS`, and whether each row names one of them."""
        if len(self._plan.logs) > 1:
            rows = len(columns["user_id"])
            return np.full(rows, SPLITS.index(("train", "test")[number]), np.int8), np.ones(rows, dtype=bool)
        found = pc.fill_null(pc.index_in(columns["split"], pa.array(SPLITS)), -1).to_numpy()
        return found.astype(np.int8), found >= 0

    def _too_early(self, articles: pa.Array, time: np.ndarray) -> np.ndarray:
        rows = self._articles.find(articles)
        known = rows < len(self._ctimes)
        return self._ctimes[np.where(known, rows, 0)] > time

    def _keep(self, columns: dict[str, pa.Array], values: dict[str, np.ndarray], accepted: np.ndarray) -> None:
        kept = {name: array[accepted] for name, array in values.items()}
        kept["user"] = self._users.number(columns["user_id"].filter(pa.array(accepted)))
        kept["article"] = self._articles.number(columns["article_id"].filter(pa.array(accepted)))
        for name, array in kept.items():
            self._chunks.setdefault(name, []).append(array)

    def exposures(self) -> Exposures:
        """The accepted rows without duplicates, sorted by user, time and place in the input."""
        columns = {name: np.concatenate(self._chunks.pop(name)) for name in list(self._chunks)}
        if not columns:
            return Exposures(*(np.zeros(0, dtype) for dtype in (np.int32, np.int32, np.int64, np.bool_)))
        time = columns.get("time")
        repeated = duplicates(columns["user"], columns["article"], time, columns["click"])
        self._set_duplicates_aside(columns["file"][repeated], columns["line"][repeated])
        del columns["file"], columns["line"]
        kept = np.flatnonzero(~repeated)
        keys = [columns["user"][kept]] if time is None else [time[kept], columns["user"][kept]]
        kept = kept[np.lexsort(keys)]
        columns = {name: columns.pop(name)[kept] for name in list(columns)}
        main = {name: columns.pop(name, None) for name in ("user", "article", "time", "click")}
        if "split" in columns:
            columns["split"] = np.array(SPLITS, dtype=object)[columns["split"]]
        return Exposures(**main, extra=columns)

    def _set_duplicates_aside(self, files: np.ndarray, lines: np.ndarray) -> None:
        """Duplicates are known only once all rows are: their texts are read from the files again."""
        for number, table in enumerate(self._plan.logs):
            wanted = lines[files == number]
            for batch in table.file.batches(lambda done: None) if len(wanted) else ():
                chosen = np.isin(batch.lines, wanted)
                reasons = np.full(int(chosen.sum()), "duplicate")
                self._set_aside.add("exposures", reasons, batch.lines[chosen], batch.texts(chosen))


def _add_ragged(set_aside: SetAside, table: str, batch: Batch) -> None:
    lines, texts = np.array([line for line, _ in batch.ragged], np.int64), [text for _, text in batch.ragged]
    set_aside.add(table, np.full(len(lines), "ragged row"), lines, pa.array(texts, pa.string()))


def _add_rejected(set_aside: SetAside, table: str, batch: Batch, verdicts: Verdicts) -> None:
    rejected = ~verdicts.accepted
    if rejected.any():
        set_aside.add(table, verdicts.reasons, batch.lines[rejected], batch.texts(rejected))
