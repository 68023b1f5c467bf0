"""How many cases a campaign tries: few in the suite, all under `make fuzz`."""

import os
from typing import Any


def cases(small: Any, full: Any) -> Any:
    """`full` where the environment has DSSM_FUZZ=full, else `small`."""
    return full if os.environ.get("DSSM_FUZZ") == "full" else small
