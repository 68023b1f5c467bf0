"""Gives a page its look, and its outline before its script has told anything, so that nothing jumps as it does."""

from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

INDEX = Path(st.__file__).parent / "static" / "index.html"
"""What Streamlit answers with for every page."""
_ASSETS = Path(__file__).parent.parent / "assets"


class FirstFrame:
    """Middleware: puts assets/first_frame.css and assets/look.css into the pages."""

    def __init__(self, app: ASGIApp):
        self.app = app
        files = (_ASSETS / name for name in ("first_frame.css", "look.css"))
        rules = f"<style>{''.join(file.read_text(encoding='utf-8') for file in files)}</style></head>"
        self.page = INDEX.read_text(encoding="utf-8").replace("</head>", rules).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a page that is answered gets the rules."""
        is_page = False

        async def with_rules(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start":
                is_page = is_of_page(scope, message)
                if is_page:
                    self._describe(MutableHeaders(scope=message))
            elif message["type"] == "http.response.body" and is_page:
                message = {**message, "body": b"" if message.get("more_body") else self.page}
            await send(message)

        await self.app(scope, receive, with_rules)

    def _describe(self, headers: MutableHeaders) -> None:
        """The headers told of Streamlit's file, which this is not: a browser would keep it while the rules change."""
        for name in ("content-encoding", "etag", "last-modified"):
            del headers[name]
        headers["content-length"] = str(len(self.page))


def is_of_page(scope: Scope, start: Message) -> bool:
    """Whether an answer is a page: HTML too, but deeper, are the files that are downloaded."""
    is_html = MutableHeaders(scope=start).get("content-type", "").startswith("text/html")
    return is_html and start["status"] == 200 and scope["path"].count("/") == 1
