"""A button whose file is made when it is pressed, and is kept until the browser has fetched it."""

from collections.abc import Callable
from itertools import cycle

import streamlit as st
from streamlit import runtime

_PLACES = cycle(f"download {place}" for place in range(4))
"""So many files are kept, of all sessions together: the next one takes the place of the oldest."""


def button(label: str, make: Callable[[], bytes], name: str, mime: str, **settings: str) -> None:
    """Draw it. `make`: called outside of the page when it is pressed; `settings` as `st.download_button` takes them."""

    def made() -> bytes:
        content = make()
        _keep(content, name, mime)
        return content

    st.download_button(label, made, name, mime, on_click="ignore", **{"icon": ":material/download:", **settings})


def _keep(content: bytes, name: str, mime: str) -> None:
    # Streamlit forgets such a file, which no page refers to, at the second end of a script or fragment of any session:
    # while a run at work is polled, that may be before the browser asks for it
    files = runtime.get_instance().media_file_mgr
    files.add(content, mime, next(_PLACES), name, is_for_static_download=True)
