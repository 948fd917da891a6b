"""A signal that comes while a command is still being read in ends it in one line, as later ones do (movable.supervise.interrupt).

Where this package is imported by a program of somebody else nothing happens.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"movable: interrupted\n")
    finally:
        os._exit(128 + number)


def is_command() -> bool:
    """Whether this process was started as ``movable`` or ``python -m movable``."""
    first = sys.argv[0] if sys.argv else ""
    return os.path.basename(first) == "movable" or (first == "-m" and "movable" in sys.orig_argv)


if is_command():
    for _number in SIGNALS:
        if signal.getsignal(_number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(_number, _end)


def over() -> None:
    """The command has its exit code: while the interpreter takes itself down, no signal changes it any more."""
    if is_command():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
