"""Workloads of C drivers: the base of an author's own, and the one that is made for a file without any."""

from __future__ import annotations

from typing import ClassVar

from movable.workload.workload import Workload as Base


class Workload(Base):
    """A workload whose driver is a `movable.c.Driver`; its operations call C functions with ``self.driver.call``."""

    unwatched: ClassVar[tuple[type | str, ...]] = ("c", "vm", "_params_lock")

    stale_words = True

    def snapshot(self) -> object:
        """Where the driver keeps pages: in its variables and in what it has allocated."""
        return self.driver.c.memory.snapshot()
