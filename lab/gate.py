"""Stands before every request to the server: whose host and origin are not ours is turned away, and browsers are told
to run nothing and ask for nothing that does not come from here."""

import base64
import hashlib
import re
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.first_frame import INDEX, FirstFrame
from lab.language import LANGUAGES, telling


def layers() -> list[Middleware]:
    """The middleware of the server, outermost first."""
    hosts = st.get_option("server.allowedHosts") or ["*"]
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        Middleware(SameOrigin),
        Middleware(StrictHeaders),
        Middleware(FirstFrame),
    ]


class SameOrigin:
    """Refuses what pages of other origins ask for, but for those in server.corsAllowedOrigins.

    Streamlit alone would let in every page of this machine, whatever its port, and ask an outside service for the
    machine's address before it turned others away.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan" or is_ours(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("Refused: another origin.", 403)(scope, receive, send)


def is_ours(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, from a listed one, or from no page at all."""
    origin = headers.get("origin")
    return (
        origin is None
        or _host(origin) == headers.get("host")
        or origin in st.get_option("server.corsAllowedOrigins")
        or not st.get_option("server.enableCORS")
    )


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as http://[
        return None


class StrictHeaders:
    """Adds to every answer what a browser is to refuse: markup that slipped through can then neither run nor call."""

    def __init__(self, app: ASGIApp):
        self.app = app
        self.headers = {
            "Content-Security-Policy": content_policy(INDEX.read_text(encoding="utf-8")),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its answer gets the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, with_headers)


def content_policy(index: str) -> str:
    """The Content-Security-Policy of the pages; `index` is their HTML, whose inline scripts are let through by hash, as
    are those that tell the language."""
    scripts = re.findall(r"<script>(.*?)</script>", index, re.DOTALL) + [telling(code) for code in LANGUAGES]
    inline = [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'" for script in scripts
    ]
    return "; ".join(
        [
            "default-src 'self'",
            # Plotly's WebGL charts compile their shaders' glue with `new Function`
            " ".join(["script-src 'self' 'unsafe-eval'", *inline]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )
