"""The language of the page, and the words that assets/look.css shows in the place of Streamlit's own."""

import json

import streamlit as st

from lab.language import chosen, t, telling


def tell() -> None:
    """Tell the page its language and these words; that takes no room."""
    texts = {
        "--lost-title": t("The lab does not answer"),
        "--lost-told": t(
            "Its server was stopped or cannot be reached. Runs at work go on without it. Once it is started again "
            "(make run), this page returns by itself as it was."
        ),
        "--upload": t("Upload"),
        "--upload-limit": t("Up to {size:,} MB", size=st.get_option("server.maxUploadSize")),
        "--no-option": t("No results"),
    }
    told = "; ".join(f"{name}: {json.dumps(text, ensure_ascii=False)}" for name, text in texts.items())
    # first_frame.css has it take no room from the start
    with st.container(key="own-words"):
        st.html(f"<style>:root {{ {told} }}</style>")
        st.html(f"<script>{telling(chosen())}</script>", unsafe_allow_javascript=True)
