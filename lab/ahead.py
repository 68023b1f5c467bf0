"""Has the browser load ahead what it will draw charts by, while the server still computes the first page.

It is by far the largest of Streamlit's scripts, and is otherwise asked for only when the first chart is there.
"""

from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATIC = Path(st.__file__).parent / "static" / "static" / "js"


class Ahead:
    """Middleware: an answer that is a page names the script that draws charts."""

    def __init__(self, app: ASGIApp):
        self.app = app
        scripts = sorted(path.name for path in _STATIC.glob("PlotlyChart.*.js"))
        self.links = ", ".join(f"</static/js/{name}>; rel=modulepreload" for name in scripts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a page gets the header."""

        async def with_links(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Link"] = self.links
            await send(message)

        await self.app(scope, receive, with_links)
