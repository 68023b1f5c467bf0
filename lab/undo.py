"""Deleting on the pages: asked for in a popover, and offered to be taken back until the next delete or a dismissal."""

import streamlit as st

from dssm_core.deleting import delete
from dssm_core.errors import UserError
from dssm_core.trash import KEPT_DAYS
from dssm_core.workspace import Workspace
from lab import address
from lab.complaint import complain
from lab.language import t

_DELETED = "deleted"
"""Where the session keeps the id and the name of what was deleted last, and the choice that it was."""


def ask(workspace: Workspace, wanted: str, name: str, effect: str, chosen: str | None = None) -> None:
    """A popover that deletes a dataset, run or sweep, after which the page is drawn anew.

    `wanted`: its id. `effect`: a sentence on what goes with it. `chosen`: the choice in the address that it is, which
    is forgotten, and made again when the delete is taken back.
    """
    # keyed by the id: the popover must not stay open, under the same mouse, on the next one
    with st.popover(t("Delete"), icon=":material/delete:", key=f"deleting {wanted}"):
        st.text(effect)
        kept = "It can be brought back for {days} days. To make room on the disk at once, delete it for good."
        st.caption(t(kept, days=KEPT_DAYS))
        with st.container(horizontal=True):
            away = st.button(t("Delete"), type="primary", key=f"delete {wanted}")
            for_good = st.button(t("Delete it for good"), key=f"for good {wanted}")
        if away or for_good:
            _delete(workspace, wanted, name, for_good, chosen)


def _delete(workspace: Workspace, wanted: str, name: str, for_good: bool, chosen: str | None) -> None:
    try:
        delete(workspace, wanted, for_good)
    except UserError as error:
        complain(error)
        return
    if chosen:
        address.forget(chosen)
    st.session_state[_DELETED] = None if for_good else (wanted, name, chosen)
    st.rerun()


def offer(workspace: Workspace) -> None:
    """What was deleted last, with a way to have it back; nothing once that was used or dismissed."""
    deleted = st.session_state.get(_DELETED)
    if not deleted:
        return
    wanted, name, chosen = deleted
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.text(t("Deleted {name}.", name=name))
        if st.button(t("Undo"), key="undo delete", icon=":material/undo:"):
            _restore(workspace, wanted, chosen)
        if st.button(t("Dismiss"), key="dismiss undo", icon=":material/close:", type="tertiary"):
            _forget()


def _restore(workspace: Workspace, wanted: str, chosen: str | None) -> None:
    try:
        workspace.restore(wanted)
    except UserError as error:
        complain(error)
        return
    if chosen:
        # not in the address: this page may have no such choice, and the one that has puts it there
        st.session_state[chosen] = wanted
    _forget()


def _forget() -> None:
    del st.session_state[_DELETED]
    st.rerun()
