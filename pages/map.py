"""Map: a run's articles in two dimensions, a user among them, and what a lasso catches."""

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core.dataset import NO_TIME, UNKNOWN, Dataset
from dssm_core.inspection import train_clicks_of
from dssm_core.projection import MOST_TSNE, PROJECTIONS, Projection, stratified
from dssm_core.runs import Run
from dssm_core.split import Split
from dssm_core.workspace import Workspace
from lab import choices, frame, loading, map_figures, skeleton, tables, user_search, user_tables, words
from lab.glossary import explain_each
from lab.language import t
from lab.map_figures import Drawn

_SIZES = (5000, 20_000, 50_000, 200_000)
_MOST_FOUND = 50
_MOST_LABELS = 8
_DAY_MS = 86_400_000
_COLOURS = ("category", "age", "popularity")
_PROJECTION_NAMES = {"pca": "PCA", "tsne": "t-SNE"}


def main() -> None:
    workspace = frame.start("Map")
    st.title(t("Map"))
    with frame.plain_errors():
        finished = frame.finished_runs(workspace, st.query_params.get_all("run"))
        with skeleton.of(map_figures.HEIGHT, t("Reading the vectors …")):
            trained = loading.with_vectors(finished)
        if not trained:
            frame.empty(
                t("No run with vectors has finished yet, and a baseline has none to draw."),
                ("pages/train.py", t("Train one"), ":material/model_training:"),
            )
            return
        if any(run.id in st.query_params.get_all("run") and run not in trained for run in finished):
            st.info(t("A baseline has no vectors to draw: shown is a trained run."), icon=":material/info:")
        run, name, size = choose_map(workspace, trained)
        with skeleton.of(map_figures.HEIGHT, t("Reading the dataset …")):
            dataset = loading.dataset(workspace, run.dataset)
            split = loading.split(dataset, workspace, run.config)
        with skeleton.of(map_figures.HEIGHT, t("Putting the vectors into two dimensions …")):
            points, projection = shown_articles(workspace, dataset, split, run, name, size)
        with st.container(horizontal=True):
            user_id, k = choose_user(run)
            text = st.text_input(
                t("Search a title"), key="title", bind="query-params", placeholder=t("part of a title"), width=220
            )
        # not in that row: it would wrap there, but only once its script has come
        colour = choose_colour(points)
        user = found_user(dataset, user_id)
        drawn = map_figures.articles(points, colour, len(loading.vectors(run, "articles")[0]), projection.kept)
        recalled = draw_user(drawn, dataset, split, run, projection, user, k)
        found = draw_found(drawn, dataset, run, projection, text)
        show_map(drawn, dataset, workspace, run, recalled)
        show_found(dataset, found, text)


def choose_map(workspace: Workspace, trained: list[Run]) -> tuple[Run, str, int]:
    left, middle, right = st.columns([3, 2, 2])
    chosen = choices.run(workspace, trained, left)
    about = explain_each("PCA", "t-SNE")
    named = _PROJECTION_NAMES.get
    name = choices.segments(
        t("Projection"), list(PROJECTIONS), "projection", "pca", middle, format_func=named, help=about
    )
    sizes = [size for size in _SIZES if name == "pca" or size <= MOST_TSNE]
    usual = sizes[min(1, len(sizes) - 1)]
    about = t("Above 20,000 points hovering tells the category alone; t-SNE takes 5,000 at most")
    size = choices.select(t("Points at most"), sizes, "points", usual, right, format_func="{:,}".format, help=about)
    return chosen, name, size


def shown_articles(
    workspace: Workspace, dataset: Dataset, split: Split, run: Run, name: str, size: int
) -> tuple[pd.DataFrame, Projection]:
    """The points of the map, a row an article, and the projection that they were put through."""
    key = (loading.stamp(run.folder), loading.stamp(workspace.dataset_folder(dataset.id)), name, size)
    return _shown_articles(key, workspace, dataset, split, run)


@st.cache_resource(max_entries=8, show_spinner=False)
def _shown_articles(
    key: tuple, _workspace: Workspace, _dataset: Dataset, _split: Split, _run: Run
) -> tuple[pd.DataFrame, Projection]:
    _, _, name, size = key
    pool, vectors = loading.vectors(_run, "articles")
    places = stratified(_categories(_dataset, pool), size)
    # a linear projection is that of all articles, whichever are shown; the other knows only those
    projection = PROJECTIONS[name](vectors if name == "pca" else vectors[places])
    laid = projection.articles[places] if name == "pca" else projection.articles
    return _told(_dataset, _workspace, _split, _run, pool[places], laid), projection


