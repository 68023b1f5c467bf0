"""Serves the lab as `streamlit run app.py` does, and looks at it in headless Chromium."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RUN = (sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true")
REQUIRED = os.environ.get("DSSM_REQUIRE_BROWSER") == "1"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PAGES = ("", *sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
"""The addresses of all pages below the server's."""
IN_BROWSER = (
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM and not REQUIRED, reason="no chromium on this machine"),
)
"""The marks of tests that look at pages."""
_OWN_HOST = re.compile(r"^(https?|wss?)://127\.0\.0\.1[:/]|^(data|blob):")
# asked for at a page's own address first, then at the server's root: Streamlit's way to find its base path
_PROBES = re.compile(rf"/({'|'.join(PAGES[1:])})/_stcore/(health|host-config)$")
# Chromium's own words on drawing without a graphics card
_DRIVER = "GL Driver Message"


@contextmanager
def served(home: Path, log: Path, *flags: str, port: int = 0, **environment: str) -> Iterator[str]:
    """Serve the workspace `home` while the body runs, on a free port unless one is given; yields the address, such as
    http://127.0.0.1:80."""
    port = port or free_port()
    with log.open("w") as file:
        server = subprocess.Popen(
            [*RUN, f"--server.port={port}", *flags],
            cwd=ROOT,
            env={**os.environ, "DSSM_HOME": str(home), **environment},
            stdout=file,
            stderr=file,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for_health(server, url)
            yield url
        finally:
            server.terminate()
            server.wait(20)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def browsing() -> Iterator:
    """A page of headless Chromium that keeps what went wrong in `page.complaints`."""
    with chromium() as browser:
        yield new_tab(browser.new_context(viewport={"width": 1280, "height": 800}))


@contextmanager
def chromium() -> Iterator:
    """Headless Chromium with an empty profile."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "DSSM_REQUIRE_BROWSER=1, but there is no chromium on this machine"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def new_tab(context):
    """A page of a browser's context: `complaints` holds errors and warnings of its console, and calls elsewhere."""
    tab = context.new_page()
    tab.complaints = []
    tab.on("request", lambda request: _OWN_HOST.match(request.url) or tab.complaints.append(request.url))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("console", lambda message: _complain(tab, message))
    return tab


def visit(page, url: str) -> None:
    """Open an address and wait until its script has run."""
    page.goto(url)
    # before the script begins, its state reads as if it had ended
    page.wait_for_selector("h1", state="attached", timeout=60_000)
    settle(page)


def settle(page) -> None:
    """Wait until the page is connected, its script has run, and what it drew has taken the place of what was there.

    The browser fetches the code of each kind of widget when the first is drawn; until then a skeleton stands there.
    """
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # a click's
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]', timeout=30_000)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)
    page.wait_for_selector('[data-stale="true"]', state="detached", timeout=30_000)
    page.wait_for_selector('[data-testid="stSkeleton"]', state="detached", timeout=30_000)


def _complain(tab, message) -> None:
    expected = _PROBES.search(message.location.get("url", "")) or _DRIVER in message.text
    if message.type in ("error", "warning") and not expected:
        tab.complaints.append(f"{message.text} ({message.location.get('url')})")


def _wait_for_health(server: subprocess.Popen, url: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).read()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
