"""What became of the rows of a dataset's files: how each was read, the funnels, and the rows that were set aside."""

from pathlib import Path

import streamlit as st

from dssm_core.dataset import Dataset
from dssm_core.manifest import checked, holds
from dssm_core.workspace import Workspace
from lab import data_figures, frame, set_aside_rows, words

_ROWS = "set_aside.parquet"
_PAGE_ROWS = 200
_TIMES = {"exposures": "expo_time", "articles": "ctime"}
"""The column of times of a table."""


def show(workspace: Workspace, dataset: Dataset) -> None:
    """Draw the report of a dataset."""
    st.subheader("How it was read")
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
    told = [f"Read as {', and as '.join(kinds)}."] if kinds else []
    if table == "exposures" and files.get("history"):
        told.append(f"Clicks from before it: {words.read_as(files['history'][0])}.")
    unit = report.get("times", {}).get(_TIMES.get(table))
    return " ".join([*told, f"{_TIMES[table]}: {unit}."] if unit else told)


def _show_table(report: dict, table: str, counts: dict) -> None:
    if counts["rows_in"] == counts["accepted"]:
        st.text(f"{data_figures.says_read(counts, table)}.")
    else:
        frame.chart(data_figures.funnel(counts, table), f"read-{table}")
    if told := says_how(report, table):
        st.caption(words.as_markdown(told))


def _show_rows(path: Path, total: int, dataset: Dataset) -> None:
    """The rows themselves, a page at a time: a big log sets millions aside."""
    with st.expander(f"The {words.counted(total, 'row')} set aside, of all tables"):
        pages = -(-total // _PAGE_ROWS)
        page = st.number_input(f"Page, of {pages:,}", 1, pages, 1, key=f"page {dataset.id}") if pages > 1 else 1
        shown = set_aside_rows.rows(path, (page - 1) * _PAGE_ROWS, _PAGE_ROWS)
        if not has_parts(dataset.report):
            shown = shown.drop(columns="file", errors="ignore")
        frame.table(shown, f"set-aside-{dataset.id}", height=min(400, 38 + 35 * len(shown)))
        st.download_button(
            "Download them all as CSV",
            # made only when it is asked for
            lambda: _as_csv(path.parent),
            "set-aside.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        if set_aside_rows.is_capped(path):
            st.caption(
                words.as_markdown(
                    f"The CSV holds the first {set_aside_rows.MOST_ROWS:,} rows at most, up to "
                    f"{set_aside_rows.MOST_BYTES >> 20} MB: a spreadsheet takes no more. All of them are in {path}"
                )
            )


def _as_csv(folder: Path) -> bytes:
    with checked(folder, _ROWS) as path:
        return set_aside_rows.as_csv(path)
