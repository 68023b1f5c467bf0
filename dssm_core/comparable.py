"""Which runs can be compared: those that were tested on the same clicks, with the same articles to choose from."""

import hashlib
import json

from dssm_core.config import Config


def comparison_key(dataset_id: str, config: Config) -> str:
    """Eight hex digits that runs share when dataset, split, pool and evaluated users are the same."""
    same = {
        "dataset": dataset_id,
        "split": config.split.model_dump(),
        "pool": config.pool.model_dump(),
        "k": sorted(config.eval.k),
        "users": config.eval.users,
    }
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:8]


def baseline_run_id(baseline: str, dataset_id: str, config: Config) -> str:
    """The id of a baseline's run: one for each comparison key, so that none is computed twice."""
    return f"{baseline}-{comparison_key(dataset_id, config)}"
