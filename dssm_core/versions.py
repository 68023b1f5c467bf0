"""Which software a run was made with: Python, this project and the packages that its metrics depend on."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import dssm_core

_ROOT = Path(__file__).parent.parent
_PACKAGES = (
    "tensorflow",
    "keras",
    "deepmatch",
    "deepctr",
    "numpy",
    "pandas",
    "pyarrow",
    "faiss-cpu",
    "annoy",
    "scikit-learn",
    "pydantic",
)


def versions() -> dict:
    """`python`, `machine`, `project`, `packages`, and `commit`: with -dirty where files differ; None where unknown."""
    found = {name: _version(name) for name in _PACKAGES}
    return {
        "python": platform.python_version(),
        "machine": f"{sys.platform} {platform.machine()}",
        "project": dssm_core.__version__,
        "commit": _commit(),
        "packages": {name: number for name, number in found.items() if number},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of a checkout; None for an installed copy, or without git."""
    if not (_ROOT / ".git").exists():
        return None
    ask = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        asked = subprocess.run(ask, cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip() or None
