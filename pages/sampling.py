"""Sampling lab: what each strategy draws, before anything is trained."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from dssm_core import commands
from dssm_core.config import Config, SplitConfig
from dssm_core.dataset import Dataset
from dssm_core.earlier import needs_earlier
from dssm_core.errors import UserError
from dssm_core.inspection import TrainFacts, train_clicks_of
from dssm_core.negatives import STRATEGIES
from dssm_core.presets import PRESETS
from dssm_core.runs import Run
from dssm_core.strategy import batch_size
from dssm_core.workspace import Workspace
from lab import address, choices, drawing, figures, frame, knobs, loading, palette, skeleton, strategies, tables, words
from lab.complaint import complain
from lab.explained import EXPLAINED
from lab.glossary import explain
from lab.language import t

_MOST = 4
_LISTED_USERS = 2000
_FINDINGS = 920
"""Pixels that are kept for what is found of the strategies, which is known once their cards are drawn."""
_NOT_BY = ("key_words",)
"""Attributes that are lists of words, not groups of articles."""


@dataclass(frozen=True)
class Log:
    """A dataset with its split, as all strategies of the page see it. `runs`: those that can be mined."""

    workspace: Workspace
    dataset: Dataset
    split: SplitConfig
    facts: TrainFacts
    runs: list[Run]


def main() -> None:
    workspace = frame.start("Sampling lab")
    st.title(t("Sampling lab"))
    with frame.plain_errors():
        manifests = workspace.datasets()
        if not manifests:
            frame.empty(
                t("There is no dataset to draw negatives from yet."),
                ("pages/data.py", t("Bring one, or make a demo log"), ":material/table_rows:"),
            )
            return
        st.markdown(
            t("What each strategy would take as negatives: no training needed. Turn its knobs, then train with it.")
        )
        log, chosen = choose(workspace, {manifest["id"]: manifest for manifest in manifests})
        take_address(chosen)
        findings = skeleton.place("findings", _FINDINGS)
        settled = show_strategies(log, chosen)
        with findings.container():
            show_findings(log, settled)
        show_draws(log, settled)


def choose(workspace: Workspace, manifests: dict[str, dict]) -> tuple[Log, list[str]]:
    left, right = st.columns([2, 3])
    dataset_id = choices.dataset(manifests, "click", left)
    with skeleton.of(_FINDINGS, t("Reading the dataset …")):
        dataset = loading.dataset(workspace, dataset_id)
    with left:
        log = read_log(workspace, dataset)
    shown = ["uniform", "popularity", "in_batch", *(["exposed"] if len(log.facts.counts.exposed.articles) else [])]
    changed = address.many("strategies", list(STRATEGIES), shown)
    # an address may name more than fit beside each other
    st.session_state["strategies"] = st.session_state["strategies"][:_MOST]
    chosen = right.multiselect(
        t("Strategies, up to four"),
        list(STRATEGIES),
        key="strategies",
        on_change=changed,
        max_selections=_MOST,
        help=explain("strategy"),
        wrap=True,
        persist_state="session",
    )
    return log, chosen


def take_address(chosen: list[str]) -> None:
    """Turn the knobs to what the address says, and draw as it says."""
    for strategy in chosen:
        for name in starting_knobs(strategy):
            for text in address.take(f"{strategy}.{name}"):
                said = read_knob(strategy, name, text)
                if said not in (None, ""):
                    st.session_state[f"lab {strategy} negatives.{name}"] = said
    for draw in address.take("draw"):
        if re.fullmatch("[0-9]{1,9}", draw):
            st.session_state["draw"] = int(draw)


def read_log(workspace: Workspace, dataset: Dataset) -> Log:
    """The dataset cut as is usual, or as one of its runs was: strategies that are compared share a split."""
    runs = [run for run in loading.finished_runs(workspace) if run.dataset == dataset.id]
    usual = SplitConfig() if dataset.exposures.time is not None else SplitConfig(kind="random")
    by_split = {run.config.split: run for run in runs[::-1] if run.config.split != usual}
    others = {run.id: run for run in by_split.values()}
    changed = address.one("cut", ["", *others])
    if others:
        st.selectbox(
            t("Split"),
            ["", *others],
            key="cut",
            format_func=lambda id: t("as in {run}", run=words.run_label(others[id])) if id else t("as usual"),
            on_change=changed,
            persist_state="session",
        )
    split = others[st.session_state["cut"]].config.split if st.session_state["cut"] else usual
    mineable = [run for run in runs if run.model == "two_tower" and run.config.split == split]
    config = Config(split=split)
    with skeleton.of(60, t("Counting train …")):
        facts = drawing.facts(workspace, dataset, config)
    cutoff = loading.split(dataset, workspace, config).cutoff
    cut = words.day_time(cutoff, dataset.timezone) if cutoff else ""
    st.caption(words.as_markdown(says_train(facts, split, cut)), help=explain("candidate pool"))
    return Log(workspace, dataset, split, facts, mineable)


def says_train(facts: TrainFacts, split: SplitConfig, cut: str) -> str:
    """What is in train, which ends at `cut` where it is cut by time."""
    held = {
        "clicks": words.counted(len(facts.clicked), "click"),
        "users": words.counted(len(facts.users), "user"),
        "articles": words.counted(len(facts.counts.pool), "article"),
    }
    if cut:
        return t("Train up to {cut}: {clicks} of {users}, a pool of {articles}.", cut=cut, **held)
    return t("Train of the split {split}: {clicks} of {users}, a pool of {articles}.", split=split.kind, **held)


def show_strategies(log: Log, chosen: list[str]) -> dict[str, Config]:
    """A card a strategy; the configs of those that can be drawn from. The others say in their card why not."""
    settled = {}
    if chosen:
        st.subheader(t("How they draw"))
    for start in range(0, len(chosen), 2):
        columns = st.columns(min(2, len(chosen)))
        for column, strategy in zip(columns, chosen[start : start + 2], strict=False):
            with column.container(border=True, height="stretch"):
                config = show_strategy(log, strategy)
            if config is not None:
                settled[strategies.label(config)] = config
    return settled


def show_strategy(log: Log, strategy: str) -> Config | None:
    explained = EXPLAINED[strategy]
    colour = palette.STRATEGY_LOOKS[strategy].colour
    st.html(f'<h3 style="margin:0;padding:0"><span style="color:{colour}">■</span> {strategy}</h3>')
    st.latex(explained.formula)
    st.markdown(words.as_markdown(" ".join(t(text) for text in (explained.text, explained.beyond) if text)))
    blend = st.session_state.get(f"lab {strategy} negatives.blend", knobs.NONE)
    if blend != knobs.NONE:
        st.markdown(
            t(
                "Blended with {blend}: a share s (blend_share) of the negatives comes from it, "
                "q = (1 − s) q({strategy}) + s q({blend}).",
                blend=blend,
                strategy=strategy,
            )
        )
    st.caption(f"{words.as_markdown(explained.source)}, <{explained.link}>")
    settings = turn_knobs(log, strategy)
    try:
        config = ready(log, strategy, settings)
    except UserError as error:
        complain(error)
        return None
    preset = strategies.nearest_preset(strategy)
    changed = knobs.differing(PRESETS[preset].config, config)
    with st.container(horizontal=True):
        if st.button(t("Train with this"), key=f"train {strategy}", icon=":material/model_training:"):
            take_to_train(preset, config)
        frame.command(commands.train(log.workspace, log.dataset.id, preset, config), f"train {strategy}")
    st.caption(words.as_markdown(says_start(preset, changed)))
    return config


def says_start(preset: str, changed: str) -> str:
    if changed:
        return t("Train starts from the preset {preset}, with {changed}.", preset=preset, changed=changed)
    return t("Train starts from the preset {preset}, as it is.", preset=preset)


def ready(log: Log, strategy: str, settings: dict) -> Config:
    """The config of the settings, once its strategy is ready to draw; a UserError says why it cannot be."""
    if "mined" in (strategy, settings.get("blend")) and not log.runs:
        raise UserError(
            "mined takes its hard negatives from an earlier run, and no two-tower run of this dataset and split has "
            "finished yet: train one first"
        )
    if "same_attribute" in (strategy, settings.get("blend")) and "attribute" not in settings:
        raise UserError(
            "same_attribute draws by an attribute of the articles or users, and this log has none of either"
        )
    config = strategies.train_config(strategy, settings, log.split, len(log.facts.counts.pool))
    batch = batch_size(config.train.batch_size, len(log.facts.clicked))
    with skeleton.of(80, t("Making the strategy ready …")):
        drawing.strategy(log.workspace, log.dataset, config).sizes(config.negatives, batch)
    return config


def turn_knobs(log: Log, strategy: str) -> dict:
    """The knobs that matter for a strategy, as inputs; their values by the key's name within the negatives."""
    prefix = f"lab {strategy} "
    starting = starting_knobs(strategy)
    for name, value in starting.items():
        st.session_state.setdefault(f"{prefix}negatives.{name}", value)
    settings = {}
    blends = strategies.blends(strategy)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        blend = st.session_state[f"{prefix}negatives.blend"]
        for name in strategies.mattering(strategy, None if blend == knobs.NONE else blend):
            with st.container(width=280 if name == "run" else 170):
                settings[name] = _KNOBS.get(name, plain_knob)(log, f"negatives.{name}", prefix)
        if blends:
            with st.container(width=170):
                common = {"key": f"{prefix}negatives.blend", "persist_state": "session"}
                settings["blend"] = knobs.optional("negatives.blend", blends, common)
    for name, value in starting.items():
        now = st.session_state[f"{prefix}negatives.{name}"]
        address.write_text(f"{strategy}.{name}", str(now) if name in settings and now != value else "")
    return {name: value for name, value in settings.items() if value is not None or name == "blend"}


