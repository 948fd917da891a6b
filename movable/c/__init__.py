"""Drivers in C: built from their own source, unchanged, and judged like any other.

``Driver`` is the plug-in, ``Workload`` what keeps it busy. Needs Linux on x86-64 and gcc; nothing else of this package does.
"""

from movable.c.driver import Driver
from movable.c.workload import Workload

__all__ = ["Driver", "Workload"]
