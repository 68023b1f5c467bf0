"""What became of the rows of a dataset's files: how each was read, the funnels, and the rows that were set aside."""

import re
from pathlib import Path

import streamlit as st

from dssm_core.dataset import Dataset
from dssm_core.manifest import checked, holds
from dssm_core.workspace import Workspace
from lab import data_figures, download, frame, set_aside_rows, words
from lab.language import t, told

_ROWS = "set_aside.parquet"
_PAGE_ROWS = 200
_TIMES = {"exposures": "expo_time", "articles": "ctime"}
"""The column of times of a table."""
_IN_ZONE = re.compile(r"(?P<kind>(US )?date-times)(, (?P<some>[0-9,]+) of (?P<all>[0-9,]+) .*)? in (?P<zone>\S+)")
"""How `dssm_core.times` says that date-times were read in a zone."""


def show(workspace: Workspace, dataset: Dataset) -> None:
    """Draw the report of a dataset."""
    st.subheader(t("How it was read"))
    tables = table_counts(dataset.report)
    _show_table(dataset.report, "exposures", tables.pop("exposures"))
    for column, (table, counts) in zip(st.columns(2), tables.items(), strict=False):
        with column:
            _show_table(dataset.report, table, counts)
    folder = workspace.dataset_folder(dataset.id)
    if holds(folder, _ROWS):
        with checked(folder, _ROWS) as path:
            total = set_aside_rows.count(path)
        if total:
            _show_rows(path, total, dataset)


def table_counts(report: dict) -> dict[str, dict]:
    """{"rows_in", "accepted", "set_aside"} of each table that had rows, exposures first."""
    tables = {"exposures": report, **report.get("tables", {})}
    return {table: counts for table, counts in tables.items() if counts.get("rows_in")}


def has_parts(report: dict) -> bool:
    """Whether the exposures are from more than one file, so that a line's number does not tell where it is."""
    files = report.get("files", {})
    return len([*files.get("exposures", []), *files.get("history", [])]) > 1


def says_how(report: dict, table: str) -> str:
    """How the files of a table and its times were read; "" where the report does not say, as those of old do not."""
    files = report.get("files", {})
    kinds = dict.fromkeys(words.read_as(facts) for facts in files.get(table, []))
    says = [t("Read as {how}.", how="; ".join(kinds))] if kinds else []
    if table == "exposures" and files.get("history"):
        says.append(t("Clicks from before it: {how}.", how=words.read_as(files["history"][0])))
    if unit := report.get("times", {}).get(_TIMES.get(table)):
        in_units = "; ".join(_says_unit(part) for part in unit.split("; "))
        says.append(t("{column}: {units}.", column=_TIMES[table], units=in_units))
    return " ".join(says)


def _says_unit(part: str) -> str:
    """A part of what a report says of times, in the language of the session."""
    match = _IN_ZONE.fullmatch(part)
    if match is None:
        return told(part)
    says = {"kind": t(match["kind"]), "zone": match["zone"]}
    if match["some"]:
        return t(
            "{kind}, {some} of {all} without a zone: those in {zone}", some=match["some"], all=match["all"], **says
        )
    return t("{kind} in {zone}", **says)


def _show_table(report: dict, table: str, counts: dict) -> None:
    if counts["rows_in"] == counts["accepted"]:
        st.text(t("{sentence}.", sentence=data_figures.says_read(counts, table)))
    else:
        frame.chart(data_figures.funnel(counts, table), f"read-{table}")
    if how := says_how(report, table):
        st.caption(words.as_markdown(how))


def _show_rows(path: Path, total: int, dataset: Dataset) -> None:
    """The rows themselves, a page at a time: a big log sets millions aside."""
    label = t("The {rows} set aside, of all tables", rows=words.counted(total, "row"))
    with st.expander(label, key="set_aside", bind="query-params"):
        shown = set_aside_rows.rows(path, (_page(total, dataset) - 1) * _PAGE_ROWS, _PAGE_ROWS)
        if not has_parts(dataset.report):
            shown = shown.drop(columns="file", errors="ignore")
        for column in ("table", "reason"):
            shown[column] = [t(text) for text in shown[column]]
        frame.table(shown, f"set-aside-{dataset.id}", height=min(400, 38 + 35 * len(shown)), **_columns())
        download.button(t("Download them all as CSV"), lambda: _as_csv(path.parent), "set-aside.csv", "text/csv")
        if set_aside_rows.is_capped(path):
            st.caption(
                words.as_markdown(
                    t(
                        "The CSV holds the first {most:,} rows at most, up to {size} MB: a spreadsheet takes no more. "
                        "All of them are in {path}",
                        most=set_aside_rows.MOST_ROWS,
                        size=set_aside_rows.MOST_BYTES >> 20,
                        path=path,
                    )
                )
            )


def _page(total: int, dataset: Dataset) -> int:
    """Which page of the rows is shown, from 1."""
    pages = -(-total // _PAGE_ROWS)
    if pages == 1:
        return 1
    return st.number_input(t("Page, of {pages:,}", pages=pages), 1, pages, 1, key=f"page {dataset.id}")


def _columns() -> dict[str, object]:
    """How the table of rows is shown."""
    column = st.column_config
    return {
        "table": column.TextColumn(t("table"), width=90),
        "file": column.TextColumn(t("file"), width=140),
        "line": column.NumberColumn(
            t("line"), width=80, format="localized", help=t("In its file, the first being 1; of Parquet the row")
        ),
        "reason": column.TextColumn(
            t("reason"),
            width=150,
            help=t("The first of the reasons that holds of the row"),
        ),
        "text": column.TextColumn(t("text"), width="large", help=t("The row as it stands in the file")),
    }


def _as_csv(folder: Path) -> bytes:
    with checked(folder, _ROWS) as path:
        return set_aside_rows.as_csv(path)
