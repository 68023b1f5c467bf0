"""What every page starts with, and how every page shows a chart, an error and a run's state."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dssm_core.errors import UserError
from dssm_core.runs import Run, RunState
from dssm_core.workspace import Workspace, new_id
from lab import access, address, at_work, language, loading, own_words, tables, undo, words
from lab.complaint import complain
from lab.glossary import explain_within
from lab.language import t

_ASSETS = Path(__file__).parent.parent / "assets"
_PAGES = (
    ("app.py", "Overview", ":material/home:"),
    ("pages/learn.py", "Learn", ":material/school:"),
    ("pages/data.py", "Data", ":material/table_rows:"),
    ("pages/sampling.py", "Sampling lab", ":material/casino:"),
    ("pages/train.py", "Train", ":material/model_training:"),
    ("pages/users.py", "Users", ":material/person_search:"),
    ("pages/compare.py", "Compare", ":material/balance:"),
    ("pages/index.py", "Index", ":material/speed:"),
    ("pages/map.py", "Map", ":material/scatter_plot:"),
)

_HIT_COLOUR = "background-color: rgba(31, 158, 119, 0.2)"


def _columns() -> dict[str, object]:
    """How the columns that all pages share are shown, by the name that tables have for them."""
    column = st.column_config
    return {
        "hit": column.TextColumn(
            t("hit"), width=45, alignment="center", help=t("✓: a held-out click that is in the recall list")
        ),
        "rank": column.NumberColumn(
            t("rank"),
            width=60,
            format="localized",
            help=t("Place in the recall list; past its end, the exact rank in the pool"),
        ),
        "cosine": column.NumberColumn(
            t("cosine"),
            format="%.3f",
            width=70,
            help=explain_within(t("Cosine of the user's and the article's vector"), "two-tower model"),
        ),
        "score": column.NumberColumn(t("score"), width=80, format="%.4g", help=t("What this baseline sorts by")),
        "title": column.TextColumn(t("title"), width=330, help=t("The article's title, or its id where it has none")),
        "category": column.TextColumn(t("category"), width=80),
        "article": column.TextColumn(t("article"), width=100, help=t("The article's id")),
        "train clicks": column.NumberColumn(
            t("train clicks"), width=90, format="localized", help=t("How often the article was clicked in train")
        ),
        "as negative": column.NumberColumn(
            t("as negative"),
            width=90,
            format="localized",
            help=explain_within(
                t("How often training took it as a negative for this user"), "negative", "false negative"
            ),
        ),
        "moved": column.NumberColumn(
            t("moved"), width=80, format="%+d", help=t("By how many ranks: above 0, the second run ranks it higher")
        ),
        "time": column.TextColumn(t("time"), width=130),
        "reason": column.TextColumn(
            t("reason"),
            width=110,
            help=explain_within(t("The first of the reasons that holds of the click"), "outranked", "cold article"),
        ),
        "why": column.TextColumn(
            t("why"), width=330, help=t("What the reason means; of an outranked click, both scores")
        ),
        **{
            name: column.NumberColumn(
                t(name),
                width=80,
                format="%.0f" if name == "age (h)" else "%.1f",
                help=t("How old the article was at that time; below 0: it was created later"),
            )
            for name in tables.AGES
        },
    }


def start(title: str) -> Workspace:
    """Set the page up (tab title, wordmark, menu, language) and return the workspace it reads.

    Stops whoever may not see it. `title`: of the page, in English.
    """
    address.come_to(title)
    language.settle(address.take(language.KEY))
    st.set_page_config(f"{t(title)} · recall lab", str(_ASSETS / "favicon.svg"), layout="wide")
    own_words.tell()
    st.logo(str(_ASSETS / "logo.svg"), size="large", icon_image=str(_ASSETS / "favicon.svg"))
    access.let_in()
    with plain_errors():
        workspace = Workspace()
    with st.sidebar:
        for page, label, icon in _PAGES:
            st.page_link(page, label=t(label), icon=icon)
        st.space("small")
        language.switch()
        kept = words.as_markdown(workspace.shown)
        st.caption(t("Your datasets and runs are kept in {folder}", folder=kept))
        with plain_errors():
            at_work.show(workspace, title)
    undo.offer(workspace)
    return workspace


def finished_runs(workspace: Workspace, wanted: Sequence[str] = ()) -> list[Run]:
    """The runs that are whole, in the order of `loading.all_runs`. Says why a `wanted` id is not among them, and which
    runs are damaged, with a link to where more is told of them."""
    listed = loading.all_runs(workspace)
    finished = [run for run in listed if run.finished]
    for sentence, run in loading.left_out(workspace, listed, finished, wanted):
        st.info(words.as_markdown(sentence), icon=":material/info:")
        if run:
            look = t("Its reason, log and what to do, on Train")
            st.page_link("pages/train.py", label=look, icon=":material/model_training:", query_params={"run": run})
    return finished


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show a user's mistake as its one sentence and stop the page there."""
    try:
        yield
    except UserError as error:
        complain(error)
        st.stop()


