"""Wait queues: tasks that sleep until a condition holds (include/linux/wait.h)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from movable.errors import DeadlockError
from movable.mm.seam import peek

if TYPE_CHECKING:
    from movable.mm.vm import VM

WAKE_LIMIT = 10_000
"""Wake-ups of one sleeper whose condition never holds, before it counts as endless."""


class WaitQueue:
    """Tasks that sleep until a condition holds *and* somebody wakes them (wait_queue_head_t)."""

    __slots__ = ("_wakes", "name", "vm")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self._wakes = 0

    @property
    def wakes(self) -> int:
        """How often sleepers were woken (a peek)."""
        peek(self.vm, ("queue", self.name))
        return self._wakes

    def wait_event(self, condition: Callable[[], bool]) -> None:
        """Sleep until ``condition()``. It is looked at once, and again after every wake-up (include/linux/wait.h)."""
        vm = self.vm
        for _ in range(WAKE_LIMIT):
            if vm.seam is not None:
                vm.seam.point("wait", ("queue", self.name))
            before = self._wakes  # from here on a wake-up counts: the condition may let others run while it is looked at
            if condition():
                return
            if vm.seam is not None:
                vm.seam.event("sleep", what=f"wait queue {self.name!r}", atomic=bool(vm.current.atomic))
            vm.wait(
                ("queue", self.name),
                lambda before=before: self._wakes != before,  # type: ignore[misc]
                f"a wake-up on wait queue {self.name!r}",
                condition,
            )
        raise DeadlockError(f"task {vm.current.name} was woken {WAKE_LIMIT} times on {self.name!r} and its condition never held")

    def wake_up(self) -> None:
        """Wake every sleeper."""
        if self.vm.seam is not None:
            self.vm.seam.point("wake", ("queue", self.name))
        self._wakes += 1
