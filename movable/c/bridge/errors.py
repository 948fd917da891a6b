"""Errors that name the place in the driver's source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from movable.errors import Blocked, DeadlockError, Hang, VMBug

if TYPE_CHECKING:
    from movable.c.build.image import Line


class MemoryBug(VMBug):
    """The driver used memory that it may not use. The place comes first."""


def memory_error(rule: str, what: str, expected: str, line: Line, page: object = None) -> VMBug:
    """What to raise for a fault of the driver's at a line of its source."""
    return MemoryBug(rule, f"{line} {what}", expected, page)


def add_place(error: VMBug | DeadlockError, line: Line) -> None:
    """Put the place that has called a function of the model before what its error says, in the error, unless it names one."""
    if re.search(r"\.[ch]:\d+ ", str(error)):
        return
    if isinstance(error, VMBug):
        VMBug.__init__(error, error.rule, f"{line}: {error.what}", error.expected, error.page)
    else:
        error.args = (f"{line}: {error}",)


def add_place_of_hang(error: Hang, here: Line, entry: Line) -> None:
    """The same for what does not end: the line, or where chance says which line it is, the function that was called."""
    said = str(error)
    if not isinstance(error, Blocked) and not re.search(r"\.[ch]:\d+ ", said):
        error.args = (f"{said.partition(', at ')[0]}, {f'in {entry}' if 'time' in said else f'at {here}'}",)
