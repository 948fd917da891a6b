"""What kernels call things and do, by era: one file of data for each, asked by feature and never by version."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from movable.eras import linux_4_19, linux_6_1, linux_6_17, linux_7_3
from movable.eras.era import Era
from movable.errors import UsageError

ERAS: dict[str, Era] = {
    found.name: found for found in (linux_4_19.ERA, linux_6_1.ERA, linux_6_17.ERA, linux_7_3.ERA)
}
"""Every era that the machine runs as, oldest first."""

VERSION = re.compile(r"v?\d+\.\d+(?:[.+~-][\w.+~-]*)?")
"""What is the version of a kernel, and nothing else beside it."""

DEFAULT = "4.19"
"""The era of a machine that names none: the kernel of the specification text."""


def era(name: str | Era) -> Era:
    """The era called ``name``; an Era is returned as it is. Raises UsageError that lists the known ones."""
    if isinstance(name, Era):
        return name
    try:
        return ERAS[name]
    except KeyError:
        known = ", ".join(f"{known} ({found.kernels})" for known, found in ERAS.items())
        near = era_of(name) if VERSION.fullmatch(name) else None
        runs = f"; a kernel {name} runs as {near.name}" if near else ""
        raise UsageError(f"unknown era {name!r}; known are {known}{runs}") from None


def era_of(version: str) -> Era | None:
    """The era that a kernel of ``version``, such as 5.10 or 6.1.192-2, runs as; None for one before or after all of them."""
    release = _release(version)
    return next((era for era in ERAS.values() if release and _first(era) <= release <= _last(era)), None)


def nearest_era(version: str) -> Era | None:
    """The same, and the oldest or newest for a kernel before or after all of them; None for what is no version."""
    release = _release(version)
    if not release:
        return None
    oldest, *later = ERAS.values()
    return next((era for era in reversed(later) if _first(era) <= release), oldest)


def _release(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; empty for what is none."""
    found = re.match(r"v?(\d{1,3})\.(\d{1,3})(?!\d)", version)
    return (int(found[1]), int(found[2])) if found else ()


def _first(era: Era) -> tuple[int, ...]:
    return _release(era.kernels)


def _last(era: Era) -> tuple[int, ...]:
    return _release(era.kernels.rpartition(" to ")[2])


@lru_cache
def as_in(name: str, kept: str = "") -> Callable[[str], str]:
    """What makes words about 4.19 words about the era called ``name``: functions and flags have their names there.

    ``kept`` is a name that stays. Text about an era that is not known, such as one made up, stays as it is.
    """
    names = {old: new for old, new in (ERAS[name].names if name in ERAS else {}).items() if old != kept}
    if not names:
        return str
    known = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, names))})(?!\w)")
    return lambda text: known.sub(lambda found: names[found[0]], text)


__all__ = ["DEFAULT", "ERAS", "Era", "as_in", "era", "era_of", "nearest_era"]
