"""What the tests in a browser share: one headless Chromium, and one server that shows the bundled demo."""

import pytest

from tests import serving


@pytest.fixture(scope="package")
def chromium():
    """Headless Chromium, started once; each test opens contexts of its own, which share nothing."""
    with serving.chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def demo(tmp_path_factory) -> str:
    """The address of a server with an empty workspace, which shows the bundled demo."""
    with serving.served(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


@pytest.fixture
def page(chromium):
    """A page of a fresh browser, 1280 × 800, that keeps what went wrong in `page.complaints`."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield serving.new_tab(context)
    context.close()