def starting_knobs(strategy: str) -> dict:
    """The knobs as they are before any is turned, as their inputs show them."""
    return {
        name: knobs.NONE if name == "blend" and value is None else value
        for name, value in strategies.starting_knobs(strategy).items()
    }


def read_knob(strategy: str, name: str, text: str) -> object:
    """What an address asks of a knob; None for what it cannot be."""
    if name == "blend":
        return text if text in (knobs.NONE, *strategies.blends(strategy)) else None
    return strategies.read_knob(name, text)


def plain_knob(log: Log, key: str, prefix: str) -> object:
    return knobs.knob(key, log.dataset, prefix)


def attribute_knob(log: Log, key: str, prefix: str) -> str | None:
    """Only attributes that the log has."""
    attributes = [*log.dataset.article_attributes, *log.dataset.user_attributes]
    attributes = [name for name in dict.fromkeys(attributes) if name not in _NOT_BY]
    return one_of(attributes, key, prefix, str)


def run_knob(log: Log, key: str, prefix: str) -> str | None:
    """Only runs that can be mined, the best one first."""
    labels = words.run_labels(log.runs, log.workspace.datasets()) if log.runs else {}
    best = [loading.best_trained(log.runs).id] if log.runs else []
    return one_of(list(dict.fromkeys([*best, *labels])), key, prefix, labels.get)


