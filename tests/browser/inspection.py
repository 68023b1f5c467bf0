"""Looks at the page that is open as a careful person would: what is broken, cut off, overlapping or hard to read."""

from pathlib import Path

from tests.serving import ROOT, settle

SCREENSHOTS = ROOT / "screenshots"
"""What the pages looked like when they were last tested; git ignores it."""
_FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")
_DRAWN = """() => !document.querySelector('[data-testid="stSkeleton"]')
    && [...document.querySelectorAll(".js-plotly-plot")].every((chart) => chart._fullLayout)"""
_NOTE_SHIFTS = """window.shift = 0; new PerformanceObserver((seen) => seen.getEntries().forEach((entry) => {
    if (!entry.hadRecentInput) window.shift += entry.value;
})).observe({ type: "layout-shift", buffered: true });"""
_MOST_SHIFT = 0.1
"""Share of the screen times how far it moved, in all: up to this a page is stable (web.dev/articles/cls)."""
_SERIOUS = ("serious", "critical")
_NOT_OURS = {
    # a table wider than a phone scrolls in a box without a tab stop; browsers since 2024 give such boxes one themselves
    "scrollable-region-focusable": '[data-testid="stTable"], [data-testid="stTable"] *',
}
"""What Streamlit's own markup does wrong where nothing of ours reaches: axe's rule → what it may say it of."""


def faults(page) -> list[str]:
    """A sentence for each fault of the page, once everything on it is drawn."""
    _wait_until_drawn(page)
    return [*page.complaints, *page.evaluate(_FAULTS)]


def note_shifts(context) -> None:
    """Have the pages that a browser's context opens note what moves by itself."""
    context.add_init_script(_NOTE_SHIFTS)


def jumps(page) -> list[str]:
    """A sentence if what was there moved while the page came."""
    _wait_until_drawn(page)
    shift = page.evaluate("() => window.shift")
    return [f"jumped by {shift:.2f} as it was drawn"] if shift > _MOST_SHIFT else []


def barriers(page) -> list[str]:
    """What axe-core finds serious or critical, such as text below a contrast of 4.5:1."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{finding['id']}: {' '.join(node['target'])}: {node['failureSummary']}"
        for finding in found
        if finding["impact"] in _SERIOUS
        for node in finding["nodes"]
        if not _is_known(page, finding["id"], node["target"][0])
    ]


def photograph(page, name: str) -> None:
    """Keep a picture of the whole page, as long as it is, in SCREENSHOTS."""
    size = page.viewport_size
    height = page.evaluate("""() => document.querySelector('[data-testid="stMain"]').scrollHeight""")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.set_viewport_size(size)


def _wait_until_drawn(page) -> None:
    settle(page)
    page.wait_for_function(_DRAWN, timeout=30_000)


def _is_known(page, rule: str, target: str) -> bool:
    known = _NOT_OURS.get(rule)
    return bool(known) and page.locator(target).first.evaluate("(element, known) => element.matches(known)", known)
