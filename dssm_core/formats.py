"""Every format of input that the lab reads, by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dssm_core import format_ebnerd, format_mind, format_movielens
from dssm_core.archive_folder import Layout
from dssm_core.canonical import InputTable
from dssm_core.errors import unknown_name
from dssm_core.format_ebnerd import open_ebnerd
from dssm_core.format_generic import open_generic
from dssm_core.format_mind import open_mind
from dssm_core.format_movielens import open_movielens
from dssm_core.format_yidian import open_yidian
from dssm_core.input_files import TextOptions
from dssm_core.times import DATE_TIMES, US_DATE_TIMES


@dataclass(frozen=True)
class Format:
    """How each table of a format is read.

    `open_table(path, table, mapping, options)` opens a file as one of `tables`, those that the format has files of;
    "history" are clicks from before the log. `timezone` is the one that days are cut in unless another is named.
    `mapped`: takes a column mapping, a click rule and a separator. `click`: the rule unless another is given.
    `time_unit`: the unit of its times; None: told by their size. `strict_ctime`: an article whose ctime is no integer
    is a shifted row. `probabilities`: user columns that hold probabilities such as `female:0.36,male:0.64`: the most
    probable is taken. `folders`: where the tables lie in the folders that its archives unpack to. `told_by_logs` gives
    the other tables that the open logs tell, by name, for those without a file of their own.
    """

    summary: str
    open_table: Callable[[Path, str, Mapping[str, str], TextOptions], InputTable]
    timezone: str
    mapped: bool
    time_unit: str | None = None
    strict_ctime: bool = False
    probabilities: tuple[str, ...] = ()
    click: str | None = None
    tables: tuple[str, ...] = ("exposures", "users", "articles")
    folders: tuple[Layout, ...] = ()
    told_by_logs: Callable[[Sequence[InputTable]], dict[str, InputTable]] = lambda logs: {}

    @property
    def takes_rule(self) -> bool:
        """Whether a click rule may be given."""
        return self.mapped or self.click is not None


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
    "mind": Format(
        "MIND, Microsoft's news data set: behaviors.tsv and news.tsv, or their folder; its history is train",
        open_mind,
        timezone="UTC",
        mapped=False,
        time_unit=US_DATE_TIMES,
        tables=("exposures", "articles"),
        folders=format_mind.FOLDERS,
        told_by_logs=format_mind.history_told_by,
    ),
    "ebnerd": Format(
        "EB-NeRD, Ekstra Bladet's news data set: behaviors.parquet, history.parquet, articles.parquet, or their folder",
        open_ebnerd,
        timezone="Europe/Copenhagen",
        mapped=False,
        time_unit=DATE_TIMES,
        tables=("exposures", "history", "articles"),
        folders=format_ebnerd.FOLDERS,
        told_by_logs=format_ebnerd.users_told_by,
    ),
    "movielens": Format(
        "MovieLens: ratings, movies and users as .dat, u. files or CSV, or their folder; a rating of 4 or 5 is a click",
        open_movielens,
        timezone="UTC",
        mapped=False,
        time_unit="seconds",
        click="rating>=4",
        folders=format_movielens.FOLDERS,
    ),
}
"""Every format that ingest reads, by the name that the user sees."""


def find_format(name: str) -> Format:
    """The format of a name; a UserError lists the known ones."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]
