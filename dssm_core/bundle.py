"""A run as one zip with all that is needed to carry it out again and to see whether it comes out the same."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

from dssm_core import commands
from dssm_core.config import flatten
from dssm_core.errors import UserError
from dssm_core.manifest import read_manifest
from dssm_core.runs import ACTIVE, Run
from dssm_core.stored_files import written
from dssm_core.versions import versions
from dssm_core.workspace import Workspace

_WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip, so that the same run gives the same bytes."""

_COUNTS = ("exposures", "clicks", "users", "articles")
_MISSING = "the dataset was deleted or damaged before this bundle was made"


def bundle_run(workspace: Workspace, run: Run) -> bytes:
    """The bytes of the zip; equal for the same run beside the same dataset, where the run noted its versions.

    config.json is what `train --config` takes. A UserError for a run at work, or one whose config cannot be read.
    """
    state = run.state()
    if state.state in ACTIVE:
        raise UserError(f"run {run.id} is {state.state}: bundle it when it has ended")
    if run.problem:
        raise UserError(f"run {run.id} cannot be bundled: {run.problem}")
    events = run.events()
    files = {
        "README.txt": _readme(run, state.state, state.reason),
        "config.json": _json(flatten(run.config)),
        "dataset.json": _json(_fingerprint(workspace, run.dataset)),
        "versions.json": _json(_versions(events)),
        "events.jsonl": "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events),
        **({"metrics.json": _json(run.metrics())} if run.finished else {}),
    }
    return _zipped(files)


def write_bundle(workspace: Workspace, run: Run, path: Path) -> None:
    """Write the zip to a file, whole or not at all; a UserError where it cannot be written."""
    content = bundle_run(workspace, run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another file") from None


def _fingerprint(workspace: Workspace, dataset_id: str) -> dict:
    """What tells whether another dataset is the same: its counts and the sha256 of its files."""
    try:
        manifest = read_manifest(workspace.dataset_folder(dataset_id))
    except UserError:
        # without the error's words, which name folders of this machine
        return {"id": dataset_id, "missing": _MISSING}
    files = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    counts = {name: manifest.get(name) for name in _COUNTS}
    return {"id": dataset_id, "name": manifest["name"], "format": manifest["format"], **counts, "files": files}


def _versions(events: list[dict]) -> dict:
    """Those that the run was made with; of a run that did not note them, those that are here."""
    noted = next((event for event in reversed(events) if event["type"] == "versions"), None)
    if noted is None:
        return {"of": "the bundle: the run did not note its own", **versions()}
    told = {name: value for name, value in noted.items() if name not in ("type", "seq", "time", "clock")}
    return {"of": "the run", **told}


def _readme(run: Run, state: str, reason: str) -> str:
    again = commands.line(None, "train", dataset=run.dataset, config="config.json", name=run.name)
    asked = commands.train(None, run.dataset, run.preset, run.config, run.name)
    return f"""Run {run.id}: {run.name or run.preset or run.model}
State: {state}{f" ({reason})" if reason else ""}. Seed {run.config.seed}.

To run it again, in a checkout of the recall lab of the version in versions.json and its Python environment, in the
folder that this file is unpacked to:

    {again}

The dataset must be the one in dataset.json: `python -m dssm_core datasets` lists ids and counts, and the manifest.json
of its folder has the sha256 of each file. If it has another id there, put that after --dataset. The same dataset,
config, seed, versions and kind of machine give the same metrics. The same without config.json:

    {asked}

config.json    every knob, as `train --config` reads it
dataset.json   id, name, counts and the sha256 of the dataset's files
versions.json  Python, the project and the packages
events.jsonl   what the run told while it was at work: its curves
metrics.json   what came out, of a run that finished
"""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _zipped(files: dict[str, str]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, text.encode())
    return content.getvalue()
