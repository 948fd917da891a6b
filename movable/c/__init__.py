"""Drivers in C: built from their own source, unchanged, and judged like any other.

``Driver`` is the plug-in, ``Workload`` what keeps it busy. Needs Linux on x86-64 and gcc; nothing else of this package does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from movable.c.driver import Driver
    from movable.c.workload import Workload

__all__ = ["Driver", "Workload"]


def __getattr__(name: str) -> Any:
    """The two classes, imported when they are asked for: the command line needs neither."""
    if name == "Driver":
        from movable.c.driver import Driver

        return Driver
    if name == "Workload":
        from movable.c.workload import Workload

        return Workload
    raise AttributeError(f"module 'movable.c' has no attribute {name!r}")
