"""Counters that change in one step (include/linux/atomic.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable.mm.vm import VM


class AtomicLong:
    """A counter that tasks may change without a lock (atomic_long_t); ``name`` is for schedules and reports."""

    __slots__ = ("_counter", "name", "vm")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self._counter = 0

    @property
    def counter(self) -> int:
        """The value."""
        return self.read()

    def read(self) -> int:
        """The value (atomic_long_read)."""
        if self.vm.seam is not None:
            self.vm.seam.point("ar", ("word", self.name))
        return self._counter

    def add(self, delta: int) -> int:
        """Add ``delta`` and return the new value (atomic_long_add_return)."""
        if self.vm.seam is not None:
            self.vm.seam.point("aw", ("word", self.name))
        self._counter += delta
        return self._counter

    def raise_to(self, least: int) -> None:
        """Set the value to ``least`` if that is more (a loop of atomic_long_cmpxchg)."""
        if self.vm.seam is not None:
            self.vm.seam.point("aw", ("word", self.name))
        self._counter = max(self._counter, least)
