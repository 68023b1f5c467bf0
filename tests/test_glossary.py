"""Every concept has a sentence and a source, and is explained where it appears."""

import ast

import pytest

from lab import language
from lab.glossary import CONCEPTS, explain
from tests.test_language import SHOWING


@pytest.mark.parametrize("name", CONCEPTS)
def test_a_concept_is_one_sentence_with_a_source_to_read(name):
    concept = CONCEPTS[name]
    assert concept.text.endswith(".") and ". " not in concept.text
    assert concept.source and concept.link.startswith("https://")


def test_help_ends_with_the_source():
    told = explain("recall@K")
    assert told.startswith("The share of a user's held-out clicks") and told.endswith(
        "(https://nlp.stanford.edu/IR-book/))"
    )


def test_every_concept_is_in_both_languages():
    assert not [
        text for name, concept in CONCEPTS.items() for text in (name, concept.text) if text not in language.texts()
    ]


def test_every_concept_is_explained_on_some_page_and_none_that_is_not_there():
    assert explained() == set(CONCEPTS)


def explained() -> set[str]:
    """The names that pages ask `explain` for."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SHOWING]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", "") in ("explain", "explain_each", "explain_within")]
    return {text.value for call in named for text in call.args if isinstance(text, ast.Constant)}
