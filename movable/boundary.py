"""Makes one line of whatever a command, a driver, a workload, a token or a file raised: what, and where.

The place is the innermost line that is neither the product's nor a library's: the author's own. Where there is none, the fault is
the product's, and the line says so.
"""

from __future__ import annotations

import errno
import sys
import sysconfig
from pathlib import Path
from types import TracebackType

from movable.errors import MovableError, UsageError
from movable.introspection import inward
from movable.shown import said, shown

SCARCE = {
    errno.ENOENT: "the folder that the command was started in is gone",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN), "the system has none left of what this needs"),
}
"""What errors of the system about no file say."""
OWN_FAULT = "; this is a fault of movable's own, and --debug shows all of it"
"""With which the line about an error ends that no author's line has to do with."""
_HERE = str(Path(__file__).parent)
_LIBRARIES = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


def complaint(error: BaseException) -> tuple[str, int]:
    """One line about ``error``, and the exit code that goes with it."""
    if isinstance(error, MovableError):
        place = place_of(error) if isinstance(error, UsageError) else ""
        return (f"{place}: " if place else "") + shown(error, 2000), 2 if isinstance(error, UsageError) else 1
    if isinstance(error, OSError) and error.filename is not None:
        return shown(f"{said(error.filename)}: {error.strerror or type(error).__name__}"), 2
    place = place_of(error)
    if isinstance(error, OSError) and error.errno in SCARCE and not place:
        return f"{SCARCE[error.errno]}: {error.strerror}", 2
    kind = type(error).__name__
    what = "it ends the program" if isinstance(error, SystemExit) else said(error)
    words = f"{kind}: {what}" if what else kind
    if place:
        return f"{place}: {shown(words)}", 2
    inside = _innermost(error.__traceback__, own=True)
    return f"{shown(words)}{f' (at {inside})' if inside else ''}{OWN_FAULT}", 2


def place_of(error: BaseException) -> str:
    """The author's line that ``error`` comes from, or from which the product was called last; "" where there is none."""
    if isinstance(error, SyntaxError) and error.filename and not error.filename.startswith("<"):
        return shown(f"{error.filename}:{error.lineno}")
    return _innermost(error.__traceback__, own=False)


def _innermost(trace: TracebackType | None, own: bool) -> str:
    found = ""
    for entry in inward(trace):
        code = entry.tb_frame.f_code
        if own == code.co_filename.startswith(_HERE) and not _library(code.co_filename):
            found = shown(f"{code.co_filename}:{entry.tb_lineno} {code.co_name}")
    return found


def _library(file: str) -> bool:
    inside = file.startswith(_LIBRARIES) and not file.startswith(_HERE)
    return inside or file.startswith("<") or file == getattr(sys.modules.get("__main__"), "__file__", None)
