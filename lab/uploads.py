"""Uploaded files, copied into the workspace at once: the server would keep them in memory, all sessions' together."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from streamlit.runtime.uploaded_file_manager import UploadedFile

from dssm_core.stored_files import written
from dssm_core.workspace import Workspace

_TEXTS = (".csv", ".tsv", ".txt", ".dat", ".data", ".item", ".user")
SUFFIXES = (".parquet", *(f"{ending}.gz" for ending in _TEXTS), *_TEXTS)
"""What the names of tables end with; readers go by it."""

_DAY = 86_400


def copied(workspace: Workspace, file: UploadedFile) -> Path:
    """Where an upload lies in the workspace.

    Its own name gives the suffix alone: it may hold `..` or markup. Its id too is what a browser says it is.
    """
    suffix = next((ending for ending in SUFFIXES if file.name.lower().endswith(ending)), ".txt")
    path = _folder(workspace) / hashlib.sha256(file.file_id.encode()).hexdigest()[:32] / f"upload{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        file.seek(0)  # a copy that was made before, or broke, has read it
        with written(path) as beside, beside.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    os.utime(path.parent)  # a copy that a session still shows is not abandoned
    return path


def remove(copies: Iterable[Path]) -> None:
    """Remove copies that are no longer needed."""
    for path in copies:
        shutil.rmtree(path.parent, ignore_errors=True)


def remove_abandoned(workspace: Workspace) -> None:
    """Remove the copies that no session has shown for a day, such as those of closed tabs."""
    for folder in _folder(workspace).glob("*/"):
        with suppress(FileNotFoundError):  # another session may be removing it
            if time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "uploads"
