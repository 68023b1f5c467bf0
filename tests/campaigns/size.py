"""How many cases a campaign tries: few in the suite, all under `make fuzz`."""

import os


def cases(small: int, full: int) -> int:
    """`full` where the environment has DSSM_FUZZ=full, else `small`."""
    return full if os.environ.get("DSSM_FUZZ") == "full" else small
