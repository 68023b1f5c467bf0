"""Notes and tags of runs on Train: a filter, and a form for the open run."""

import streamlit as st

from dssm_core.errors import UserError
from dssm_core.notes import MOST_CHARACTERS, MOST_TAGS, Notes, read_notes, write_notes
from dssm_core.runs import Run
from dssm_core.workspace import Workspace
from lab import address, words
from lab.complaint import complain
from lab.language import t, told


def tags_of(runs: list[Run]) -> dict[str, list[str]]:
    """The tags of each run, by its id."""
    return {run.id: read_notes(run).tags for run in runs}


def choose(runs: list[Run], tags: dict[str, list[str]]) -> list[Run]:
    """The runs that have all tags that are chosen, all of them where none is; and the one that the address asks for."""
    known = sorted({tag for some in tags.values() for tag in some})
    if not known:
        return runs
    changed = address.many("tag", known, [])
    wanted = st.pills(
        t("Tags"),
        known,
        selection_mode="multi",
        key="tag",
        on_change=changed,
        persist_state="session",
        format_func=words.as_markdown,
    )
    asked = address.asked("run")
    return [run for run in runs if set(wanted) <= set(tags[run.id]) or run.id == asked]


def show(workspace: Workspace, run: Run, known: list[str]) -> None:
    """What was written about a run, and for an own one the form that changes it. `known`: tags of all runs."""
    notes = read_notes(run)
    if notes.damage:
        st.warning(words.as_markdown(told(notes.damage)), icon=":material/warning:")
    if notes.text:
        st.text(notes.text)
    if run.bundled:
        return
    title = (
        t("Notes and tags: {tags}", tags=words.as_markdown(", ".join(notes.tags)))
        if notes.tags
        else t("Notes and tags")
    )
    with st.expander(title, icon=":material/edit_note:", key=f"notes {run.id}"):
        _form(workspace, run, notes, known)


def _form(workspace: Workspace, run: Run, notes: Notes, known: list[str]) -> None:
    with st.form(f"note {run.id}", border=False):
        options = list(dict.fromkeys([*notes.tags, *known]))
        tags = st.multiselect(
            t("Tags"),
            options,
            notes.tags,
            key=f"tags {run.id}",
            accept_new_options=True,
            max_selections=MOST_TAGS,
            placeholder=t("Choose tags, or type a new one"),
        )
        text = st.text_area(t("Note"), notes.text, key=f"text {run.id}", max_chars=MOST_CHARACTERS)
        saved = st.form_submit_button(t("Save"), key=f"save {run.id}")
    if workspace.remote:
        st.caption(t("Notes and tags stay on this machine: they are not published to the workspace's URL."))
    if saved:
        _save(run, text, tags)


def _save(run: Run, text: str, tags: list[str]) -> None:
    try:
        write_notes(run, text, tags)
    except UserError as error:
        complain(error)
        return
    st.rerun()
