"""`python -m dssm_core COMMAND`."""

import sys

from dssm_core.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
