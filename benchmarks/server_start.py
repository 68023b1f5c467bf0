"""Starts the lab as `streamlit run app.py` does and waits until headless Chromium has painted the Overview."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
_PAINTED = ".js-plotly-plot .main-svg"
"""The Overview's chart, which stands behind its first sentence."""
_SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


@contextmanager
def browser() -> Iterator:
    """Headless Chromium, started before anything is timed."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        yield started
        started.close()


@contextmanager
def painted_server(chromium) -> Iterator[tuple[float, psutil.Process]]:
    """A server with an empty workspace, seen once: the seconds from its start to the first paint, and its process."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            f"--server.port={port}",
            "--server.headless=true",
        ]
        environment = {**os.environ, "DSSM_HOME": home}
        started = time.perf_counter()
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            _open(page, port, server)
            page.wait_for_selector(_PAINTED, timeout=60_000)
            seconds = time.perf_counter() - started
            page.wait_for_selector(_SETTLED, timeout=60_000)
            yield seconds, psutil.Process(server.pid)
        finally:
            page.close()
            server.terminate()
            server.wait(20)


def _open(page, port: int, server: subprocess.Popen) -> None:
    """Go to the server as soon as it listens."""
    while server.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                page.goto(f"http://127.0.0.1:{port}")
                return
        time.sleep(0.01)
    raise RuntimeError("the server ended before it listened: its words are above")
