"""A person's way through the lab in headless Chromium: bring a log, train, look at a user, compare."""

import re
import time

import pytest

from tests.serving import IN_BROWSER, served, settle, visit

pytestmark = [*IN_BROWSER]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An empty workspace."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The folder whose files the Data page may read, with a log that takes seconds."""
    folder = tmp_path_factory.mktemp("logs")
    row = "".join(f"reader{i % 997},{i % 2003},{1_600_000_000 + i}\n" for i in range(20_000))
    (folder / "big.csv").write_text("uid,story,when\n" + row * 75)
    return folder


@pytest.fixture(scope="module")
def address(home, logs, tmp_path_factory) -> str:
    """Where a fresh server listens."""
    with served(home, tmp_path_factory.mktemp("server") / "log.txt", DSSM_LOGS=str(logs)) as url:
        yield url


def test_the_whole_journey(page, address, home):
    _see_what_the_demo_found(page, address)
    _cancel_the_reading_of_a_big_log(page, address, home)
    _make_a_demo_log(page, address)
    _train_two_epochs(page, address)
    _look_at_a_user(page)
    _compare(page, address)
    _look_at_the_map(page)
    assert page.complaints == []


def _see_what_the_demo_found(page, address):
    began = time.monotonic()
    visit(page, address)
    page.get_by_text(re.compile(r"\d+ trained runs clearly beat the best baseline")).wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_text("What was recalled").wait_for()
    assert time.monotonic() - began < 10


def _cancel_the_reading_of_a_big_log(page, address, home):
    """Nothing of it stays in the workspace, and what was chosen stays on the page."""
    visit(page, f"{address}/data")
    page.get_by_text("Files on this machine").click()
    settle(page)
    path = page.get_by_role("combobox", name="Exposures", exact=True)
    path.fill("no.csv")
    path.press("Enter")
    page.get_by_text("no such file: no.csv").wait_for()
    path.fill("big.csv")
    path.press("Enter")
    page.get_by_text("Read as UTF-8 text, separated by comma, with a header").wait_for()
    settle(page)
    column = page.get_by_role("combobox", name="article_id *")
    assert column.input_value() == "story"
    page.get_by_role("button", name="Read the files").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled: nothing of it was kept").wait_for()
    settle(page)
    assert not list((home / "datasets").iterdir())
    assert (path.input_value(), column.input_value()) == ("big.csv", "story")


def _make_a_demo_log(page, address):
    visit(page, f"{address}/data")
    for label, value in (("users", 120), ("articles", 100)):
        box = page.get_by_role("spinbutton", name=label, exact=True)
        box.fill(str(value))
        box.press("Enter")
        settle(page)
    page.get_by_role("button", name="Make the demo log").click()
    page.get_by_text(re.compile(r"^Accepted [\d,]+ of [\d,]+ rows")).wait_for(timeout=60_000)
    settle(page)
    assert "demo 120 × 100" in page.get_by_role("combobox", name="Dataset").input_value()
    page.locator(".js-plotly-plot").nth(3).wait_for(timeout=30_000)


def _train_two_epochs(page, address):
    page.get_by_role("link", name="Train on it").click()
    page.get_by_role("button", name="Start").wait_for()
    settle(page)
    epochs = page.get_by_role("spinbutton", name="train.epochs")
    epochs.fill("2")
    epochs.press("Enter")
    page.get_by_text("train.epochs = 2 (was").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("At work", exact=True).wait_for(timeout=30_000)
    # leaving the page and coming back finds the run
    visit(page, f"{address}/train")
    page.get_by_test_id("stMetric").first.wait_for(timeout=120_000)
    settle(page)
    charts = page.locator(".js-plotly-plot")
    charts.nth(3).wait_for(timeout=30_000)
    points = charts.nth(1).evaluate("chart => chart.calcdata[0].length")
    assert points == 2


def _look_at_a_user(page):
    page.get_by_role("link", name="Its users").click()
    page.get_by_role("button", name="Next with a hit").wait_for()
    settle(page)
    page.get_by_role("button", name="Next with a hit").click()
    settle(page)
    page.wait_for_url(re.compile("user="))
    found = re.compile(r"^[1-9]\d* of \d+ held-out clicks? in the 50 recalled articles")
    page.get_by_test_id("stText").filter(has_text=found).wait_for(timeout=20_000)


def _compare(page, address):
    # the baselines of a run are computed once it has finished
    deadline = time.monotonic() + 60
    visit(page, f"{address}/compare")
    while page.url.count("compared=") < 2 and time.monotonic() < deadline:
        visit(page, f"{address}/compare")
    for view in ("Leaderboard", "Missed clicks", "Segments", "Overlap"):
        page.get_by_role("radio", name=view).click()
        settle(page)
        page.locator(".js-plotly-plot").first.wait_for(timeout=30_000)
    page.wait_for_url(re.compile("compared=.*compared=.*view=Overlap|view=Overlap.*compared=.*compared="))


def _look_at_the_map(page):
    page.get_by_role("link", name="Map").click()
    settle(page)
    page.locator(".js-plotly-plot").wait_for(timeout=30_000)
    page.get_by_label("Search a title").fill("的")
    page.get_by_label("Search a title").press("Enter")
    page.get_by_text(re.compile("articles? found")).wait_for(timeout=20_000)
