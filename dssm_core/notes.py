"""What people write about a run: a text and tags, beside its sealed files and changeable at any time.

They are in `notes.json` of the run's folder, which its manifest does not cover. If that is damaged, it is kept as
`notes.damaged.json` when they are written anew. Of a workspace at a URL they stay on this machine: what is published
there never changes.
"""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dssm_core.errors import UserError
from dssm_core.manifest import DAMAGED_NOTES, NOTES
from dssm_core.runs import Run
from dssm_core.stored_files import cannot_write, check_own, is_there, read_as, write_json

MOST_CHARACTERS = 2000
"""Of a text."""

MOST_TAGS = 20
"""Of a run."""

MOST_OF_A_TAG = 40
"""Characters of a tag."""


class Notes(BaseModel):
    """A run's text and tags. `damage`: why they could not be read, or ""."""

    model_config = ConfigDict(strict=True, frozen=True)

    text: str = ""
    tags: list[str] = []
    damage: str = ""


def read_notes(run: Run) -> Notes:
    """What was written about a run: nothing where nobody did, nor where the file is damaged, as `damage` then tells."""
    path = run.folder / NOTES
    try:
        return _checked(read_as(path, Notes)) if is_there(path) else Notes()
    except UserError:
        # without the error's words, which would have the run deleted and trained again
        return Notes(
            damage=f"the notes of run {run.id} cannot be read, and are kept as {DAMAGED_NOTES} beside new ones"
        )


def write_notes(run: Run, text: str, tags: list[str]) -> Notes:
    """Write a run's notes in place of the old ones, and return them as they now are: a tag once, without blanks around.

    A UserError where they are too long or too many, or the run ships with the project.
    """
    if run.bundled:
        raise UserError(f"run {run.id} ships with the project and takes no notes")
    check_own(run.folder)
    named = list(dict.fromkeys(re.sub(r"\s+", " ", tag).strip() for tag in tags))
    notes = _checked(Notes(text=text.strip(), tags=[tag for tag in named if tag]))
    if read_notes(run).damage:
        _keep_damaged(run.folder)
    write_json(run.folder / NOTES, notes.model_dump(include={"text", "tags"}))
    return notes


def _keep_damaged(folder: Path) -> None:
    try:
        (folder / NOTES).replace(folder / DAMAGED_NOTES)
    except OSError as error:
        raise cannot_write(folder / DAMAGED_NOTES, error) from error


def _checked(notes: Notes) -> Notes:
    if len(notes.text) > MOST_CHARACTERS:
        raise UserError(f"a note of {len(notes.text):,} characters is too long: write up to {MOST_CHARACTERS:,}")
    if len(notes.tags) > MOST_TAGS:
        raise UserError(f"{len(notes.tags)} tags are too many: give a run up to {MOST_TAGS}")
    for tag in notes.tags:
        if len(tag) > MOST_OF_A_TAG:
            raise UserError(f"the tag {tag[:MOST_OF_A_TAG]!r}… is too long: write up to {MOST_OF_A_TAG} characters")
    return notes
