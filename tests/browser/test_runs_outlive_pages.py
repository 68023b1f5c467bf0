"""Starts and stops from a real browser: a double click starts one run, which outlives the tab."""

import re

from dssm_core.runs import ACTIVE, list_runs
from dssm_core.workspace import Workspace
from tests.real_runs import wait, wait_until_gone
from tests.serving import IN_BROWSER, new_tab, served, settle, visit

pytestmark = [*IN_BROWSER]


def test_a_double_click_starts_one_run_which_outlives_the_tab(tmp_path, chromium):
    workspace = Workspace(tmp_path / "home", bundled=None)
    with served(workspace.home, tmp_path / "log.txt") as url:
        for clicks in (2, 3):
            with chromium.new_context() as context:
                page = new_tab(context)
                visit(page, f"{url}/train")
                page.get_by_role("button", name="Start", exact=True).click(click_count=clicks, delay=50)
                page.get_by_role("button", name="Cancel").first.wait_for()
                settle(page)
            (run,) = [run for run in list_runs(workspace) if run.state().state in ACTIVE]
            with chromium.new_context() as context:
                page = new_tab(context)
                visit(page, f"{url}/train")
                page.get_by_role("button", name="Cancel").first.click()
                page.get_by_text(re.compile("stopping|cancelled")).locator("visible=true").first.wait_for(timeout=5000)
                wait(run, "cancelled")
                wait_until_gone(run.folder)
                page.get_by_role("button", name="Resume").wait_for()
                assert page.complaints == []
    assert len([run for run in list_runs(workspace) if run.model == "two_tower"]) == 2
