"""Errors that name the place in the driver's source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.errors import VMBug

if TYPE_CHECKING:
    from movable.c.build.image import Line


class MemoryBug(VMBug):
    """The driver used memory that it may not use. The place comes first."""


def memory_error(rule: str, what: str, expected: str, line: Line, page: object = None) -> VMBug:
    """What to raise for a fault of the driver's at a line of its source."""
    return MemoryBug(rule, f"{line} {what}", expected, page)
