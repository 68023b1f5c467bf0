"""What stands in the place of a part of the page until it is there, so that nothing moves when it comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


@contextmanager
def of(height: int, doing: str, where: Any = st) -> Iterator[None]:
    """While the body computes what will be shown here, a grey box of about its height (pixels) says what is done.

    It comes after half a second, so that what is quick is not announced. `where`: what it is drawn in, else where the
    page is at; the body draws nothing there.
    """
    with where.container().spinner(doing), where.skeleton(height=height):
        yield


def place(name: str, height: int) -> DeltaGenerator:
    """A place for what is computed after what stands below it, which has room for `height` pixels from the start.

    Fill its `container()`, once: until then a grey box is seen there. `name`: no two alike on a page.
    """
    # assets/look.css lays what comes over the box, which thereby keeps its room
    room = st.container(key=f"room-{name}")
    room.skeleton(height=height)
    return room
