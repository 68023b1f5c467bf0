"""Builds the bundled demo in assets/demo: a small synthetic log and a finished run of each preset that learns from it.

Call it as `make demo` after a change that alters results, and commit what it writes.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from dssm_core.config import with_settings
from dssm_core.demo import ingest_demo
from dssm_core.manifest import write_manifest
from dssm_core.pipeline import carry_out
from dssm_core.presets import find_preset
from dssm_core.runs import EventLog, Run, describe_run
from dssm_core.workspace import BUNDLED, Workspace

PRESETS = (
    "recommended",
    "in_batch",
    "in_batch_uncorrected",
    "mixed",
    "uniform",
    "popularity",
    "ralm",
    "suppressed",
    "same_attribute",
    "exposed",
    "mined",
    "mined_alone",
    "senet",
    "youtube",
    "funrec",
    "deepmatch",
)
SETTINGS = (
    "pool.max_age_days=2",
    "eval.k=10,20,50",
    "eval.users=600",
    "tower.dim=32",
    "train.batch_size=512",
    "train.epochs=15",
)
"""News of the last two days compete, as in a real feed; the rest keeps the demo to a few MB."""


def main() -> None:
    """Write assets/demo anew."""
    shutil.rmtree(BUNDLED, ignore_errors=True)
    workspace = Workspace(BUNDLED, bundled=None)
    dataset = ingest_demo(workspace, users=1200, articles=1500, days=7, seed=1)["dataset"]
    for preset in PRESETS:
        config = with_settings(find_preset(preset).config, SETTINGS)
        folder = workspace.new_run_folder(f"demo-{preset}")
        describe_run(folder, dataset, config, preset, preset)
        carry_out(workspace, Run(folder), EventLog(folder / "events.jsonl"))
        print(preset, Run(folder).metrics()["metrics"]["recall@50"])
    (BUNDLED / "runs" / ".baselines").unlink()  # the lock of those who compute baselines
    for folder in workspace.run_folders():
        (folder / "weights.npz").unlink(missing_ok=True)  # the vectors say all that the pages ask
        write_manifest(folder)


if __name__ == "__main__":
    main()