def one_of(options: list[str], key: str, prefix: str, label: Callable) -> str | None:
    """A choice among what this log has; what was chosen for another one is dropped."""
    if not options:
        return None
    if st.session_state[prefix + key] not in options:
        st.session_state[prefix + key] = options[0]
    return st.selectbox(key, options, key=prefix + key, format_func=label, persist_state="session")


_KNOBS = {"attribute": attribute_knob, "run": run_knob}


def take_to_train(preset: str, config: Config) -> None:
    st.session_state["preset"] = preset
    knobs.set_all(config)
    st.switch_page("pages/train.py")


def show_findings(log: Log, settled: dict[str, Config]) -> None:
    if not settled:
        none = t("Choose one to four strategies that this log can supply to see what they draw.")
        st.info(none, icon=":material/info:")
        return
    table = drawing.deciles(log.workspace, log.dataset, settled)
    looks = {name: config.negatives.strategy for name, config in settled.items()}
    frame.chart(figures.deciles(table, looks), "popularity-of-negatives")
    shares = {name: drawing.shares(log.workspace, log.dataset, config) for name, config in settled.items()}
    st.subheader(t("What the negatives are"), help=explain("negative"))
    st.text(tables.says_shares(shares))
    st.table(tables.sampling_shares(shares), hide_index=True)
    st.caption(
        t("In brackets: 95 % intervals, from a fixed sample of train clicks."),
        help=explain("false negative"),
    )
    if any(needs_earlier(config) for config in settled.values()):
        most = words.counted(drawing.MINED_USERS, "user")
        st.caption(t("mined is shown for {users} at most, not for all.", users=most))
    with st.expander(t("What each share says"), icon=":material/help:"):
        for label, meaning in (*tables.SHARES.values(), tables.DISTINCT):
            st.markdown(f"**{t(label)}**: {t(meaning)}")


def show_draws(log: Log, settled: dict[str, Config]) -> None:
    if not settled:
        return
    st.subheader(t("Drawn for one click"), help=explain("positive"))
    user = choose_user(log)
    rows = train_clicks_of(log.dataset, loading.split(log.dataset, log.workspace, Config(split=log.split)), user)
    if not len(rows):
        st.info(t("This user has no train click, so there is nothing to draw negatives for. Choose another user."))
        return
    place, click = choose_click(log, user, rows)
    seed = st.session_state.setdefault("draw", 0)
    address.write_text("draw", str(seed or ""))
    drawn = {
        name: drawing.for_click(log.workspace, log.dataset, config, user, place, seed)
        for name, config in settled.items()
    }
    # one table for all, so that ages are in one unit
    table = tables.drawn(log.dataset, log.facts, np.concatenate(list(drawn.values())), click)
    ends = np.cumsum([len(rows) for rows in drawn.values()])
    for name, end in zip(drawn, ends, strict=True):
        show_drawn(name, settled[name].negatives.strategy, table.iloc[end - len(drawn[name]) : end])


