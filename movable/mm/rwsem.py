"""A sleeping lock with many readers or one writer (include/linux/rwsem.h): mmap_lock, and the locks of reverse maps.

Only tasks that really run at the same time need it: without a scheduler it does nothing and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable.mm.seam import Scheduler
    from movable.mm.vm import VM


class RWSem:
    """One lock; ``with lock.read():`` or ``with lock.write():``. ``name`` is for reports."""

    __slots__ = ("name", "readers", "vm", "writer")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.readers = 0
        self.writer = False

    def _scheduler(self) -> Scheduler | None:
        return None if self.vm.seam is None else self.vm.seam.scheduler

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold the shared side (down_read, up_read)."""
        scheduler = self._scheduler()
        if scheduler is None:
            yield
            return
        scheduler.wait(("rwsem", self.name), lambda: not self.writer, str(self), op="rlock")
        self.readers += 1
        try:
            yield
        finally:
            scheduler.point("runlock", ("rwsem", self.name))
            self.readers -= 1

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the exclusive side (down_write, up_write)."""
        scheduler = self._scheduler()
        if scheduler is None:
            yield
            return
        scheduler.wait(("rwsem", self.name), lambda: not self.writer and not self.readers, str(self), op="lock")
        self.writer = True
        try:
            yield
        finally:
            scheduler.point("unlock", ("rwsem", self.name))
            self.writer = False

    def __str__(self) -> str:
        return f"semaphore {self.name!r}"
