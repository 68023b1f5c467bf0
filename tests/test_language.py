"""The table of texts: whole, without leftovers, and with the same places to fill in on both sides."""

import ast
import csv
import re
import string
from pathlib import Path

import pytest

from dssm_core.config import DESCRIPTIONS
from lab import language

ROOT = Path(__file__).parent.parent
SHOWING = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "lab").glob("*.py"))]
ALL = [*SHOWING, *sorted((ROOT / "dssm_core").glob("*.py"))]
TRANSLATORS = {"t": (0, "{}"), "counted": (1, "{{number:,}} {}s")}
"""Each function that translates, with the place of its text among its arguments and what it looks up."""


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    with language.TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def in_chinese(monkeypatch):
    monkeypatch.setattr(language, "chosen", lambda: "zh")
    table = {"run": "训练", "of {a} and {b}": "{b}、{a}", "no {}: {}": "{1}没有{0}"}
    table |= {"gone": "已删除", "gone away": "已删除"}
    monkeypatch.setattr(language, "texts", lambda: table)
    language._patterns.cache_clear()
    yield
    language._patterns.cache_clear()


def test_the_table_is_sorted_and_has_each_text_once(rows):
    english = [row[0] for row in rows[1:]]
    assert english == sorted(set(english)), "run scripts/sort_texts.py"


def test_every_text_has_its_chinese(rows):
    assert rows[0] == ["english", "chinese"]
    assert not [row for row in rows if len(row) != 2 or not row[1].strip()]


def test_both_languages_fill_in_the_same(rows):
    assert not [row for row in rows[1:] if places(row[0]) != places(row[1])]


def places(text: str) -> set[str]:
    """The names to fill in; {} counts up, as {0}, {1}, …"""
    named = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    return {name or str(place) for place, name in enumerate(named)}


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: path.stem)
def test_every_text_that_a_module_shows_is_in_the_table(path, rows):
    known = {row[0] for row in rows}
    assert not [text for text in translated(path) if text not in known]


def test_no_text_of_the_table_is_left_over(rows):
    texts = {text for path in ALL for text in [*constants(path), *translated(path)]}
    nouns = {f"{{number:,}} {text}s" for text in texts}
    left = [row[0] for row in rows[1:] if row[0] not in texts | nouns | set(DESCRIPTIONS.values())]
    # pydantic's words for a bad value
    assert not [text for text in left if not text.startswith("input should be ")]


@pytest.mark.parametrize(
    "path", [path for path in ALL if path.stem not in ("cli", "dataset")], ids=lambda path: path.stem
)
def test_every_mistake_that_the_pages_may_tell_is_in_the_table(path, rows):
    known = {row[0] for row in rows}
    assert not [text for text in mistakes(path) if text not in known]


def mistakes(path: Path) -> list[str]:
    """The sentences of the errors that a module raises for people."""
    kinds = ("UserError", "Damaged", "TrainingError", *(["ValueError"] if path.stem == "config" else []))
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    raised = [call.args[0] for call in calls if getattr(call.func, "id", "") in kinds and call.args]
    return [text for text in map(template, raised) if re.search("[a-z]{2}", text)]


def template(node: ast.expr) -> str:
    """A text as the table has it: what an f-string fills in is {}."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        return "".join(part for i, part in enumerate(parts) if part != "{}" or parts[i - 1 : i] != ["{}"])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def translated(path: Path) -> list[str]:
    """The literal texts that a module's calls translate."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    texts = []
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        place, row = TRANSLATORS.get(name, (len(call.args), ""))
        if len(call.args) > place and isinstance(call.args[place], ast.Constant):
            texts.append(row.format(call.args[place].value))
    return texts


def constants(path: Path) -> list[str]:
    """All literal texts of a module; what an f-string fills in is {}."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [text for text in map(template, nodes) if text]


def test_outside_of_a_page_texts_are_english():
    assert language.t("of {a} and {b}", a=1, b=2) == "of 1 and 2"
    assert language.told("no run: failed") == "no run: failed"


def test_a_text_is_put_into_the_language_of_the_session(in_chinese):
    assert language.t("of {a} and {b}", a=1, b=2) == "2、1"
    assert language.t("run") == "训练"


def test_a_sentence_of_the_core_is_known_by_what_stands_between_its_values(in_chinese):
    assert language.told("no article: gone away") == "已删除没有article"


def test_a_word_filled_in_may_be_a_name_and_stays(in_chinese):
    assert language.told("no article: gone") == "gone没有article"


def test_a_text_without_its_chinese_stays_english_and_is_logged(in_chinese, caplog):
    assert language.t("unheard of") == "unheard of"
    assert "unheard of" in caplog.text
