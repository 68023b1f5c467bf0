"""What was deleted: moved to a hidden folder beside it, from where it can be restored for a week.

`runs/.deleted/<id>` is the folder `runs/<id>` as it was, on the same disk, also where `runs` is a link to another one.
Where `<id>` itself is a link, that is what is moved, restored or removed, and never what it leads to. What is there for
longer goes for good at the next delete.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dssm_core.errors import UserError, unknown_name
from dssm_core.stored_files import delete_folder, is_there, own_folders, sweep_folder

KEPT_DAYS = 7
"""How long what was deleted can be restored."""

_DELETED = ".deleted"

KINDS = ("datasets", "runs", "sweeps")


@dataclass(frozen=True)
class Deleted:
    """A dataset, run or sweep that can be restored. `kind`: the folder it is of; `when`: Unix seconds."""

    kind: str
    id: str
    when: float


class Trash:
    """The deleted folders of the workspace at `home`."""

    def __init__(self, home: Path):
        self._home = home

    def listed(self) -> list[Deleted]:
        """What can be restored, deleted last first."""
        found = []
        for folder in (folder for kind in KINDS for folder in own_folders(self._home / kind / _DELETED)):
            with suppress(FileNotFoundError):  # restored or removed meanwhile
                found.append(Deleted(folder.parents[1].name, folder.name, folder.lstat().st_mtime))
        return sorted(found, key=lambda one: one.when, reverse=True)

    def put(self, folder: Path) -> None:
        """Move a folder of the workspace here; what is here for too long goes for good."""
        self._remove_old()
        target = self._folder(folder.parent.name, folder.name)
        if is_there(target):  # deleted, made again under the same id, and deleted again
            delete_folder(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            sweep_folder(target.parent)
            # before it is here, or an old run would for a moment be here for too long
            os.utime(folder, follow_symlinks=False)
            folder.rename(target)
        except OSError as error:
            raise UserError(
                f"cannot move {folder} to {target.parent}: {error.strerror}; delete it for good (`delete --for-good "
                f"{folder.name}`)"
            ) from error

    def restore(self, wanted: str) -> Deleted:
        """Move a folder back to where it was; a UserError where its id is unknown here, or is taken there meanwhile."""
        found = self.find(wanted)
        folder = self._home / found.kind / found.id
        if is_there(folder):
            raise UserError(
                f"{found.kind[:-1]} {wanted} cannot be restored: there is another of that id; delete that one for good"
            )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder(found.kind, found.id).rename(folder)
        except OSError as error:
            raise UserError(f"cannot restore {folder}: {error.strerror}; see to its disk") from error
        return found

    def remove(self, wanted: str) -> Deleted:
        """Delete for good what was deleted before."""
        found = self.find(wanted)
        delete_folder(self._folder(found.kind, found.id))
        return found

    def find(self, wanted: str) -> Deleted:
        """What was deleted, by its id; a UserError names one that is not here and lists those that are."""
        listed = {one.id: one for one in self.listed()}
        if wanted not in listed:
            raise unknown_name("deleted dataset, run or sweep", wanted, listed)
        return listed[wanted]

    def _remove_old(self) -> None:
        for old in self.listed():
            if time.time() - old.when > KEPT_DAYS * 24 * 3600:
                with suppress(UserError):  # another process removes it, or the next delete will
                    delete_folder(self._folder(old.kind, old.id))

    def _folder(self, kind: str, name: str) -> Path:
        return self._home / kind / _DELETED / name
