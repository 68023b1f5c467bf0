"""How every page shows a user's mistake."""

import streamlit as st

from dssm_core.errors import UserError
from lab import words
from lab.language import told


def complain(error: UserError) -> None:
    """Show a user's mistake as its one sentence; the page goes on, with what was typed kept."""
    st.error(words.as_markdown(told(str(error))), icon=":material/error:")