def choose_user(log: Log) -> int:
    """The row of the chosen user. A big log lists some of its users; any other id can be typed."""
    ids = log.dataset.users["user_id"]
    listed = ids.iloc[np.sort(log.facts.users[:_LISTED_USERS])].tolist()
    wanted = address.asked("user")
    known = bool(wanted) and bool((ids == wanted).any())
    options = listed if not known or wanted in listed else [wanted, *listed]
    changed = address.one("user", options, ids.iloc[log.facts.users[0]])

    def typed() -> None:
        entered = st.session_state["user"]
        if not (ids == entered).any():
            st.session_state["unknown user"] = entered
        changed()

    with st.container(horizontal=True, vertical_alignment="bottom"):
        user = st.selectbox(
            t("User"),
            options,
            key="user",
            on_change=typed,
            accept_new_options=True,
            filter_mode="contains",
            help=t(
                "{listed:,} of {all:,} users with train clicks are listed; any id can be typed",
                listed=len(listed),
                all=len(log.facts.users),
            ),
            persist_state="session",
            width=300,
        )
        st.button(t("Any user"), icon=":material/shuffle:", on_click=choose_any_user, args=(log,))
        st.button(t("Draw again"), icon=":material/casino:", on_click=draw_again)
    if unknown := st.session_state.pop("unknown user", None):
        instead = t("This dataset has no user {unknown}: {user} is shown.", unknown=repr(unknown), user=user)
        st.warning(words.as_markdown(instead), icon=":material/search_off:")
    return log.dataset.user_row(user)


def choose_any_user(log: Log) -> None:
    row = np.random.default_rng().choice(log.facts.users)
    address.choose("user", log.dataset.users["user_id"].iloc[row])


def draw_again() -> None:
    st.session_state["draw"] = st.session_state.get("draw", 0) + 1


def choose_click(log: Log, user: int, rows: np.ndarray) -> tuple[int, tuple[int, int, int]]:
    """Which of the user's train clicks, by its place in the order of time; and its (user, article, time)."""
    exposures = log.dataset.exposures
    times = exposures.time[rows] if exposures.time is not None else np.zeros(len(rows), np.int64)
    titles = tables.articles(log.dataset, exposures.article[rows])
    label = {
        int(row): f"{words.day_time(int(time), log.dataset.timezone)} · {title}".removeprefix(" · ")
        for row, time, title in zip(rows, times, titles["title"], strict=True)
    }
    changed = address.one("click", list(label)[::-1])
    chosen = st.selectbox(
        t("The click: the positive"),
        list(label)[::-1],
        key="click",
        format_func=label.get,
        on_change=changed,
        help=t("The user's train clicks, latest first"),
    )
    place = list(label).index(chosen)
    later = len(log.facts.later.of(user))
    if "category" in titles:
        st.text(t("Category of the clicked article: {category}.", category=titles["category"].iloc[place]))
    st.text(t("The user clicks {articles} later, in validation or test.", articles=words.counted(later, "article")))
    return place, (user, int(exposures.article[chosen]), int(times[place]))


def show_drawn(name: str, strategy: str, drawn: pd.DataFrame) -> None:
    counts = {flag: int(drawn["flags"].str.contains(flag).sum()) for flag in tables.FLAGS}
    flagged = [t("{number} {flag}", number=count, flag=t(flag)) for flag, count in counts.items() if count]
    told = ", ".join([words.counted(len(drawn), "negative"), *flagged])
    colour = palette.STRATEGY_LOOKS[strategy].colour
    st.html(f'<span style="color:{colour}">■</span> <b>{name}</b>: {told}')
    if drawn.empty:
        st.text(t("This time none of the user's draws fell to this click."))
        return
    shown = drawn.assign(flags=[", ".join(t(flag) for flag in flags.split(", ") if flag) for flags in drawn["flags"]])
    frame.table(shown, f"drawn {name}", height=frame.all_rows(shown), **drawn_columns())


def drawn_columns() -> dict[str, object]:
    """How the table of drawn negatives is shown."""
    column, counted = st.column_config, t("In train, all users")
    return {
        "title": column.TextColumn(t("title"), width=260, help=t("The article's title, or its id where it has none")),
        "flags": column.TextColumn(
            t("flags"),
            width=150,
            help=t(
                "clicked later: a held-out click of this user; never exposed: nobody was shown it in train; same "
                "category: as the clicked article"
            ),
        ),
        "exposures": column.NumberColumn(t("exposures"), width=75, format="localized", help=counted),
        "clicks": column.NumberColumn(t("clicks"), width=60, format="localized", help=counted),
        tables.TO_USER: column.TextColumn(
            t(tables.TO_USER),
            width=95,
            alignment="center",
            help=t("✓: this user was shown it in train and did not click"),
        ),
    }


main()
