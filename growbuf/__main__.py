"""Run ``python -m growbuf``; the commands are in ``growbuf.cli``."""

import sys

from growbuf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
