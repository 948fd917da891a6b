"""What kernels call things and do, by era: one file of data for each, asked by feature and never by version."""

from __future__ import annotations

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
        raise UsageError(f"unknown era {name!r}; known are {known}") from None


__all__ = ["DEFAULT", "ERAS", "Era", "era"]
