"""Users: server time until another user is shown, at full scale."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from benchmarks.full_scale import full_scale_home
from benchmarks.page_reruns import TIMES, opened, print_reruns, thirty_runs


def main() -> None:
    """Print the time."""
    with full_scale_home() as home:
        run = next(run for run in thirty_runs(home) if run.model == "two_tower")
        users = run.per_user()["user_id"].astype(str).to_numpy()
        page = opened("pages/users.py", run=run.id)
        chosen = np.random.default_rng(0).choice(users, TIMES, replace=False)
        print_reruns("users_page_ms", page, (lambda u=u: page.query_params.update(user=u) for u in map(str, chosen)))


if __name__ == "__main__":
    main()
