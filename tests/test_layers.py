"""Who may import whom, read from the sources; and what opening a page pays for, tried in a fresh process."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "dssm_core").glob("*.py"))
PAGES = [
    ROOT / "app.py",
    *sorted((ROOT / "pages").glob("*.py")),
    *sorted((ROOT / "lab").glob("*.py")),
]
HEAVY = ("tensorflow", "keras", "deepmatch", "deepctr", "ray")


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_knows_nothing_of_the_pages(path):
    assert not imported(path) & {"streamlit", "plotly", "lab", "pages", "app"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_page_imports_what_only_training_needs(path):
    assert not imported(path) & set(HEAVY)


def test_the_shared_package_imports_no_page():
    for path in (ROOT / "lab").glob("*.py"):
        assert not imported(path) & {"pages", "app"}


def test_importing_all_that_pages_import_loads_neither_tensorflow_nor_ray():
    modules = sorted({module for path in PAGES for module in core_modules(path)})
    script = f"import sys, {', '.join(modules)}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_ray_is_imported_only_where_a_job_is_handed_to_it(path):
    assert "ray" not in imported(path) or path.name.startswith("ray_")


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, also inside functions."""
    return {module.split(".")[0] for module in _modules(path)}


def core_modules(path: Path) -> set[str]:
    """The modules of dssm_core that a file imports."""
    known = {f"dssm_core.{file.stem}" for file in CORE}
    return {module for module in _modules(path) if module in known}


def _modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def dict_keys(file: str, name: str) -> set[str]:
    """The keys of a module's dict, without importing the module."""
    for node in ast.parse((ROOT / "dssm_core" / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and node.target.id == name:
            return {key.value for key in node.value.keys}
    raise LookupError(name)
