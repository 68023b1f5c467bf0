"""Take the two pictures of README.md: the Overview of the bundled demo in the light and the dark theme.

Needs requirements-dev.txt and a Chromium.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright

from tests.serving import CHROMIUM, FLAGS, served, visit


def main() -> None:
    """Write assets/overview-light.png and assets/overview-dark.png."""
    # its name is in the pictures
    home = Path(tempfile.gettempdir()) / "workspace"
    with tempfile.TemporaryDirectory() as logs, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        with served(home, Path(logs) / "log.txt") as address:
            for theme in ("light", "dark"):
                page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=theme)
                visit(page, address)
                page.locator(".js-plotly-plot .main-svg").first.wait_for()
                page.screenshot(path=ROOT / "assets" / f"overview-{theme}.png")
        browser.close()


if __name__ == "__main__":
    main()
