"""Hostile titles and names in a real browser: none becomes markup, runs, or asks for anything."""

import itertools
from collections.abc import Callable
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from dssm_core.misses import REASONS
from lab import compare_figures, compare_report, figures
from tests.campaigns import hostile
from tests.campaigns.hostile import BESIDE, DATASET, FAILED, TRAINED
from tests.campaigns.size import cases
from tests.serving import IN_BROWSER, browsing, served, settle, visit

pytestmark = [*IN_BROWSER]
ROUND = 25
FOUND = """() => {
    const found = [];
    if (window.__pwned) found.push("a script ran");
    const injected = "a[href*='//evil'], a[href*='www.evil'], a[href^=mailto], a[href^=javascript], [style*=evil], "
        + "img[src*=evil], img[src=x], iframe:not([title]), base, svg[onload], [onerror], meta[http-equiv=refresh]";
    for (const element of document.querySelectorAll(injected)) found.push(element.outerHTML.slice(0, 200));
    for (const formula of document.querySelectorAll(".katex"))
        if (/mk/.test(formula.textContent)) found.push("a formula out of " + formula.textContent.slice(0, 50));
    for (const element of document.querySelectorAll("svg a")) found.push(element.outerHTML.slice(0, 200));
    for (const icon of document.querySelectorAll("[data-testid=stIconMaterial]"))
        if (icon.textContent == "skull") found.push("an icon out of :material/skull:");
    if (document.body.innerText.includes("\\u{1F604}")) found.push("a face out of :smile:");
    const marked = "strong, b, em, i, del, code, sub, sup, h1 h1, li, blockquote, td, th, tspan[style*=bold], "
        + "tspan[style*=italic], tspan[style*=baseline-shift], tspan[style*='font-size'], span[style*=color]";
    for (const element of document.querySelectorAll(marked))
        if (/^mk\\d+$/.test(element.textContent.trim())) found.push(element.outerHTML.slice(0, 200));
    return found;
}"""


def injected(page) -> list[str]:
    """What of a page is no text though it came as text."""
    return page.evaluate(FOUND)


@pytest.fixture
def page():
    with browsing() as tab:
        yield tab


def looks(some: list[str]) -> dict[str, Callable]:
    """Everything there is to look at, all pages first, by name: functions of a page and the lab's address."""
    user = {"user": some[0], "k": 5}
    views = ("Curves", "Segments", "Popularity", "Overlap", "Negatives", "Configs")
    runs = ["popular-first", TRAINED, BESIDE]
    filters = lambda page: page.get_by_role("button", name="Filter by attributes").click()  # noqa: E731
    return {
        "overview": at(""),
        "data": at("data", dataset=DATASET),
        "sampling": at("sampling", dataset=DATASET, user=some[0], strategies=["uniform", "same_attribute"]),
        "train": at("train", dataset=DATASET, run=TRAINED, then=opened("All other knobs")),
        "train, a failed run": at("train", run=FAILED, then=opened("The last lines of its log")),
        "users, two runs": at("users", run=TRAINED, beside=BESIDE, **user, then=opened("What either recalls")),
        "users, an article": at("users", run=TRAINED, article=some[0], **user),
        "compare, Missed clicks": at("compare", compared=runs, k=5, view="Missed clicks", then=filters),
        "index": at("index", run=TRAINED),
        "map": at("map", run=TRAINED, title="mk", colour="category", **user),
        "compare": at("compare", compared=runs, k=5),
        "compare, filtered": at("compare", compared=runs, k=5, **{"article.cate": some[0], "user.city": some[0]}),
        "users of nowhere": at("users", run=some[5], user=some[6] + "?", article=some[7] + "?"),
        "map of nowhere": at("map", run=some[9], user=some[10] + "?", title=some[11]),
        "compare of nowhere": at("compare", compared=some[8:12]),
        "users, another article": at("users", run=TRAINED, article=some[1], **user),
        "train, sweep": at("train", dataset=DATASET, what="Sweep: presets × seeds"),
        **{f"compare, {view}": at("compare", compared=runs, view=view, k=5) for view in views},
    }


def at(path: str, then: Callable | None = None, **query: object) -> Callable:
    """A look at a page of the lab under a query, after `then` was done to it."""

    def look(page, address: str) -> None:
        visit(page, f"{address}/{path}?{urlencode(query, doseq=True)}")
        if then:
            then(page)
            settle(page)
        hover(page)

    return look


def opened(expander: str) -> Callable:
    return lambda page: page.get_by_text(expander).first.click()


def hover(page) -> None:
    """Move over the charts, for what they show then."""
    for chart in page.locator(".js-plotly-plot .draglayer").all()[:4]:
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
        for across, down in itertools.product((0.3, 0.6), (0.2, 0.5, 0.8)):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])


def test_text_that_became_markup_would_be_found(page):
    page.set_content("".join(f"<p>{text}</p>" for text in hostile.ALL if "refresh" not in text).replace("{i}", "1"))
    found = injected(page)
    assert "a script ran" in found
    for tag in ("<img", "<a", "<iframe", "<span", "<base", "<svg", "<b", "<sub"):
        assert any(what.startswith(tag) for what in found), tag
    assert any("evil.example" in what for what in page.complaints)


def test_hostile_text_is_text_in_an_exported_comparison(page):
    some = hostile.texts(np.random.default_rng(0), 60)
    rows = [{"run": text, "reason": reason, "share": 0.2, "clicks": 9} for text in some for reason in REASONS]
    shares = pd.DataFrame(np.eye(len(some)), index=some, columns=some)
    drawn = [compare_figures.reasons(pd.DataFrame(rows), "run", 5), figures.overlap(shares, 5)]
    html = compare_report.page(some[0], [(text, [text], [shares.head(2)]) for text in some] + [("", [], drawn)])
    page.route("http://127.0.0.1/report", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("http://127.0.0.1/report")
    page.locator(".js-plotly-plot .draglayer").nth(1).wait_for()
    hover(page)
    assert injected(page) + page.complaints == []


@pytest.mark.parametrize("number", range(cases(1, 8)))
def test_hostile_text_is_text_on_every_page(number, tmp_path, page):
    some = hostile.texts(np.random.default_rng(number), ROUND * cases(1, 8))[number * ROUND :][:ROUND]
    hostile.workspace(tmp_path / "home", some)
    wrong = []
    with served(tmp_path / "home", tmp_path / "log.txt") as address:
        page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        for name, look in itertools.islice(looks(some).items(), cases(10, 100)):
            look(page, address)
            wrong += [f"{name}: {what}" for what in [*injected(page), *page.complaints]]
            wrong += [f"{name}: no page" for error in page.get_by_test_id("stException").all()]
            page.complaints.clear()
    assert not wrong, f"round {number}:\n" + "\n".join(wrong)
