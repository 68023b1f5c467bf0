"""Mappings that worked, kept in the workspace by the columns they are for, and offered when those come again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dssm_core.canonical import CANONICAL
from dssm_core.errors import Damaged, UserError
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace


@dataclass(frozen=True)
class SavedMapping:
    """How a file's columns were taken: `columns` gives its column for canonical ones ("": left out); the click rule."""

    columns: dict[str, str]
    click: str = ""


def mapping_path(workspace: Workspace, table: str, names: tuple[str, ...]) -> Path:
    """Where the mapping of a table with these column names is kept."""
    signature = hashlib.sha256(json.dumps([table, *names]).encode()).hexdigest()
    return workspace.home / "mappings" / f"{signature[:32]}.json"


def save_mapping(workspace: Workspace, table: str, names: tuple[str, ...], mapping: SavedMapping) -> None:
    """Keep a mapping for the next file with these column names."""
    path = mapping_path(workspace, table, names)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(mapping))


def saved_mapping(workspace: Workspace, table: str, names: tuple[str, ...]) -> SavedMapping | None:
    """The mapping kept for these column names, if any. A UserError for a file that holds none that fits them."""
    path = mapping_path(workspace, table, names)
    if not path.exists():
        return None
    try:
        mapping = SavedMapping(**read_json(path))
        fits = set(mapping.columns) <= set(CANONICAL[table]) and set(mapping.columns.values()) <= {"", *names}
        fits = fits and isinstance(mapping.click, str)
    except (Damaged, TypeError, AttributeError):
        fits = False
    if not fits:
        raise UserError(f"the mapping kept in {path} does not fit these columns and is ignored: remove the file")
    return mapping
