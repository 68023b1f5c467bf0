"""A log in parts: the files of a folder, or those that a pattern names, in the order of their names."""

from collections.abc import Iterable
from pathlib import Path

from dssm_core.errors import UserError

_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")
"""How the names of the parts in a folder end; what else lies there is no part."""


def log_parts(path: Path) -> list[Path]:
    """The files that a path names: itself, the parts in a folder, or what a pattern such as `logs/part-*.csv` matches.

    Of a folder or a pattern, hidden files and those of no bytes, which programs that write in parts leave beside, are
    left out. A UserError where no part is left.
    """
    if path.is_dir():
        return _parts(path, (file for file in path.iterdir() if file.name.lower().endswith(_ENDINGS)))
    if path.exists() or not set("*?[") & set(str(path)):
        return [path]
    root = Path(path.anchor)
    return _parts(path, root.glob(str(path.relative_to(root))))


def _parts(path: Path, found: Iterable[Path]) -> list[Path]:
    parts = sorted(file for file in found if _is_part(file))
    if not parts:
        raise UserError(
            f"{path} names no parts of a log: expected files that are not empty"
            f"{', their names ending with ' + ', '.join(_ENDINGS) if path.is_dir() else ''}; name the log itself"
        )
    return parts


def _is_part(file: Path) -> bool:
    return not file.name.startswith((".", "_")) and file.is_file() and file.stat().st_size > 0
