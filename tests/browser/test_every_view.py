"""What is behind a page's choices and folds: each view, source and unfolded part, on the dark theme's phone."""

import json

import pytest

from tests import serving
from tests.browser import inspection

pytestmark = [*serving.IN_BROWSER]
_VIEWS = """() => [...document.querySelectorAll('[data-testid="stMain"] [role="radiogroup"]')].flatMap((group) =>
    [...group.querySelectorAll('[role="radio"]')].map((option) => [group.ariaLabel, option.textContent]))"""
_SAME_VIEW = ("Length of the list, K", "Metric", "Projection")
"""Choices that put other numbers, or other places of the same points, into the very view."""


@pytest.fixture(scope="module")
def phone(chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", reduced_motion="reduce")
    yield serving.new_tab(context)
    context.close()


@pytest.mark.parametrize("name", serving.PAGES, ids=lambda name: name or "overview")
def test_each_view_of_a_page_is_whole_and_readable(name, phone, demo):
    phone.complaints.clear()
    serving.visit(phone, f"{demo}/{name}")
    found = _unfolded(phone, name or "overview")
    for group, option in phone.evaluate(_VIEWS):
        if group not in _SAME_VIEW:
            phone.get_by_role("radiogroup", name=group).get_by_text(option, exact=True).click()
            found |= _seen(phone, f"{name}-{option}")
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


def _unfolded(page, name: str) -> dict[str, list[str]]:
    folds = page.locator("details:not([open]) > summary")
    if not folds.count():
        return {}
    while folds.count():
        folds.first.click()
        serving.settle(page)
    return _seen(page, f"{name}-unfolded")


def _seen(page, view: str) -> dict[str, list[str]]:
    """The faults of a view by its name, and its picture; empty where it has none."""
    found = inspection.faults(page) + inspection.barriers(page)
    inspection.photograph(page, view.replace(" ", "-").replace(":", ""))
    return {view: found} if found else {}