def command(text: str, key: str) -> None:
    """Offer the shell line that does what stands beside it (see `dssm_core.commands`), to be copied.

    `key`: no two alike on a page, and another one for another thing, so that it does not stay open on the next.
    """
    with st.popover(t("Command line"), icon=":material/terminal:", key=f"command {key}"):
        st.caption(t("The same from a shell, in the folder of the lab and its Python environment:"))
        # not as bash: the colours of its words are too faint on the light theme
        st.code(text, language=None, wrap_lines=True)


def start_button(label: str, disabled: bool = False) -> bool:
    """A button that starts something under the id of `next_id`, and whether it was pressed; `label` is in English.

    It is another button once that id is used up, so that the second press of a double click comes to nothing: it is
    either one of a button that is gone, or a start under the same id.
    """
    return st.button(
        t(label), key=f"{label} {next_id(label)}", type="primary", icon=":material/play_arrow:", disabled=disabled
    )


def next_id(label: str) -> str:
    """The id of what the button of that label starts next."""
    return st.session_state.setdefault(f"next id {label}", new_id())


def forget_next_id(label: str) -> None:
    """The id is used up: what is started next is something new."""
    del st.session_state[f"next id {label}"]


def chart(figure: go.Figure, key: str, width: int | str = "stretch") -> None:
    """Show a figure; its zoom is kept while the page is redrawn, and the camera saves it under its key's name."""
    figure.update_layout(uirevision=key)
    settings = {
        "displaylogo": False,
        # a text between dollar signs is no formula
        "typesetMath": False,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"filename": key, "format": "png", "scale": 2},
    }
    st.plotly_chart(figure, width=width, key=key, config=settings)


def table(
    rows: pd.DataFrame,
    key: str,
    height: int | str = "auto",
    choose: Callable[[int], None] | None = None,
    **columns: object,
) -> None:
    """Show a table, hits marked. Columns are told by the names that all pages share, or by a config in `columns`.

    `choose`: called with the place of a row when a person selects it.
    """
    if "hit" in rows:
        ticked = rows.assign(hit=np.where(rows["hit"], "✓", ""))
        rows = ticked.style.apply(_mark_hit, axis=1)
    settings = {"hide_index": True, "height": height, "placeholder": "–", "column_config": _columns() | columns}
    if choose is None:
        st.dataframe(rows, key=key, **settings)
        return

    def chosen() -> None:
        places = st.session_state[key]["selection"]["rows"]
        if places:
            choose(places[0])

    st.dataframe(rows, key=key, on_select=chosen, selection_mode="single-row", **settings)


def right_aligned(names: Iterable[str]) -> dict[str, object]:
    """The configs of columns whose texts are numbers."""
    return {name: st.column_config.TextColumn(name, alignment="right") for name in names}


def all_rows(rows: Sized, most: int = 12) -> int:
    """The height (pixels) of a table that shows all its rows, or `most` of them and a part of the next."""
    return 38 + 35 * len(rows) if len(rows) <= most else 38 + 35 * most + 17


def _mark_hit(row: pd.Series) -> list[str]:
    return [_HIT_COLOUR if row["hit"] else ""] * len(row)


def state_badge(state: RunState) -> None:
    """A run's state as a coloured badge."""
    text, colour, icon = words.STATES[state.state]
    st.badge(t(text), icon=icon, color=colour)


def empty(message: str, *links: tuple[str, str, str]) -> None:
    """A friendly empty state: what is missing, and (page, label, icon) links to where it can be had."""
    with st.container(border=True):
        st.markdown(message)
        with st.container(horizontal=True):
            for page, label, icon in links:
                st.page_link(page, label=label, icon=icon)
