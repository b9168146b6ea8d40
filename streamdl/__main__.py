"""`python -m streamdl` is the command `streamdl`."""

import sys

from streamdl.cli import main

if __name__ == "__main__":
    sys.exit(main())
