"""Looks at Python itself: whose code a place is in, where something happened, and what an object holds.

The museum lies in the same package as the kit, but its exhibits are drivers like any user's.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType, TracebackType
from typing import Any

from movable.errors import MovableError, UsageError

ROOMS = ("mm", "rules", "workload", "sequential", "concurrent", "filesystems", "contract", "explore", "c")
MODULES = tuple(f"movable.{room}." for room in ROOMS)
"""Beginnings of the names of the kit's modules."""
PATHS = tuple(f"movable/{room}/" for room in ROOMS)
"""Parts of the file names of the kit's code."""
FOLDERS = tuple(f"{os.path.dirname(__file__)}/{room}/" for room in ROOMS)
"""Beginnings of the same file names, absolute."""
_STDLIB = f"{os.path.dirname(os.__file__)}/"


class no_collection:
    """No automatic garbage collection inside the block, and after it as before. Where objects are made by the hundred thousand and
    live on, going over all of them again and again makes each of many dearer than each of few."""

    def __enter__(self) -> None:
        self.was = gc.isenabled()
        gc.disable()

    def __exit__(self, *error: object) -> None:
        if self.was:
            gc.enable()


def of_the_library(file: str) -> bool:
    """Whether a file is one of Python's own."""
    return file.startswith((_STDLIB, "<frozen")) and "site-packages" not in file


def outward(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame, who called it, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


_KIT = re.compile(r"movable(\.(?!museum\.)|$)|_collections_abc$")


def of_an_author(frame: FrameType | None) -> FrameType | None:
    """The innermost frame, from this one outward, whose code is neither the kit's nor that of a container."""
    while frame is not None and _of_the_kit(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return frame


@lru_cache(maxsize=1024)
def _of_the_kit(module: str) -> bool:
    return _KIT.match(module) is not None


def inward(trace: TracebackType | None) -> Iterator[TracebackType]:
    """The entries of a traceback, the last of which is where the exception was raised."""
    while trace is not None:
        yield trace
        trace = trace.tb_next


def of_the_kit_alone(error: BaseException) -> bool:
    """Whether no code of an author had a part in an exception: then it is a mistake of the kit, and no verdict on anybody."""
    return not any(_is_an_authors(entry.tb_frame) for entry in inward(error.__traceback__))


def _is_an_authors(frame: FrameType) -> bool:
    return not _of_the_kit(frame.f_globals.get("__name__", "")) and not of_the_library(frame.f_code.co_filename)


def line_of(frame: FrameType) -> str:
    """File and line that a frame is at."""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def raised_at(error: BaseException) -> str:
    """File and line where an exception was raised: the author's innermost, for what that calls is the kit's or Python's."""
    entries = list(inward(error.__traceback__))
    for entry in [one for one in entries if _is_an_authors(one.tb_frame)][-1:] or entries[-1:]:
        return f"{os.path.basename(entry.tb_frame.f_code.co_filename)}:{entry.tb_lineno}"
    return "nowhere"


def kit_raised(error: BaseException) -> bool:
    """Whether an exception is the kit's own word: a UsageError that an author's line raised says nothing of the kit's input."""
    if not isinstance(error, UsageError):
        return isinstance(error, MovableError)
    frames = [entry.tb_frame for entry in inward(error.__traceback__)]
    return not frames or of_an_author(frames[-1]) is not frames[-1]


def vars_of(obj: object) -> dict[str, Any]:
    """The attributes of an object, from its dict and its slots, read behind the back of every hook."""
    try:
        found = dict(object.__getattribute__(obj, "__dict__"))
    except AttributeError:
        found = {}
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__"):
                continue
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{cls.__name__.lstrip('_')}{name}"  # as Python writes what is private to a class
            try:
                found[name] = object.__getattribute__(obj, name)
            except AttributeError:
                continue
    return found
