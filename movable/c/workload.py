"""Workloads of C drivers: the base of an author's own, and the one that is made for a file without any."""

from __future__ import annotations

from typing import ClassVar

from movable.workload.workload import Workload as Base


class Workload(Base):
    """A workload whose driver is a `movable.c.Driver`; its operations call C functions with ``self.driver.call``."""

    unwatched: ClassVar[tuple[type | str, ...]] = ("c", "vm", "_params_lock")

    stale_words = True

    def left_behind(self) -> str:
        """The line of the driver's that has allocated each page that is still in use; targets of migrations are the core's."""
        c = self.driver.c
        used = [(pfn, pc) for pfn, pc in sorted(c.made.items()) if c.vm.pages[pfn]._refcount > 0]
        return "".join(f"; page {pfn} was made at {c.line(pc)}" for pfn, pc in used[:3])

    def snapshot(self) -> object:
        """Where the driver keeps pages: in its variables and in what it has allocated."""
        return self.driver.c.memory.snapshot()
