"""Gives a page its look, and its outline before its script has told anything, so that nothing jumps as it does."""

from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATIC = Path(st.__file__).parent / "static"
INDEX = _STATIC / "index.html"
"""What Streamlit answers with for every page."""
_ASSETS = Path(__file__).parent.parent / "assets"
_OF_EARLIER = (b"if-none-match", b"if-modified-since", b"range")
"""Headers of a request that ask for a page as it was, or for a part of it."""


class FirstFrame:
    """Middleware: puts assets/first_frame.css and assets/look.css into the pages.

    It also has the browser load ahead, while the server still computes the first page, the script that draws charts:
    by far the largest of Streamlit's, and otherwise asked for only when the first chart is there.
    """

    def __init__(self, app: ASGIApp):
        self.app = app
        files = (_ASSETS / name for name in ("first_frame.css", "look.css"))
        rules = f"<style>{''.join(file.read_text(encoding='utf-8') for file in files)}</style></head>"
        self.page = INDEX.read_text(encoding="utf-8").replace("</head>", rules).encode()
        scripts = sorted(path.name for path in (_STATIC / "static" / "js").glob("PlotlyChart.*.js"))
        self.links = ", ".join(f"</static/js/{name}>; rel=modulepreload" for name in scripts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a page that is answered gets the rules."""
        if scope["type"] == "http" and _is_of_page(scope["path"]):
            asked = [header for header in scope["headers"] if header[0].lower() not in _OF_EARLIER]
            await self.app({**scope, "headers": asked}, receive, self._with_rules(send))
        else:
            await self.app(scope, receive, send)

    def _with_rules(self, send: Send) -> Send:
        is_page = False

        async def sending(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = message["status"] == 200 and headers.get("content-type", "").startswith("text/html")
                if is_page:
                    self._describe(headers)
            elif message["type"] == "http.response.body" and is_page:
                message = {**message, "body": b"" if message.get("more_body") else self.page}
            await send(message)

        return sending

    def _describe(self, headers: MutableHeaders) -> None:
        """The headers told of Streamlit's file, which this is not: a browser would keep it while the rules change."""
        for name in ("content-encoding", "etag", "last-modified"):
            del headers[name]
        headers["content-length"] = str(len(self.page))
        headers["Link"] = self.links


def _is_of_page(path: str) -> bool:
    """Whether an address may be a page's: those of files have a suffix, also of the HTML that is downloaded."""
    return "." not in path.rpartition("/")[2]
