"""Users: who they are, what was recalled for them, and why a held-out click was missed."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core import commands
from dssm_core.dataset import Dataset
from dssm_core.popularity import seen_clicks
from dssm_core.readers import nearest, recalled
from dssm_core.runs import Run
from dssm_core.split import Split
from dssm_core.workspace import Workspace
from lab import address, choices, frame, loading, skeleton, tables, user_figures, user_search, user_tables, words
from lab.glossary import explain
from lab.language import t

_NEIGHBOURS, _READERS = 10, 50
_USER, _LIST = 560, 380
"""Pixels that are kept for a user, and for a list, while they are read."""
_BESIDE = ("hit", "rank", "reason", "title", "cosine", "score")
"""The columns that a laptop has room for where two runs stand side by side."""


def main() -> None:
    workspace = frame.start("Users")
    st.title(t("Users"))
    with frame.plain_errors():
        runs = frame.finished_runs(workspace, asked_for())
        if not runs:
            frame.empty(
                t("No run has finished yet, so there is no recall list to look at."),
                ("pages/train.py", t("Train one"), ":material/model_training:"),
            )
            return
        run, beside, k = choose_runs(workspace, runs)
        with skeleton.of(_USER, t("Reading the dataset …")):
            dataset = loading.dataset(workspace, run.dataset)
            split = loading.split(dataset, workspace, run.config)
        tell_short_pool(split, k)
        user = choose_user(dataset, run, k)
        if user is None:
            return
        show_user(dataset, split, run, user, k)
        shown = [run, *([beside] if beside else [])]
        show_lists(workspace, dataset, shown, user, k)
        if beside:
            show_both(dataset, (run, beside), user, k)
        shown_id = dataset.users["user_id"].iat[user]
        frame.command(commands.line(workspace, "recall", run.id, user=shown_id, k=k), f"recall {run.id} {user}")
        show_article(workspace, dataset, run, k)


def asked_for() -> list[str]:
    return [id for key in ("run", "beside") if (id := st.query_params.get(key))]


def choose_runs(workspace: Workspace, runs: list[Run]) -> tuple[Run, Run | None, int]:
    by_id = {run.id: run for run in runs}
    first, second, third = st.columns([3, 3, 2])
    label = loading.tagged(words.run_labels(runs, workspace.datasets()), runs)
    shown = loading.first_shown(runs).id
    chosen = by_id[choices.select(t("Run"), list(by_id), "run", shown, first, format_func=label.get)]
    others = ["", *(run.id for run in runs if run.dataset == chosen.dataset and run.id != chosen.id)]
    with second.container(horizontal=True, vertical_alignment="bottom"):
        named = {"": t("no second run"), **label}
        beside = choices.select(t("Beside it"), others, "beside", format_func=named.get)
        if beside:
            swap = t("Swap the two runs (key S)")
            st.button("⇄", key="swap", help=swap, shortcut="S", on_click=swap_runs, args=(chosen.id, beside))
    return chosen, by_id.get(beside), choices.list_length(sorted(chosen.config.eval.k), third)


def swap_runs(run: str, beside: str) -> None:
    address.choose("run", beside)
    address.choose("beside", run)


def tell_short_pool(split: Split, k: int) -> None:
    if k > len(split.pool):
        articles = words.counted(len(split.pool), "article")
        st.caption(
            t("The candidate pool has {articles}, so a list of {k} holds all that qualify.", articles=articles, k=k)
        )


def choose_user(dataset: Dataset, run: Run, k: int) -> int | None:
    """The row of the chosen user; None where there is none to look at."""
    people = user_search.people(run, k)
    if people.empty:
        st.info(t("Nobody clicked in this run's test period: there is no user to look at."))
        return None
    text = st.text_input(
        t("Search"),
        key="search",
        bind="query-params",
        placeholder=t("part of a user's id, or of an attribute"),
        persist_state="session",
    )
    with skeleton.of(_USER, t("Searching …")):
        found = user_search.matching(dataset, run, k, text)
    wanted = address.asked("user") or ""
    asked = user_search.row_of(dataset, wanted)
    if wanted and asked is None:
        missing = t("User {user} is not in this dataset.", user=wanted)
        st.info(words.as_markdown(missing), icon=":material/info:")
    stranger = user_search.row_of(dataset, text)
    extra = [dataset.users["user_id"].iat[row] for row in (asked, stranger) if row is not None]
    if found.empty and stranger is None:
        st.info(t("No user with held-out clicks matches this search: shorten it."))
        st.button(t("Clear the search"), icon=":material/search_off:", on_click=clear_search)
        return None
    ids = list(dict.fromkeys([*(extra[-1:] if stranger is not None else []), *found["user_id"], *extra]))
    offered = list(dict.fromkeys([*extra, *ids[: user_search.MOST_OFFERED]]))
    best = ids[0] if stranger is not None else found["user_id"].iat[int(found["hits"].to_numpy().argmax())]
    chosen = choices.select(t("User"), list(dict.fromkeys([*offered, best])), "user", best, width=300)
    place = int(np.searchsorted(found["user"].to_numpy(), dataset.user_row(chosen)))
    # a row of their own: beside the box they would wrap once they are drawn, and push the page down
    with st.container(horizontal=True):
        show_jumps(found, place, chosen)
    st.caption(says_found(people, found, text, k))
    return dataset.user_row(chosen)


def show_jumps(found: pd.DataFrame, place: int, chosen: str) -> None:
    """Buttons, each with its key, that go from the chosen user, at `place` among those `found`, to another."""
    everybody = pd.Series(True, found.index)
    jump(t("Previous"), found, next_where(everybody, place, chosen, found, back=True), "arrow_back", "P")
    jump(t("Next"), found, next_where(everybody, place, chosen, found), "arrow_forward", "N")
    missed = next_where(found["hits"] < found["held_out"], place, chosen, found)
    jump(t("Next with a miss"), found, missed, "close", "M")
    jump(t("Next with a hit"), found, next_where(found["hits"] > 0, place, chosen, found), "check", "H")
    anyone = int(np.random.default_rng().integers(len(found))) if len(found) else None
    jump(t("Surprise me"), found, anyone, "shuffle", "X")


def clear_search() -> None:
    st.session_state["search"] = ""


def says_found(people: pd.DataFrame, found: pd.DataFrame, text: str, k: int) -> str:
    numbers = {"hits": int((found["hits"] > 0).sum()), "all": len(people), "k": k}
    if text:
        told = t(
            "{hits:,} of {found:,} matching users of {all:,} users with held-out clicks have a hit in their {k} "
            "articles.",
            **numbers,
            found=len(found),
        )
    else:
        told = t("{hits:,} of {all:,} users with held-out clicks have a hit in their {k} articles.", **numbers)
    if len(found) <= user_search.MOST_OFFERED:
        return told
    more = t("The box lists the first {listed:,}: search for others.", listed=user_search.MOST_OFFERED)
    return f"{told} {more}"


def next_where(wanted: pd.Series, place: int, chosen: str, found: pd.DataFrame, back: bool = False) -> int | None:
    """The first place from `place` on, or `back` from it, where `wanted` is true, but for the chosen one, going round;
    None for nowhere."""
    places = np.flatnonzero(wanted.to_numpy())
    if not len(places):
        return None
    if back:
        return int(places[np.searchsorted(places, place) - 1])
    here = place < len(found) and found["user_id"].iat[place] == chosen
    return int(places[np.searchsorted(places, place, side="right" if here else "left") % len(places)])


def jump(label: str, found: pd.DataFrame, to: int | None, icon: str, key: str) -> None:
    target = found["user_id"].iat[to] if to is not None else None
    st.button(
        label,
        icon=f":material/{icon}:",
        shortcut=key,
        disabled=target is None,
        on_click=address.choose,
        args=("user", target),
    )


def show_user(dataset: Dataset, split: Split, run: Run, user: int, k: int) -> None:
    history = user_tables.history(dataset, split, user)
    profile = user_tables.profile(dataset, user)
    held_out = user_tables.of_user(loading.held_out(run), user)
    left, right = st.columns([1, 2])
    with left:
        st.subheader(t("Profile"))
        if profile:
            frame.table(pd.DataFrame({t("attribute"): list(profile), t("value"): list(profile.values())}), "profile")
        else:
            st.text(t("Nothing is known of this user but their clicks."))
    with right:
        st.subheader(t("History: {clicks} in train", clicks=words.counted(len(history), "click")))
        clicks = user_tables.timeline(dataset, split, held_out, user, k)
        if len(clicks):
            frame.chart(user_figures.timeline(clicks, local_cutoff(dataset, split), k), "users-timeline")
        elif history.empty:
            st.text(t("No click in train: a cold user."))
        if len(history):
            with st.expander(t("The clicks in train"), expanded=clicks.empty):
                frame.table(history, f"history-{user}", frame.all_rows(history, 8), open_article(history))
        elif len(clicks):
            st.text(t("No click in train: a cold user."))


def local_cutoff(dataset: Dataset, split: Split) -> pd.Timestamp | None:
    if split.cutoff is None:
        return None
    return pd.Timestamp(split.cutoff, unit="ms", tz="UTC").tz_convert(dataset.timezone).tz_localize(None)


def open_article(rows: pd.DataFrame) -> Callable[[int], None]:
    """What a selected row of a table does: its article is opened, by its id."""
    ids = rows["article"].tolist()
    return lambda place: address.choose("article", ids[place])


def show_lists(workspace: Workspace, dataset: Dataset, runs: list[Run], user: int, k: int) -> None:
    names = words.run_names(runs)
    for column, run in zip(st.columns(len(runs)), runs, strict=True):
        with column:
            with skeleton.of(_LIST, t("Reading the recall lists …")):
                lists = loading.recall(run), loading.held_out(run)
            recall, held_out = (user_tables.of_user(table, user) for table in lists)
            heading = t("Held-out clicks") if len(runs) == 1 else words.as_markdown(names[run.id])
            st.subheader(heading, help=explain("held-out click"))
            if held_out.empty:
                st.text(t("This run was not evaluated on this user: no held-out click, or not in its sample."))
                recall = recalled_now(workspace, dataset, run, user, k)
            else:
                show_held_out(dataset, run, held_out, recall, user, k, len(runs) > 1)
            if recall is None:
                kept = t("Its lists are kept for evaluated users alone, and a baseline has no vectors to recall from.")
                st.text(kept)
            else:
                st.subheader(t("Recall list: {articles}", articles=words.counted(min(k, len(recall)), "article")))
                show_recalled(workspace, dataset, run, recall, user, k, len(runs) > 1)
    if len(runs) > 1:
        st.caption(
            t("Side by side, tables show what matters most: one run alone has more columns, and the CSV has all.")
        )


def show_held_out(
    dataset: Dataset, run: Run, held_out: pd.DataFrame, recall: pd.DataFrame, user: int, k: int, beside: bool
) -> None:
    rows = user_tables.held_out_list(dataset, held_out, recall, k, words.score_name(run))
    st.text(" ".join(filter(None, (says_found_clicks(rows, k), drawn(rows)))))
    show_articles(rows, f"held-out-{run.id}-{user}-{k}", frame.all_rows(rows), beside)


def show_articles(rows: pd.DataFrame, key: str, height: int, beside: bool) -> None:
    """A table whose rows open their article; `beside`: it stands next to that of another run."""
    if not beside:
        frame.table(rows, key, height, open_article(rows))
        return
    shown = rows[[name for name in rows if name in _BESIDE]]
    title = st.column_config.TextColumn(t("title"), width=150 if "reason" in shown else 185)
    frame.table(shown, key, height, open_article(rows), title=title)


def says_found_clicks(held_out: pd.DataFrame, k: int) -> str:
    """How many held-out clicks the list holds, and where."""
    ranks = sorted(held_out.loc[held_out["hit"], "rank"].astype(int))
    told = {"hits": len(ranks), "clicks": words.counted(len(held_out), "held-out click"), "k": k}
    if not ranks:
        return t("{hits} of {clicks} in the {k} recalled articles.", **told)
    places = ", ".join(map(str, ranks))
    return t("{hits} of {clicks} in the {k} recalled articles, at rank {ranks}.", **told, ranks=places)


def drawn(held_out: pd.DataFrame) -> str:
    """Which held-out clicks training pushed away from this user."""
    if user_tables.DRAWN not in held_out:
        return ""
    times = held_out.loc[held_out[user_tables.DRAWN] > 0, user_tables.DRAWN]
    if times.empty:
        return ""
    return t(
        "Training took {number} of them as a negative for this user, {times:,} times in all.",
        number=len(times),
        times=int(times.sum()),
    )


def recalled_now(workspace: Workspace, dataset: Dataset, run: Run, user: int, k: int) -> pd.DataFrame | None:
    """The exact recall list of a user whom the run was not evaluated on; None for a run without vectors."""
    with skeleton.of(_LIST, t("Reading the vectors …")):
        users, articles = loading.vectors(run, "users"), loading.vectors(run, "articles")
    if users is None or articles is None:
        return None
    split = loading.split(dataset, workspace, run.config)
    seen = seen_clicks(dataset, split) if run.config.pool.remove_seen else None
    rows, cosines = recalled(user, users[1], *articles, seen, k)
    ranks = np.arange(1, len(rows) + 1)
    return pd.DataFrame({"user": user, "rank": ranks, "article": rows, "score": cosines, "hit": False})


def show_recalled(
    workspace: Workspace, dataset: Dataset, run: Run, recall: pd.DataFrame, user: int, k: int, beside: bool
) -> None:
    split = loading.split(dataset, workspace, run.config)
    with skeleton.of(_LIST, t("Counting readers …")):
        clicks = loading.readers(dataset, workspace, run.config).clicks()
    rows = user_tables.recall_list(dataset, split, recall, k, words.score_name(run), clicks)
    show_articles(rows, f"recalled-{run.id}-{user}-{k}", frame.all_rows(rows, 20), beside)
    if not beside and split.cutoff and any(name in rows for name in user_tables.AGES):
        st.caption(t("Age: when the test began; below 0, the article was created during the test."))
    st.caption(t("Select a row to open its article."))
    st.download_button(
        t("Download the list as CSV"),
        tables.csv(rows),
        f"recall-{run.id}.csv",
        "text/csv",
        icon=":material/download:",
        key=f"csv-{run.id}",
        on_click="ignore",
    )


def show_both(dataset: Dataset, runs: tuple[Run, Run], user: int, k: int) -> None:
    """What both runs recall, what only one does, and which held-out clicks moved."""
    recalls = [user_tables.of_user(loading.recall(run), user) for run in runs]
    clicks = [user_tables.of_user(loading.held_out(run), user) for run in runs]
    if any(table.empty for table in recalls):
        return
    named = words.run_names(list(runs))
    names = tuple(named[run.id] for run in runs)
    lists = user_tables.both_lists(dataset, *recalls, names, k)
    st.subheader(t("Both lists together"))
    both, one, other = ((lists["in"] == name).sum() for name in (user_tables.BOTH, *names))
    st.text(
        t(
            "{both} articles are in both lists, {one} only in that of {first}, {other} only in that of {second}.",
            both=both,
            one=one,
            other=other,
            first=names[0],
            second=names[1],
        )
    )
    if not any(table.empty for table in clicks):
        rows = user_tables.moved(dataset, *clicks, names, k)
        st.text(says_moved(rows, names))
        shown = rows.assign(change=[t(change) if change else "" for change in rows["change"]])
        change = st.column_config.TextColumn(t("change"), width=100)
        frame.table(shown, f"moved-{user}-{k}", frame.all_rows(rows), open_article(rows), change=change)
    with st.expander(t("What either recalls")):
        shown = lists.assign(**{"in": lists["in"].replace(user_tables.BOTH, t(user_tables.BOTH))})
        in_ = {"in": st.column_config.TextColumn(t("in"), help=t("Whose list holds it"))}
        frame.table(shown, f"both-{user}-{k}", frame.all_rows(lists, 20), open_article(lists), **in_)


def says_moved(rows: pd.DataFrame, names: tuple[str, str]) -> str:
    moved = rows["moved"].dropna()
    return t(
        "Of {clicks}, {second} ranks {up} higher and {down} lower than {first}: {entered} come into the list, {left} "
        "drop out.",
        clicks=words.counted(len(rows), "held-out click"),
        first=names[0],
        second=names[1],
        up=int((moved > 0).sum()),
        down=int((moved < 0).sum()),
        entered=int((rows["change"] == user_tables.INTO).sum()),
        left=int((rows["change"] == user_tables.OUT_OF).sum()),
    )


def show_article(workspace: Workspace, dataset: Dataset, run: Run, k: int) -> None:
    """The article of a selected row, or of the address, in a window of its own."""
    wanted = address.opened("article")
    if not wanted:
        return
    rows = np.flatnonzero((dataset.articles["article_id"] == wanted).to_numpy())
    if not len(rows):
        missing = t("Article {article} is not in this dataset.", article=wanted)
        st.info(words.as_markdown(missing), icon=":material/info:")
        return
    title = tables.articles(dataset, rows)["title"].iat[0]

    @st.dialog(words.as_markdown(title), width="large", on_dismiss=lambda: address.forget("article"))
    def window() -> None:
        show_one_article(workspace, dataset, run, int(rows[0]), k)

    window()


def show_one_article(workspace: Workspace, dataset: Dataset, run: Run, article: int, k: int) -> None:
    readers = loading.readers(dataset, workspace, run.config)
    who, clicks = readers.of_article(article), int(readers.clicks()[article])
    article_id = dataset.articles["article_id"].iat[article]
    st.text(t("{article}: {clicks} in train.", article=article_id, clicks=words.counted(clicks, "click")))
    recall = loading.recall(run)
    places = user_tables.list_places(recall, article)
    lists, longest = len(loading.per_user(run)), max(run.config.eval.k)
    frame.chart(user_figures.list_places(places, lists, longest), f"article-places-{run.id}")
    held_out = loading.held_out(run)
    mine = held_out[held_out["article"].to_numpy() == article]
    if len(mine):
        ranks = pd.Series(user_tables.ranks(mine)).dropna().astype(int)
        st.text(says_ranks(words.counted(len(mine), "user"), ranks))
    show_neighbours(dataset, run, article)
    st.subheader(t("{readers} in train", readers=words.counted(len(who), "reader")))
    if len(who):
        table = user_tables.readers(dataset, who[:_READERS])
        frame.table(table, "article-readers", frame.all_rows(table, 6))


def says_ranks(users: str, ranks: pd.Series) -> str:
    if ranks.empty:
        return t("{users} clicked it in the test, at no rank: it does not qualify.", users=users)
    if len(ranks) == 1:
        return t("{users} clicked it in the test, at exact rank {rank:,}.", users=users, rank=ranks.iat[0])
    return t(
        "{users} clicked it in the test, at exact ranks {first:,} to {last:,}, {median:,} in the middle.",
        users=users,
        first=ranks.min(),
        last=ranks.max(),
        median=int(ranks.median()),
    )


def show_neighbours(dataset: Dataset, run: Run, article: int) -> None:
    st.subheader(t("Nearest articles"))
    with skeleton.of(_LIST, t("Reading the vectors …")):
        found = loading.vectors(run, "articles")
    if found is None:
        st.text(t("A baseline has no vectors, so nothing is near."))
        return
    pool, vectors = found
    place = int(np.searchsorted(pool, article))
    if place == len(pool) or pool[place] != article:
        st.text(t("It is not in the candidate pool, so it has no vector here."))
        return
    near = nearest(vectors[place], pool, vectors, _NEIGHBOURS, np.array([article]))
    frame.table(user_tables.neighbours(dataset, *near), "article-neighbours")


main()
