"""Every page in Chinese: nothing of it is left in English but names, ids and what the log says."""

import json
import logging
import re

import pytest
from google.protobuf.json_format import MessageToDict

from dssm_core.presets import PRESETS
from tests.pages.conftest import TRAINED
from tests.pages.test_compare import VIEWS as COMPARED

ENGLISH = re.compile(r"(?<![\w`/.@-])[A-Za-z]?[a-z']+(?: [a-z']{2,}){2,}(?![\w`/@-])")
"""Three words in a row are a phrase; names such as in_batch or recall@50 are none."""
PAGES: dict[str, dict] = {
    "app.py": {},
    "pages/learn.py": {},
    "pages/data.py": {},
    "pages/index.py": {},
    "pages/map.py": {},
    "pages/sampling.py": {"strategies": ["uniform", "funrec_mix", "mined", "same_attribute"], "uniform.blend": "ralm"},
    "pages/train.py": {},
    "pages/users.py": {"run": TRAINED, "beside": "popular-first", "article": "1"},
    "pages/compare.py": {},
}
"""Each page with the address that shows most of it."""
VIEWS = [("pages/users.py", {"run": TRAINED, "search": "nobody", "user": "gone", "beside": "none"})]
VIEWS += [("pages/compare.py", {"view": view}) for view in COMPARED if view != "Leaderboard"]
VIEWS += [
    ("pages/compare.py", {"view": view, "apart": "True"}) for view in ("Curves", "Segments", "Popularity", "Negatives")
]
VIEWS += [("pages/compare.py", {"compared": "popular-first"})]
VIEWS += [
    ("pages/data.py", {"source": source, "set_aside": "true"}) for source in ("Upload files", "Files on this machine")
]
VIEWS += [("pages/sampling.py", {"strategies": some}) for some in (["in_batch", "mixed"], ["exposed", "suppressed"])]
"""More of them, each with its page."""


@pytest.mark.parametrize(("page", "query"), [*PAGES.items(), *VIEWS])
def test_a_page_in_chinese_has_no_english_phrase(page, query, open_page, small_workspace, caplog):
    caplog.set_level(logging.WARNING, "lab.language")
    at = open_page(page, small_workspace, language="zh", **query)
    assert not at.exception
    assert not missing(caplog)
    assert not english(at)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_page_in_chinese_has_no_english_phrase(page, open_page, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "lab.language")
    at = open_page(page, tmp_path, language="zh")
    assert not missing(caplog)
    assert not english(at)


def english(at) -> list[str]:
    """What a page shows in English phrases, but for the titles of papers: before their links, or a preset's source."""
    sources = tuple(preset.source for preset in PRESETS.values())
    texts = [text for text in shown(at) if not re.search("[(<]https://", text) and not text.endswith(sources)]
    return [text for text in texts if ENGLISH.search(text)]


def missing(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "lab.language"]


def shown(at) -> list[str]:
    """Every text of a page that people see: of its elements, their choices and helps, columns and figures."""
    found: list[str] = []

    def walk(node) -> None:
        for child in getattr(node, "children", {}).values():
            proto = getattr(child, "proto", None)
            if proto is not None:
                found.extend(texts_of(child.type, MessageToDict(proto, preserving_proto_field_name=True)))
            walk(child)

    for block in at._tree.children.values():
        walk(block)
    return found


_HIDDEN = (
    "id",
    "query_param_key",
    "form_id",
    "element_id",
    "url",
    "page_script_hash",
    "icon",
    "data",
    "config",
    "page",
    "mime",
)


def texts_of(kind: str, proto: dict) -> list[str]:
    if kind == "plotly_chart":
        return figure_texts(json.loads(proto["spec"])["layout"], json.loads(proto["spec"])["data"])
    if kind == "code" or str(proto.get("body", "")).startswith("<style>"):
        return []
    found = []
    for name, value in proto.items():
        if name == "columns" and isinstance(value, str):
            found.extend(column_texts(json.loads(value)))
        elif name not in _HIDDEN:
            found.extend(_strings(value))
    return found


def column_texts(columns: dict) -> list[str]:
    settings = [column for column in columns.values() if isinstance(column, dict)]
    return [column[key] for column in settings for key in ("label", "help") if column.get(key)]


def figure_texts(layout: dict, data: list[dict]) -> list[str]:
    """Titles, names of axes and of legends, notes in the figure."""
    found = _strings([layout.get("title", {}), *(value for key, value in layout.items() if "axis" in key)])
    found += [note.get("text", "") for note in layout.get("annotations", [])]
    return found + [trace.get(key, "") for trace in data for key in ("name", "hovertemplate") if trace.get(key)]


def _strings(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for name, inner in value.items() if name not in _HIDDEN for text in _strings(inner)]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list) else []
