"""Every page: opened cold in an empty workspace and in a full one, without an exception."""

import pytest

NAMES = ("learn", "data", "sampling", "train", "users", "compare", "index", "map")
PAGES = ("app.py", *(f"pages/{name}.py" for name in NAMES))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_in_an_empty_workspace_and_says_what_to_do(page, open_page, tmp_path):
    at = open_page(page, tmp_path)
    assert not at.exception
    assert at.title
    assert any(word in text for text in _texts(at) for word in ("dataset", "run"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_in_a_full_workspace_without_an_error(page, open_page, small_workspace):
    at = open_page(page, small_workspace)
    assert not at.exception
    assert not at.error


def _texts(at) -> list[str]:
    return [element.value for kind in (at.markdown, at.text, at.info, at.caption) for element in kind]
