"""A workspace whose home is a URL: worked on in a folder of this machine, its whole datasets and runs kept at the URL.

Any filesystem that fsspec knows will do. What is whole is published, its manifest last, so that nobody sees half of it;
what others published is fetched when it is asked for, and checked by its manifest. Locks, the progress of runs, sweeps
and uploads stay on this machine: several machines that share work need a folder that they all mount instead.
"""

import hashlib
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from dssm_core.errors import UserError
from dssm_core.manifest import MANIFEST, checked, read_manifest, read_sealed
from dssm_core.processes import held_lock
from dssm_core.stored_files import damaged, whole_folder

_LISTED_SECONDS = 10.0
"""How old a list of names may be: what others publish is seen that much later."""

_FOLDER = "file://"
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")


def is_url(home: str) -> bool:
    """Whether a home is a URL that is no folder of this machine; a UserError for one that is neither."""
    scheme, separator, rest = home.partition("://")
    if separator and (not scheme or (scheme == "file" and not rest.startswith("/"))):
        raise UserError(f"bad home {home!r}: expected a folder, file:///mnt/lab, or a URL such as s3://bucket/lab")
    return bool(separator) and scheme != "file"


def as_folder(home: str) -> Path:
    """The folder that a home names: a path, or a URL such as `file:///mnt/lab`."""
    return Path(home.removeprefix(_FOLDER))


def remote_home(url: str) -> "RemoteHome":
    """What is kept at a URL, worked on under $DSSM_CACHE, else ~/.cache/dssm; a UserError where it cannot be had."""
    return _remote_home(url, Path(os.environ.get("DSSM_CACHE") or Path.home() / ".cache" / "dssm").absolute())


@cache
def _remote_home(url: str, folder: Path) -> "RemoteHome":
    return RemoteHome(url, folder / hashlib.sha256(url.encode()).hexdigest()[:16])


class RemoteHome:
    """The whole datasets and runs at a URL. `mirror`: the folder of this machine that they are worked on in."""

    def __init__(self, url: str, mirror: Path):
        self.mirror = mirror
        self.shown = re.sub(r"//[^/@]*@", "//", url)
        self._listed: dict[str, tuple[float, list[str]]] = {}
        with self._asked():
            from fsspec.core import url_to_fs

            self._files, root = url_to_fs(url)
            self._root = root.rstrip("/")

    def names(self, kind: str) -> list[str]:
        """The ids of the whole datasets ("datasets") or runs ("runs") at the URL, as of at most ten seconds ago."""
        when, names = self._listed.get(kind, (-_LISTED_SECONDS, []))
        if time.monotonic() - when >= _LISTED_SECONDS:
            names = self._names(kind, set(names))
            self._listed[kind] = time.monotonic(), names
        return names

    def _names(self, kind: str, known: set[str]) -> list[str]:
        with self._asked():
            self._files.invalidate_cache(self._place(kind))
            try:
                paths = self._files.ls(self._place(kind), detail=False)
            except FileNotFoundError:
                return []
            names = [path.rstrip("/").rpartition("/")[2] for path in paths]
            names = [name for name in names if _FILE.fullmatch(name)]
            return [name for name in names if name in known or self._files.exists(self._place(kind, name, MANIFEST))]

    def manifest(self, kind: str, name: str) -> dict:
        """The manifest of a dataset or a run at the URL; Damaged where it is not as it was written."""
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / kind / name
            folder.mkdir(parents=True)
            self._bring(kind, name, MANIFEST, folder)
            return read_sealed(folder / MANIFEST)

    def fetch(self, kind: str, name: str) -> None:
        """Bring a dataset or a run here, unless it is; Damaged where its files are not what its manifest says."""
        (self.mirror / kind).mkdir(parents=True, exist_ok=True)
        with held_lock(self.mirror / kind):
            if (self.mirror / kind / name).exists():
                return
            with whole_folder(self.mirror / kind / name) as folder:
                self._bring(kind, name, MANIFEST, folder)
                for file in read_manifest(folder)["files"]:
                    if not _FILE.fullmatch(file):
                        raise damaged(folder / MANIFEST, f"names a file {file!r}, which is never so called")
                    self._bring(kind, name, file, folder)
                    with checked(folder, file):
                        pass

    def publish(self, kind: str, name: str) -> None:
        """Copy a whole dataset or run of this machine to the URL, its manifest last."""
        folder = self.mirror / kind / name
        beside = self._place(kind, name, f".{MANIFEST}.{secrets.token_hex(4)}")
        with self._asked(f"{kind[:-1]} {name} is whole in {folder}, and `publish {name}` copies it there again"):
            self._files.makedirs(self._place(kind, name), exist_ok=True)
            for file in read_manifest(folder)["files"]:
                self._files.put_file(str(folder / file), self._place(kind, name, file))
            self._files.put_file(str(folder / MANIFEST), beside)
            self._files.mv(beside, self._place(kind, name, MANIFEST))
        self._listed.pop(kind, None)

    def delete(self, kind: str, name: str) -> None:
        """Remove a dataset or a run from the URL, its manifest first."""
        with self._asked():
            if self._files.exists(self._place(kind, name, MANIFEST)):
                self._files.rm_file(self._place(kind, name, MANIFEST))
                self._files.rm(self._place(kind, name), recursive=True)
        self._listed.pop(kind, None)

    def _bring(self, kind: str, name: str, file: str, folder: Path) -> None:
        with self._asked():
            try:
                self._files.get_file(self._place(kind, name, file), str(folder / file))
            except FileNotFoundError:
                raise damaged(self.mirror / kind / name / file, f"is not at {self.shown}") from None

    def _place(self, *names: str) -> str:
        return "/".join((self._root, *names))

    @contextmanager
    def _asked(
        self, hint: str = "see to its address, its credentials and the network, or choose another --home"
    ) -> Iterator[None]:
        """Whatever a filesystem raises becomes a UserError that names the URL."""
        try:
            yield
        except ImportError as error:
            raise UserError(f"the workspace {self.shown} needs a package that is not installed: {error}") from None
        except UserError:
            raise
        except Exception as error:
            told = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"the workspace {self.shown} cannot be used: {told}; {hint}") from error
