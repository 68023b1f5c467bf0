"""The panel of what is at work, in a real browser: it disturbs nobody, and polls only while there is something."""

from contextlib import ExitStack

import pytest

from dssm_core.presets import PRESETS
from dssm_core.processes import held_lock
from dssm_core.runs import EventLog, describe_run, write_status
from dssm_core.workspace import BUNDLED, Workspace
from tests.serving import IN_BROWSER, served, settle, visit

pytestmark = [*IN_BROWSER]
_QUIET_MS = 5000
"""Twice what the panel waits from one look to the next."""


@pytest.fixture
def busy(tmp_path):
    """A workspace with a run that is at work until the fixture's stack is closed."""
    workspace = Workspace(tmp_path / "home", bundled=None)
    folder = workspace.new_run_folder("busy")
    dataset = next((BUNDLED / "datasets").iterdir()).name
    describe_run(folder, dataset, PRESETS["in_batch"].config, "my busy run", "in_batch")
    write_status(folder, "running")
    EventLog(folder / "events.jsonl")({"type": "stage", "stage": "features"})
    with ExitStack() as stack:
        stack.enter_context(held_lock(folder))
        yield folder, stack


def test_what_is_at_work_is_told_on_any_page_and_takes_no_focus_and_an_idle_page_polls_nothing(busy, page, tmp_path):
    folder, stack = busy
    received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(1)))
    with served(folder.parents[1], tmp_path / "log.txt") as url:
        visit(page, f"{url}/data")
        panel = page.get_by_test_id("stSidebar")
        panel.get_by_text("my busy run").wait_for()
        panel.get_by_text("building the features").wait_for()
        field = page.get_by_role("spinbutton", name="users", exact=True)
        field.fill("1234")
        EventLog(folder / "events.jsonl")({"type": "stage", "stage": "negatives"})
        panel.get_by_text("preparing the negatives").wait_for()
        assert field.evaluate("field => document.activeElement === field") and field.input_value() == "1234"
        write_status(folder, "failed", "it was only a test")
        stack.close()
        panel.get_by_text("my busy run: failed").wait_for()
        settle(page)
        assert field.evaluate("field => document.activeElement === field") and field.input_value() == "1234"
        before = len(received)
        page.wait_for_timeout(_QUIET_MS)
        assert len(received) == before
        field.press("Enter")
        page.wait_for_url("**demo*users=1234**")
        settle(page)
        panel.get_by_role("link", name="Open it").click()
        page.get_by_text("it was only a test").wait_for()
        panel.get_by_role("button", name="Dismiss").click()
        panel.get_by_text("my busy run: failed").wait_for(state="detached")
    assert page.complaints == []
