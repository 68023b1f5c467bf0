"""A person's way through the lab in headless Chromium: bring a log, train, look at a user, compare."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("DSSM_REQUIRE_BROWSER") == "1"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PAGES = ("", "data", "sampling", "train", "users", "compare", "index", "map")
_OWN_HOST = re.compile(r"^(https?|wss?)://127\.0\.0\.1[:/]|^(data|blob):")
# asked for at a page's own address first, then at the server's root: Streamlit's way to find its base path
_PROBES = re.compile(r"/(data|sampling|train|users|compare|index|map)/_stcore/(health|host-config)$")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM and not REQUIRED, reason="no chromium on this machine"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """Where a fresh server listens, with an empty workspace."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log.txt").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true"],
        cwd=ROOT,
        env={**os.environ, "DSSM_HOME": str(tmp_path_factory.mktemp("home"))},
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for_health(url)
        yield url
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@pytest.fixture
def page(address):
    """A browser's page that keeps what went wrong in `page.complaints`."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "DSSM_REQUIRE_BROWSER=1, but there is no chromium on this machine"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.complaints = []
        tab.on("request", lambda request: _OWN_HOST.match(request.url) or tab.complaints.append(request.url))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("console", lambda message: _complain(tab, message))
        yield tab
        browser.close()


def test_the_whole_journey(page, address, tmp_path):
    for name in PAGES:
        _open(page, f"{address}/{name}")
        assert page.get_by_role("heading", level=1).count() == 1
    _see_what_the_demo_found(page, address)
    _mistype_a_column(page, address, tmp_path)
    _make_a_demo_log(page, address)
    _train_two_epochs(page, address)
    _look_at_a_user(page)
    _compare(page, address)
    _look_at_the_map(page)
    assert page.complaints == []


def _see_what_the_demo_found(page, address):
    began = time.monotonic()
    _open(page, address)
    page.get_by_text(re.compile(r"\d+ trained runs clearly beat the best baseline")).wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_text("What was recalled").wait_for()
    assert time.monotonic() - began < 10


def _mistype_a_column(page, address, folder):
    """It is told in a sentence, and what was typed stays."""
    (folder / "log.csv").write_text("reader,article_id\nu,a\n")
    _open(page, f"{address}/data")
    page.get_by_text("Files on this machine").click()
    _settle(page)
    path = page.get_by_label("Exposures", exact=True)
    path.fill(str(folder / "log.csv"))
    path.press("Enter")
    page.get_by_text("The files have reader, article").wait_for()
    column = page.get_by_role("combobox", name="user_id *")
    column.fill("raeder")
    column.press("Enter")
    _settle(page)
    page.get_by_role("button", name="Read the files").click()
    page.get_by_text("no column 'raeder'").wait_for()
    assert column.input_value() == "raeder"


def _make_a_demo_log(page, address):
    _open(page, f"{address}/data")
    for label, value in (("users", 120), ("articles", 100)):
        box = page.get_by_role("spinbutton", name=label, exact=True)
        box.fill(str(value))
        box.press("Enter")
        _settle(page)
    page.get_by_role("button", name="Make the demo log").click()
    page.get_by_text(re.compile(r"^Accepted [\d,]+ of [\d,]+ rows")).wait_for(timeout=60_000)
    _settle(page)
    assert "demo 120 × 100" in page.get_by_role("combobox", name="Dataset").input_value()
    page.locator(".js-plotly-plot").nth(3).wait_for(timeout=30_000)


def _train_two_epochs(page, address):
    page.get_by_role("link", name="Train on it").click()
    page.get_by_role("button", name="Start").wait_for()
    _settle(page)
    epochs = page.get_by_role("spinbutton", name="train.epochs")
    epochs.fill("2")
    epochs.press("Enter")
    page.get_by_text("train.epochs = 2 (was").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("At work", exact=True).wait_for(timeout=30_000)
    # leaving the page and coming back finds the run
    _open(page, f"{address}/train")
    page.get_by_test_id("stMetric").first.wait_for(timeout=120_000)
    _settle(page)
    charts = page.locator(".js-plotly-plot")
    charts.nth(3).wait_for(timeout=30_000)
    points = charts.nth(1).evaluate("chart => chart.calcdata[0].length")
    assert points == 2


def _look_at_a_user(page):
    page.get_by_role("link", name="Its users").click()
    page.get_by_role("button", name="Next with a hit").wait_for()
    _settle(page)
    page.get_by_role("button", name="Next with a hit").click()
    _settle(page)
    page.wait_for_url(re.compile("user="))
    found = re.compile(r"^[1-9]\d* of \d+ held-out clicks? in the 50 recalled articles")
    page.get_by_test_id("stText").filter(has_text=found).wait_for(timeout=20_000)


def _compare(page, address):
    # the baselines of a run are computed once it has finished
    deadline = time.monotonic() + 60
    _open(page, f"{address}/compare")
    while page.url.count("compared=") < 2 and time.monotonic() < deadline:
        _open(page, f"{address}/compare")
    for view in ("Leaderboard", "Missed clicks", "Segments", "Overlap"):
        page.get_by_role("radio", name=view).click()
        _settle(page)
        page.locator(".js-plotly-plot").first.wait_for(timeout=30_000)
    page.wait_for_url(re.compile("compared=.*compared=.*view=Overlap|view=Overlap.*compared=.*compared="))


def _look_at_the_map(page):
    page.get_by_role("link", name="Map").click()
    _settle(page)
    page.locator(".js-plotly-plot").wait_for(timeout=30_000)
    page.get_by_label("Search a title").fill("的")
    page.get_by_label("Search a title").press("Enter")
    page.get_by_text(re.compile("articles? found")).wait_for(timeout=20_000)


def _open(page, url):
    page.goto(url)
    _settle(page)


def _settle(page):
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]', timeout=30_000)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)


def _complain(tab, message):
    if message.type == "error" and not _PROBES.search(message.location.get("url", "")):
        tab.complaints.append(f"{message.text} ({message.location.get('url')})")


def _wait_for_health(url, seconds=40):
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
