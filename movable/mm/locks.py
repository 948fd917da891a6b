"""Locks that a driver gets from the VM (include/linux/spinlock.h, include/linux/mutex.h).

Without a scheduler nobody else runs, so an operation that would have to wait raises DeadlockError at once. With one, it
waits. Spin locks count into the task's atomic depth: whatever may sleep raises SleepInAtomic while that is not zero.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from movable.errors import DeadlockError, VMBug
from movable.mm.seam import Task, peek

if TYPE_CHECKING:
    from movable.mm.vm import VM


class Lock:
    """What a spin lock and a mutex share; use ``vm.spinlock(name)`` or ``vm.mutex(name)``."""

    __slots__ = ("_owner", "name", "vm")
    kind = "lock"
    spins = False

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self._owner: Task | None = None

    @property
    def owner(self) -> Task | None:
        """The task that holds it, None while it is free (a peek)."""
        peek(self.vm, ("lock", self.name))
        return self._owner

    @property
    def held(self) -> bool:
        """Whether somebody holds it (a peek)."""
        return self.owner is not None

    def trylock(self) -> bool:
        """Take it if it is free; never waits."""
        seam = self.vm.seam
        if seam is not None:
            seam.point("try", ("lock", self.name))
        if self._owner is not None:
            return False
        self._take(self.vm.current, True)
        return True

    def lock(self) -> None:
        """Take it, waiting. Raises DeadlockError when it could never come free, SleepInAtomic for a mutex in atomic context."""
        task = self.vm.current
        if not self.spins:
            self.vm.might_sleep(self)
        seam = self.vm.seam
        if self._owner is task:
            if seam is not None:
                seam.point("lock", ("lock", self.name))
            raise DeadlockError(f"task {task.name} waits for {self}, which it holds itself")
        if seam is not None and seam.scheduler is not None:
            seam.scheduler.wait(("lock", self.name), self._is_free, str(self), op="lock")
        elif self._owner is not None:
            self._contend(task)
        self._take(task)

    def _is_free(self) -> bool:
        return self._owner is None

    def _contend(self, task: Task) -> None:
        what = f"{self}, held by {self._owner.name if self._owner else 'nobody'}"
        atomic, task.atomic = task.atomic, 0  # a spinner waits in atomic context; that is what spin locks are for
        try:
            self.vm.wait(("lock", self.name), self._is_free, what)
        finally:
            task.atomic = atomic

    def _take(self, task: Task, tried: bool = False) -> None:
        self._owner = task
        task.held.append(self)
        if self.spins:
            task.atomic += 1
        seam = self.vm.seam
        if seam is not None:
            seam.event("lock", lock=self.name, type=self.kind, tried=tried, shared=False)

    def unlock(self) -> None:
        """Release it. Raises VMBug when the running task does not hold it."""
        if self.vm.seam is not None:
            self.vm.seam.unlock(self, "unlock")
        task = self._owner
        if task is None or task is not self.vm.current:
            holder = "nobody" if task is None else task.name
            raise VMBug("D35", f"{self} unlocked by {self.vm.current.name}, held by {holder}", "the holder to unlock")
        self._owner = None
        task.held.remove(self)
        task.atomic -= self.spins
        if self.vm.meanwhile is not None and not task.held:
            self.vm.meanwhile()

    def __enter__(self) -> None:
        task = self.vm._task
        if self.vm.seam is None and self._owner is None and (self.spins or not task.atomic):
            self._owner = task  # nobody watches, and it is free: as _take does
            task.held.append(self)
            task.atomic += self.spins
        else:
            self.lock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        task = self._owner
        if task is self.vm._task and self.vm.seam is None and task.held and task.held[-1] is self:
            self._owner = None  # as unlock does
            task.held.pop()
            task.atomic -= self.spins
        elif kind is None or task is self.vm.current:
            self.unlock()

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


class SpinLock(Lock):
    """A lock whose holder must not sleep (spinlock_t)."""

    __slots__ = ()
    kind = "spin lock"
    spins = True


class Mutex(Lock):
    """A lock whose holder may sleep (struct mutex)."""

    __slots__ = ()
    kind = "mutex"


class _Side:
    """One side of a read-write lock as a context manager."""

    __slots__ = ("enter", "leave")

    def __init__(self, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self.enter = enter
        self.leave = leave

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.leave()


class RWLock:
    """A spinning lock with many readers or one writer (rwlock_t); use ``vm.rwlock(name)``."""

    __slots__ = ("_readers", "_writer", "name", "vm")
    kind = "rwlock"
    spins = 1

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self._readers: list[Task] = []
        self._writer: Task | None = None

    @property
    def readers(self) -> list[Task]:
        """The tasks on the shared side (a peek, and a copy)."""
        peek(self.vm, ("lock", self.name))
        return list(self._readers)

    @property
    def writer(self) -> Task | None:
        """The task on the exclusive side (a peek)."""
        peek(self.vm, ("lock", self.name))
        return self._writer

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    def _wait(self, op: str, ready: Callable[[], bool]) -> Task:
        vm = self.vm
        seam = vm.seam
        task = vm.current
        if self._writer is task or (op == "lock" and task in self._readers):
            if seam is not None:
                seam.point(op, ("lock", self.name))
            raise DeadlockError(f"task {task.name} waits for {self}, which it holds itself")
        if seam is not None and seam.scheduler is not None:
            seam.scheduler.wait(("lock", self.name), ready, str(self), op=op)
        elif not ready():
            holder = self._writer or self._readers[0]
            atomic, task.atomic = task.atomic, 0
            try:
                vm.wait(("lock", self.name), ready, f"{self}, held by {holder.name}")
            finally:
                task.atomic = atomic
        task.held.append(self)
        task.atomic += self.spins
        if seam is not None:
            seam.event("lock", lock=self.name, type=self.kind, tried=False, shared=op == "rlock")
        return task

    def read_lock(self) -> None:
        """Take the shared side, waiting for a writer to leave."""
        self._readers.append(self._wait("rlock", lambda: self._writer is None))

    def write_lock(self) -> None:
        """Take the exclusive side, waiting for everybody to leave."""
        self._writer = self._wait("lock", lambda: self._writer is None and not self._readers)

    def read_trylock(self) -> bool:
        """Take the shared side if no writer holds it."""
        if self.vm.seam is not None:
            self.vm.seam.point("rtry", ("lock", self.name))
        if self._writer is not None:
            return False
        self._readers.append(self._entered(True))
        return True

    def write_trylock(self) -> bool:
        """Take the exclusive side if nobody holds the lock."""
        if self.vm.seam is not None:
            self.vm.seam.point("try", ("lock", self.name))
        if self._writer is not None or self._readers:
            return False
        self._writer = self._entered(False)
        return True

    def _entered(self, shared: bool) -> Task:
        task = self.vm.current
        task.held.append(self)
        task.atomic += self.spins
        if self.vm.seam is not None:
            self.vm.seam.event("lock", lock=self.name, type=self.kind, tried=True, shared=shared)
        return task

    def read_unlock(self) -> None:
        """Leave the shared side. Raises VMBug when the running task is no reader."""
        task = self._leaving("runlock")
        if task not in self._readers:
            raise VMBug("D35", f"{self} read-unlocked by {task.name}, which is no reader", "the reader to unlock")
        self._readers.remove(task)
        self._left(task)

    def write_unlock(self) -> None:
        """Leave the exclusive side. Raises VMBug when the running task is not the writer."""
        self._left(self._no_writer())

    def downgrade(self) -> None:
        """Leave the exclusive side for the shared one, with no writer between (downgrade_write). Raises VMBug as `write_unlock`."""
        task = self._no_writer()
        task.held.remove(self)
        task.atomic -= self.spins
        self._readers.append(self._entered(True))

    def _no_writer(self) -> Task:
        task = self._leaving("unlock")
        if self._writer is not task:
            raise VMBug("D35", f"{self} write-unlocked by {task.name}, which is not the writer", "the writer to unlock")
        self._writer = None
        return task

    def _leaving(self, op: str) -> Task:
        if self.vm.seam is not None:
            self.vm.seam.unlock(self, op)
        return self.vm.current

    def _left(self, task: Task) -> None:
        task.held.remove(self)
        task.atomic -= self.spins
        if self.vm.meanwhile is not None and not task.held:
            self.vm.meanwhile()

    def read(self) -> _Side:
        """The shared side for a ``with`` statement."""
        return _Side(self.read_lock, self.read_unlock)

    def write(self) -> _Side:
        """The exclusive side for a ``with`` statement."""
        return _Side(self.write_lock, self.write_unlock)
