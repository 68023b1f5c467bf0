"""Paths that people type and names of files that they upload: whatever they hold, nothing outside is touched."""

import io
import random

import pytest

from dssm_core.errors import UserError
from dssm_core.workspace import Workspace
from lab import uploads
from lab.log_folder import path_within
from tests.campaigns.size import cases

PIECES = (
    *("..", ".", "", "/", "//", "~", "\\", "..\\", "\0", "\n", "%2e%2e", "..;", "．．", "\u202e", "\ud800", "x" * 300),
    *(
        "may",
        "log.csv",
        "out",
        "out.csv",
        "loop",
        "logs",
        "logs-private",
        "secret.csv",
        "etc",
        "passwd",
        "proc",
        "self",
    ),
    *("<b>", "$HOME", "`id`", "'; DROP", "CON", "*.csv", "|cat", ".hidden"),
)


def _hostile(rng: random.Random) -> str:
    return rng.choice(("/", "")).join(rng.choice(PIECES) for _ in range(rng.randint(1, 4)))


@pytest.fixture
def folder(tmp_path):
    """A folder of logs with links that lead out of it, beside a secret and a folder whose name begins alike."""
    made = tmp_path / "logs"
    for path in (made / "may" / "log.csv", tmp_path / "secret.csv", tmp_path / "logs-private" / "log.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (made / "out").symlink_to(tmp_path)
    (made / "out.csv").symlink_to(tmp_path / "secret.csv")
    (made / "loop").symlink_to("loop")
    return made.resolve()


def test_no_typed_path_leads_out_of_the_folder(folder):
    found = 0
    for seed in range(cases(1000, 20_000)):
        rng = random.Random(seed)
        typed = rng.choice(("", f"{folder}/", f"{folder.parent}/", "/")) + _hostile(rng)
        try:
            path = path_within(folder, typed)
        except UserError:
            continue
        found += 1
        assert path.resolve().is_relative_to(folder) and not path.is_symlink(), f"seed {seed}: {typed!r}"
    assert found


def test_no_name_of_an_upload_is_a_path(tmp_path):
    workspace = Workspace(tmp_path / "home", bundled=None)
    for seed in range(cases(100, 1000)):
        file = io.BytesIO(b"x")
        file.name, file.file_id = _hostile(random.Random(seed)), f"id{seed}"
        path = uploads.copied(workspace, file)
        assert path.parent == workspace.home / "uploads" / file.file_id, f"seed {seed}: {file.name!r}"
        assert path.name.removeprefix("upload") in uploads.SUFFIXES, f"seed {seed}: {file.name!r}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["home"]
