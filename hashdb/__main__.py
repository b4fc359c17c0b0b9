"""The console script nearfetch-hashdb, and `python -m hashdb`."""

import sys

from hashdb.cli import main

if __name__ == "__main__":
    sys.exit(main())
