"""What people do in the lab, from the first to the last click, in headless Chromium."""

import re
from pathlib import Path

import pytest

from dssm_core.demo import write_demo
from tests import serving
from tests.serving import IN_BROWSER, new_tab, settle, visit

pytestmark = [*IN_BROWSER]
SCREEN = {"width": 1280, "height": 800}


def test_the_language_is_the_browsers_until_it_is_switched(chromium, demo):
    with chromium.new_context(viewport=SCREEN, locale="zh-CN") as context:
        page = new_tab(context)
        visit(page, f"{demo}/users")
        page.get_by_role("heading", name="用户", level=1).wait_for()
        page.locator("html[lang=zh]").wait_for(state="attached")
        page.get_by_role("radio", name="English").click()
        page.get_by_role("heading", name="Users", level=1).wait_for()
        page.locator("html[lang=en]").wait_for(state="attached")
        page.get_by_role("link", name="Compare").first.click()
        page.get_by_role("heading", name="Compare", level=1).wait_for()
        settle(page)
        page.reload()
        settle(page)
        page.get_by_role("heading", name="Compare", level=1).wait_for()
        assert page.complaints == []
    with chromium.new_context(viewport=SCREEN, locale="en-US") as context:
        page = new_tab(context)
        visit(page, f"{demo}/data?language=zh&source=Upload files")
        page.get_by_role("heading", name="数据", level=1).wait_for()
        upload = page.get_by_test_id("stFileUploaderDropzone").first.locator("button p")
        assert upload.evaluate("said => getComputedStyle(said, '::after').content") == '"上传"'


def test_what_compare_shows_is_seen_by_whoever_gets_its_address(chromium, demo):
    with chromium.new_context(viewport=SCREEN) as context:
        page = new_tab(context)
        visit(page, f"{demo}/compare?compared=demo-in_batch&compared=demo-uniform&compared=demo-exposed")
        for choice in ("20", "Segments"):
            page.get_by_role("radio", name=choice, exact=True).click()
            settle(page)
        page.wait_for_url(re.compile("view=Segments"))
        address, seen = page.url, _seen(page)
    with chromium.new_context(viewport=SCREEN) as context:
        page = new_tab(context)
        visit(page, address)
        assert _seen(page) == seen
        assert page.url == address


def _seen(page) -> list[str]:
    """The titles of the charts and what is chosen, once all is drawn."""
    settle(page)
    page.locator(".js-plotly-plot .gtitle").nth(1).wait_for(timeout=60_000)
    return (
        page.locator(".js-plotly-plot .gtitle").all_text_contents()
        + page.get_by_role("radio", checked=True).all_text_contents()
    )


def test_users_are_gone_through_by_keyboard(chromium, demo):
    with chromium.new_context(viewport=SCREEN) as context:
        page = new_tab(context)
        visit(page, f"{demo}/users?run=demo-in_batch&beside=demo-uniform")
        first = _user(page)
        page.keyboard.press("n")
        page.wait_for_function(_OTHER_USER, arg=first)
        settle(page)
        page.keyboard.press("p")
        page.wait_for_url(re.compile(f"user={first}"))
        settle(page)
        page.keyboard.press("m")
        page.wait_for_function(_OTHER_USER, arg=first)
        settle(page)
        page.get_by_text(re.compile(r"^\d+ of \d+ held-out clicks? in the 50 recalled articles")).first.wait_for()
        page.keyboard.press("s")
        page.wait_for_url(re.compile("run=demo-uniform"))
        settle(page)
        assert "beside=demo-in_batch" in page.url
        chosen = _user(page)
        # letters that are typed are letters
        page.get_by_role("textbox", name="Search").press_sequentially("npms")
        assert _user(page) == chosen
        assert page.complaints == []


_OTHER_USER = "user => new URL(location).searchParams.get('user') !== user"


def _user(page) -> str:
    return page.evaluate("() => new URL(location).searchParams.get('user')")


