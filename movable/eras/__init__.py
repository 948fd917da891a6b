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
        near = next((f"; a kernel {name} runs as {known}" for known, found in ERAS.items() if _among(name, found.kernels)), "")
        raise UsageError(f"unknown era {name!r}; known are {known}{near}") from None


def _among(version: str, kernels: str) -> bool:
    """Whether a version, such as 5.10 or 6.1.192-2, is one of those that ``kernels`` says in words."""
    found = re.match(r"v?(\d+)\.(\d+)(?![\d])", version)
    if found is None:
        return False
    first, *last = [tuple(map(int, part.split("."))) for part in kernels.split(" to ")]
    return first <= (int(found[1]), int(found[2])) <= (last[0] if last else first)


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


__all__ = ["DEFAULT", "ERAS", "Era", "as_in", "era"]
