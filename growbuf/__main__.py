"""Entry of ``python -m growbuf``; the commands are in ``growbuf._cli``."""

import sys

from growbuf._cli import main

if __name__ == "__main__":
    sys.exit(main())