@pytest.fixture
def log(tmp_path) -> Path:
    """The folder of a small log of one's own, with a file beside it that is none."""
    write_demo(tmp_path / "log", users=120, articles=100, days=4, seed=2)
    (tmp_path / "log" / "faulty.txt").write_text("this is\nno log\n")
    return tmp_path / "log"


def test_a_log_of_ones_own_is_uploaded_and_its_run_outlives_a_killed_server(chromium, tmp_path, log):
    """A faulty file first; train, leave, come back, cancel, resume; the server killed and started again meanwhile."""
    port = serving.free_port()
    server = (tmp_path / "home", tmp_path / "server.txt")
    with chromium.new_context(viewport=SCREEN) as context:
        page = new_tab(context)
        with serving.served(*server, port=port) as address:
            _upload(page, address, log)
            _train_leave_cancel_resume(page, address)
        assert "The lab does not answer" in _told_of_the_server(page)
        with serving.served(*server, port=port):
            page.get_by_role("dialog").wait_for(state="detached", timeout=60_000)
            settle(page)
            _in_sidebar(page).get_by_role("button", name="Cancel").click(timeout=60_000)
            _in_sidebar(page).get_by_text(re.compile("cancelled$")).wait_for(timeout=60_000)


def _upload(page, address: str, log: Path) -> None:
    visit(page, f"{address}/data")
    page.get_by_role("radio", name="Upload files").click()
    settle(page)
    page.get_by_role("combobox", name="Format").fill("yidian")
    page.get_by_role("combobox", name="Format").press("Enter")
    settle(page)
    exposures = page.get_by_test_id("stFileUploader").first.locator("input")
    exposures.set_input_files(log / "faulty.txt")
    page.get_by_role("button", name="Remove faulty.txt").wait_for()
    settle(page)
    page.get_by_role("button", name="Read the files").click()
    page.get_by_text(re.compile("faulty.txt has 1 tab-separated columns")).wait_for(timeout=60_000)
    settle(page)
    page.get_by_role("button", name="Remove faulty.txt").click()
    page.get_by_role("button", name="Remove faulty.txt").wait_for(state="detached")
    settle(page)
    exposures.set_input_files(log / "train_data.txt")
    page.get_by_role("button", name="Remove train_data.txt").wait_for()
    settle(page)
    page.get_by_role("button", name="Read the files").click()
    page.get_by_text(re.compile(r"^Accepted [\d,]+ of [\d,]+ rows")).wait_for(timeout=60_000)


def _train_leave_cancel_resume(page, address: str) -> None:
    page.get_by_role("link", name="Train on it").click()
    page.get_by_role("button", name="Start").wait_for()
    settle(page)
    # minutes of steps, so that no machine is done with them before the run is cancelled
    for knob, value in (("train.epochs", "900"), ("train.batch_size", "8")):
        page.get_by_role("spinbutton", name=knob).fill(value)
        page.get_by_role("spinbutton", name=knob).press("Enter")
        page.wait_for_url(re.compile(f"{knob}(=|%3D){value}"))
        settle(page)
    page.get_by_role("button", name="Start").click()
    _in_sidebar(page).get_by_role("button", name="Cancel").wait_for(timeout=60_000)
    visit(page, f"{address}/learn")
    _in_sidebar(page).get_by_text(re.compile("train")).first.wait_for(timeout=60_000)
    _in_sidebar(page).get_by_role("link", name="Watch on Train").click()
    page.get_by_text("At work", exact=True).wait_for()
    _in_sidebar(page).get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Resume").wait_for(timeout=60_000)
    settle(page)
    page.get_by_role("button", name="Resume").click()
    _in_sidebar(page).get_by_role("button", name="Cancel").wait_for(timeout=60_000)


def _told_of_the_server(page) -> str:
    """What the browser itself puts into Streamlit's dialog."""
    dialog = page.get_by_role("dialog")
    dialog.wait_for(timeout=60_000)
    return dialog.evaluate("dialog => getComputedStyle(dialog.querySelector('h2'), '::after').content")


def _in_sidebar(page):
    return page.get_by_test_id("stSidebar")
