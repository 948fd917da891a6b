"""``python -m movable.cli`` is the command ``movable``."""

import sys

from movable.cli import main

if __name__ == "__main__":
    sys.exit(main())