def _categories(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    if "cate" not in dataset.articles:
        return np.zeros(len(rows), np.int64)
    return pd.factorize(dataset.articles["cate"].to_numpy()[rows])[0]


def _told(
    dataset: Dataset, workspace: Workspace, split: Split, run: Run, rows: np.ndarray, laid: np.ndarray
) -> pd.DataFrame:
    table = tables.articles(dataset, rows)
    if "category" not in table:
        table["category"] = UNKNOWN
    created = dataset.ctime[rows]
    end = split.end or 0
    table["age"] = np.where((created != NO_TIME) & (end > 0), (end - created) / _DAY_MS, np.nan)
    table["clicks"] = loading.readers(dataset, workspace, run.config).clicks()[rows]
    return table.assign(row=rows, x=laid[:, 0], y=laid[:, 1])


def choose_colour(points: pd.DataFrame) -> str:
    """What the points are coloured by, of what the log knows."""
    known = {"category": points["category"].nunique() > 1, "age": points["age"].notna().any(), "popularity": True}
    offered = [name for name in _COLOURS if known[name]]
    return choices.segments(t("Colour"), offered, "colour", format_func=t, width="content")


def choose_user(run: Run) -> tuple[str, int]:
    """The id that was typed, and the length of the list to draw."""
    user_id = st.text_input(
        t("User"), key="user", bind="query-params", placeholder=t("a user's id"), width=200, persist_state="session"
    )
    ks = sorted(run.config.eval.k)
    return user_id.strip(), choices.list_length(ks, width="content")


def found_user(dataset: Dataset, user_id: str) -> int | None:
    """The row of a user; None, and said so, where there is none of that id."""
    user = user_search.row_of(dataset, user_id)
    if user_id and user is None:
        unknown = t("User {user} is not in this dataset.", user=user_id)
        st.info(words.as_markdown(unknown), icon=":material/info:")
    return user


def draw_user(
    drawn: Drawn, dataset: Dataset, split: Split, run: Run, projection: Projection, user: int | None, k: int
) -> np.ndarray:
    """Draw a user's history, recall list and missed clicks, and the user; returns the articles of the list."""
    if user is None:
        return np.zeros(0, np.int64)
    recall, held_out = (user_tables.of_user(table, user) for table in (loading.recall(run), loading.held_out(run)))
    mine = recall[recall["rank"] <= k]
    hits = mine.loc[mine["hit"], "article"].to_numpy()
    missed = np.setdiff1d(held_out["article"].to_numpy(), hits)
    history = np.unique(dataset.exposures.article[train_clicks_of(dataset, split, user)])
    for what, rows in (
        ("clicked in train", history),
        ("recalled", np.setdiff1d(mine["article"].to_numpy(), hits)),
        ("missed", missed),
        ("recalled and clicked", hits),
    ):
        map_figures.mark(drawn, what, placed(dataset, run, projection, rows))
    vector = loading.vectors(run, "users")[1][user]
    here = projection.place(vector[None])[0]
    title = t("user {user}", user=dataset.users["user_id"].iat[user])
    map_figures.mark(drawn, "the user", pd.DataFrame({"x": [here[0]], "y": [here[1]], "title": [title], "row": [-1]}))
    if recall.empty:
        st.caption(t("This run was not evaluated on this user: their recall list is not drawn."))
    return mine["article"].to_numpy()


def placed(dataset: Dataset, run: Run, projection: Projection, rows: np.ndarray) -> pd.DataFrame:
    """Where some articles stand, whether they were sampled or not; those outside the pool have no vector."""
    pool, vectors = loading.vectors(run, "articles")
    rows = rows[np.isin(rows, pool)]
    if not len(rows):
        return pd.DataFrame(columns=["x", "y", "title", "row"])
    spots = projection.place(vectors[np.searchsorted(pool, rows)])
    titles = tables.articles(dataset, rows)["title"].to_numpy()
    return pd.DataFrame({"x": spots[:, 0], "y": spots[:, 1], "title": titles, "row": rows})


def draw_found(drawn: Drawn, dataset: Dataset, run: Run, projection: Projection, text: str) -> np.ndarray:
    """Draw the articles of the pool whose title holds a text; returns them, 50 at most."""
    if not text.strip():
        return np.zeros(0, np.int64)
    pool, _ = loading.vectors(run, "articles")
    titles = tables.articles(dataset, pool)["title"]
    holds = titles.astype(str).str.contains(text.strip(), case=False, regex=False).to_numpy(bool)
    found = pool[holds][:_MOST_FOUND]
    map_figures.mark(drawn, "found", placed(dataset, run, projection, found), labels=len(found) <= _MOST_LABELS)
    return found


def show_map(drawn: Drawn, dataset: Dataset, workspace: Workspace, run: Run, recalled: np.ndarray) -> None:
    key = f"map-{run.id}"
    drawn.figure.update_layout(uirevision=key)
    settings = {"displaylogo": False, "scrollZoom": True, "typesetMath": False}
    event = st.plotly_chart(
        drawn.figure, key=key, config=settings, on_select="rerun", selection_mode=("lasso", "box", "points")
    )
    rows = drawn.selected(event["selection"]["points"])
    if not len(rows):
        st.caption(
            t("Choose the lasso or the box above the map and draw around points: their articles are listed here.")
        )
        return
    clicks = loading.readers(dataset, workspace, run.config).clicks()
    table = tables.articles(dataset, rows).assign(**{user_tables.CLICKS: clicks[rows]})
    if len(recalled):
        table.insert(0, "hit", np.isin(rows, recalled))
        table = table.rename(columns={"hit": "in the list"}).sort_values("in the list", ascending=False)
        table["in the list"] = np.where(table["in the list"], "✓", "")
    st.subheader(t("{articles} selected", articles=words.counted(len(rows), "article")))
    in_list = st.column_config.TextColumn(t("in the list"), width=80, alignment="center")
    frame.table(table.head(1000), "map-selected", frame.all_rows(table), **{"in the list": in_list})
    st.download_button(t("Download as CSV"), tables.csv(table), "selected.csv", "text/csv", icon=":material/download:")


def show_found(dataset: Dataset, found: np.ndarray, text: str) -> None:
    if not text.strip():
        return
    if not len(found):
        st.info(t("No article of the pool has this in its title."), icon=":material/info:")
        return
    if len(found) == _MOST_FOUND:
        st.subheader(t("The first {articles} found", articles=words.counted(len(found), "article")))
    else:
        st.subheader(t("{articles} found", articles=words.counted(len(found), "article")))
    table = tables.articles(dataset, found)
    frame.table(table, "map-found", frame.all_rows(table, 8))


main()
