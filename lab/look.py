"""The lab's own look where the theme has no option for it, and its own words in place of some of Streamlit's."""

import json
from pathlib import Path

import streamlit as st

from lab.language import t

_RULES = Path(__file__).parent.parent / "assets" / "look.css"


def dress() -> None:
    """Give the page its look; it takes no room. What is told of a lost server is shown by the browser alone."""
    st.html(_RULES)
    texts = {
        "--lost-title": t("The lab does not answer"),
        "--lost-told": t(
            "Its server was stopped or cannot be reached. Runs at work go on without it. Once it is started again "
            "(make run), this page returns by itself as it was."
        ),
    }
    told = "; ".join(f"{name}: {json.dumps(text, ensure_ascii=False)}" for name, text in texts.items())
    st.html(f"<style>:root {{ {told} }}</style>")
