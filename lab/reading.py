"""Long work on a page: a bar that moves, a button that cancels it, and what became of it once the page is drawn again.

Streamlit draws the page anew when a button is pressed, and ends what runs by an exception at its next call: ingest
removes what it had written and nothing stays behind. The same happens when anything else of the page is touched.
"""

from collections.abc import Callable

import streamlit as st

from dssm_core.meter import Progress
from lab.language import t

_RUNNING, _MADE = "reading", "made"


def carry_out(text: str, work: Callable[[Progress], dict]) -> None:
    """Do the work under a bar that says `text`; what it returns is there for `taken` after the page is drawn again."""
    st.session_state[_RUNNING] = True
    place = st.empty()
    with place.container(border=True):
        bar = st.progress(0.0, text)
        st.button(t("Cancel"), key="cancel reading", icon=":material/cancel:")
        st.caption(t("Anything else that you touch on this page cancels it too; then nothing of it is kept."))
    try:
        st.session_state[_MADE] = work(lambda done, total: bar.progress(min(1.0, done / max(1, total)), text))
        # before anything is drawn: there a press that came too late ends this run
        del st.session_state[_RUNNING]
    except Exception:
        del st.session_state[_RUNNING]
        place.empty()
        raise
    st.rerun()


def taken() -> dict | None:
    """What the work returned, once."""
    return st.session_state.pop(_MADE, None)


def was_cancelled() -> bool:
    """Whether work was cut off before its end; true once."""
    return st.session_state.pop(_RUNNING, False)
