"""A button whose file is made when it is pressed, and is kept for the minute in which the browser asks for it."""

from collections.abc import Callable
from itertools import cycle
from threading import Timer

import streamlit as st
from streamlit import runtime

_KEPT_SECONDS = 60
_PLACES = cycle(f"download {place}" for place in range(64))
"""No more files than these are kept at once, of all sessions together."""


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
    files, place = runtime.get_instance().media_file_mgr, next(_PLACES)
    files.add(content, mime, place, name, is_for_static_download=True)
    # another file in its place has Streamlit forget this one
    forgetting = Timer(_KEPT_SECONDS, files.add, [b"", mime, place, name], {"is_for_static_download": True})
    forgetting.daemon = True
    forgetting.start()
