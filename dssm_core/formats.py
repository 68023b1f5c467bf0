"""Every format of input that the lab reads, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dssm_core.canonical import InputTable
from dssm_core.errors import unknown_name
from dssm_core.format_generic import open_generic
from dssm_core.format_yidian import open_yidian
from dssm_core.input_files import TextOptions


@dataclass(frozen=True)
class Format:
    """How each table of a format is read.

    `open_table(path, table, mapping, options)` opens a file as "exposures", "users" or "articles". `timezone` is the
    one that days are cut in unless another is named. `mapped`: takes a column mapping, a click rule and a separator.
    `time_unit`: the unit of its times; None: told by their size. `strict_ctime`: an article whose ctime is no integer
    is a shifted row. `probabilities`: user columns that hold probabilities such as `female:0.36,male:0.64`: the most
    probable is taken.
    """

    summary: str
    open_table: Callable[[Path, str, Mapping[str, str], TextOptions], InputTable]
    timezone: str
    mapped: bool
    time_unit: str | None = None
    strict_ctime: bool = False
    probabilities: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "yidian": Format(
        "the Yidian news logs: tab-separated, columns by their place, times in milliseconds",
        open_yidian,
        timezone="Asia/Shanghai",
        mapped=False,
        time_unit="milliseconds",
        strict_ctime=True,
        probabilities=("age", "gender"),
    ),
    "generic": Format(
        "CSV, TSV or Parquet, any columns, with a column mapping and a click rule",
        open_generic,
        timezone="UTC",
        mapped=True,
    ),
}
"""Every format that ingest reads, by the name that the user sees."""


def find_format(name: str) -> Format:
    """The format of a name; a UserError lists the known ones."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]
