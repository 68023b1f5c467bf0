"""Every page, opened cold by its address in both themes and three widths, as a careful person would look at it."""

import pytest

from tests import serving
from tests.browser import inspection

pytestmark = [*serving.IN_BROWSER]
WIDTHS = {1280: 800, 1920: 1080, 390: 844}
"""The widths that the pages are made for, with the heights of their screens."""


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=WIDTHS)
def width(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def screen(chromium, theme, width):
    """A tab of that theme and width, whose scripts are warm after the first page."""
    size = {"width": width, "height": WIDTHS[width]}
    context = chromium.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
    inspection.note_shifts(context)
    yield serving.new_tab(context)
    context.close()


@pytest.mark.parametrize("name", serving.PAGES, ids=lambda name: name or "overview")
def test_a_page_is_whole_and_readable(name, screen, theme, width, demo):
    screen.complaints.clear()
    serving.visit(screen, f"{demo}/{name}")
    # on a phone choices stand below each other, and Streamlit draws some only once their scripts are there
    found = inspection.jumps(screen) if width > 390 else []
    found += inspection.faults(screen) + inspection.barriers(screen)
    inspection.photograph(screen, f"{name or 'overview'}-{theme}-{width}")
    assert not found, "\n".join(found)
