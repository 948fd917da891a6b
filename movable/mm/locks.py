"""Locks, wait queues and work queues that a driver gets from the VM (include/linux/{spinlock,mutex,wait,workqueue}.h).

Without a scheduler nobody else runs, so an operation that would have to wait raises DeadlockError at once. With one, it
waits. Spin locks count into the task's atomic depth: whatever may sleep raises SleepInAtomic while that is not zero.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from movable.errors import DeadlockError, SleepInAtomic, VMBug
from movable.mm.steps import Task, held

if TYPE_CHECKING:
    from movable.mm.vm import VM

WORK_LIMIT = 10_000
"""How many work items one call may run before the queue counts as endless."""


class Lock:
    """What a spin lock and a mutex share; use ``vm.spinlock(name)`` or ``vm.mutex(name)``."""

    __slots__ = ("name", "owner", "vm")
    kind = "lock"
    spins = False

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.owner: Task | None = None

    @property
    def held(self) -> bool:
        """Whether somebody holds it (a peek)."""
        seam = self.vm.seam
        if seam is not None:
            seam.point("ar", ("lock", self.name))
        return self.owner is not None

    def trylock(self) -> bool:
        """Take it if it is free; never waits."""
        seam = self.vm.seam
        if seam is not None:
            seam.point("try", ("lock", self.name))
        if self.owner is not None:
            return False
        self._take(self.vm.current, True)
        return True

    def lock(self) -> None:
        """Take it, waiting. Raises DeadlockError when it could never come free, SleepInAtomic for a mutex in atomic context."""
        task = self.vm.current
        if not self.spins and task.atomic:
            raise SleepInAtomic("D48", f"{task.name} locks {self} while it holds {held(task)}", "no spin lock held")
        seam = self.vm.seam
        if self.owner is task:
            if seam is not None:
                seam.point("lock", ("lock", self.name))
            raise DeadlockError(f"task {task.name} waits for {self}, which it holds itself")
        if seam is not None and seam.scheduler is not None:
            seam.scheduler.wait(("lock", self.name), self._is_free, str(self), op="lock")
        elif self.owner is not None:
            self._contend(task)
        self._take(task)

    def _is_free(self) -> bool:
        return self.owner is None

    def _contend(self, task: Task) -> None:
        what = f"{self}, held by {self.owner.name if self.owner else 'nobody'}"
        atomic, task.atomic = task.atomic, 0  # a spinner waits in atomic context; that is what spin locks are for
        try:
            self.vm.wait(("lock", self.name), self._is_free, what)
        finally:
            task.atomic = atomic

    def _take(self, task: Task, tried: bool = False) -> None:
        self.owner = task
        task.held.append(self)
        if self.spins:
            task.atomic += 1
        seam = self.vm.seam
        if seam is not None:
            seam.event("lock", lock=self.name, type=self.kind, tried=tried)

    def unlock(self) -> None:
        """Release it. Raises VMBug when the running task does not hold it."""
        seam = self.vm.seam
        if seam is not None:
            seam.point("unlock", ("lock", self.name))
            seam.event("unlock", lock=self.name, type=self.kind)
        task = self.owner
        if task is None or task is not self.vm.current:
            holder = "nobody" if task is None else task.name
            raise VMBug("D35", f"{self} unlocked by {self.vm.current.name}, held by {holder}", "the holder to unlock")
        self.owner = None
        task.held.remove(self)
        if self.spins:
            task.atomic -= 1

    def __enter__(self) -> None:
        self.lock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None or self.owner is self.vm.current:
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

    __slots__ = ("name", "readers", "vm", "writer")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.readers: list[Task] = []
        self.writer: Task | None = None

    def __str__(self) -> str:
        return f"rwlock {self.name!r}"

    def _wait(self, op: str, ready: Callable[[], bool]) -> Task:
        vm = self.vm
        seam = vm.seam
        task = vm.current
        if self.writer is task or (op == "lock" and task in self.readers):
            if seam is not None:
                seam.point(op, ("lock", self.name))
            raise DeadlockError(f"task {task.name} waits for {self}, which it holds itself")
        if seam is not None and seam.scheduler is not None:
            seam.scheduler.wait(("lock", self.name), ready, str(self), op=op)
        elif not ready():
            holder = self.writer or self.readers[0]
            atomic, task.atomic = task.atomic, 0
            try:
                vm.wait(("lock", self.name), ready, f"{self}, held by {holder.name}")
            finally:
                task.atomic = atomic
        task.held.append(self)
        task.atomic += 1
        if seam is not None:
            seam.event("lock", lock=self.name, type="rwlock", tried=False)
        return task

    def read_lock(self) -> None:
        """Take the shared side, waiting for a writer to leave."""
        self.readers.append(self._wait("rlock", lambda: self.writer is None))

    def write_lock(self) -> None:
        """Take the exclusive side, waiting for everybody to leave."""
        self.writer = self._wait("lock", lambda: self.writer is None and not self.readers)

    def read_trylock(self) -> bool:
        """Take the shared side if no writer holds it."""
        if self.vm.seam is not None:
            self.vm.seam.point("rtry", ("lock", self.name))
        if self.writer is not None:
            return False
        self.readers.append(self._entered())
        return True

    def write_trylock(self) -> bool:
        """Take the exclusive side if nobody holds the lock."""
        if self.vm.seam is not None:
            self.vm.seam.point("try", ("lock", self.name))
        if self.writer is not None or self.readers:
            return False
        self.writer = self._entered()
        return True

    def _entered(self) -> Task:
        task = self.vm.current
        task.held.append(self)
        task.atomic += 1
        if self.vm.seam is not None:
            self.vm.seam.event("lock", lock=self.name, type="rwlock", tried=True)
        return task

    def read_unlock(self) -> None:
        """Leave the shared side. Raises VMBug when the running task is no reader."""
        task = self._leaving("runlock")
        if task not in self.readers:
            raise VMBug("D35", f"{self} read-unlocked by {task.name}, which is no reader", "the reader to unlock")
        self.readers.remove(task)
        self._left(task)

    def write_unlock(self) -> None:
        """Leave the exclusive side. Raises VMBug when the running task is not the writer."""
        task = self._leaving("unlock")
        if self.writer is not task:
            raise VMBug("D35", f"{self} write-unlocked by {task.name}, which is not the writer", "the writer to unlock")
        self.writer = None
        self._left(task)

    def _leaving(self, op: str) -> Task:
        seam = self.vm.seam
        if seam is not None:
            seam.point(op, ("lock", self.name))
            seam.event("unlock", lock=self.name, type="rwlock")
        return self.vm.current

    def _left(self, task: Task) -> None:
        task.held.remove(self)
        task.atomic -= 1

    def read(self) -> _Side:
        """The shared side for a ``with`` statement."""
        return _Side(self.read_lock, self.read_unlock)

    def write(self) -> _Side:
        """The exclusive side for a ``with`` statement."""
        return _Side(self.write_lock, self.write_unlock)


class Cell(Protocol):
    """A word with a lock bit in it, such as a handle."""

    word: int

    @property
    def vm(self) -> VM:
        """The machine that it belongs to."""

    @property
    def name(self) -> str:
        """What reports call it."""


_word = object.__getattribute__  # what these functions do to the word is one step each, also where somebody watches the cell
_set_word = object.__setattr__


def bit_spin_is_locked(bit: int, cell: Cell) -> bool:
    """Whether the lock bit is set (include/linux/bit_spinlock.h)."""
    if cell.vm.seam is not None:
        cell.vm.seam.point("ar", ("word", cell.name))
    return bool(_word(cell, "word") >> bit & 1)


def bit_spin_trylock(bit: int, cell: Cell) -> bool:
    """Set the lock bit if it is clear; never waits."""
    vm = cell.vm
    if vm.seam is not None:
        vm.seam.point("try", ("word", cell.name))
    word = _word(cell, "word")
    if word >> bit & 1:
        return False
    _set_word(cell, "word", word | 1 << bit)
    vm.current.atomic += 1
    return True


def bit_spin_lock(bit: int, cell: Cell) -> None:
    """Set the lock bit, waiting until it is clear."""
    vm, name = cell.vm, cell.name
    seam = vm.seam
    task = vm.current

    def is_clear() -> bool:
        return not _word(cell, "word") >> bit & 1

    if seam is not None and seam.scheduler is not None:
        seam.scheduler.wait(("word", name), is_clear, f"the lock bit of {name}", op="lock")
    elif not is_clear():
        atomic, task.atomic = task.atomic, 0
        try:
            vm.wait(("word", name), is_clear, f"the lock bit of {name}")
        finally:
            task.atomic = atomic
    _set_word(cell, "word", _word(cell, "word") | 1 << bit)
    task.atomic += 1


def bit_spin_unlock(bit: int, cell: Cell) -> None:
    """Clear the lock bit. Raises VMBug when it is clear already."""
    if cell.vm.seam is not None:
        cell.vm.seam.point("unlock", ("word", cell.name))
    if not _word(cell, "word") >> bit & 1:
        raise VMBug("D35", f"lock bit of {cell.name} cleared while clear", "the lock bit to be held")
    _clear_bit(bit, cell)


def clear_bit_unlock(bit: int, cell: Cell) -> None:
    """Clear the lock bit without a look whether it was set (include/asm-generic/bitops/lock.h)."""
    if cell.vm.seam is not None:
        cell.vm.seam.point("unlock", ("word", cell.name))
    _clear_bit(bit, cell)


def _clear_bit(bit: int, cell: Cell) -> None:
    vm = cell.vm
    _set_word(cell, "word", _word(cell, "word") & ~(1 << bit))
    vm.current.atomic -= 1


class AtomicLong:
    """A counter that tasks may change without a lock (atomic_long_t); ``name`` is for schedules and reports."""

    __slots__ = ("counter", "name", "vm")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.counter = 0

    def read(self) -> int:
        """The value (atomic_long_read)."""
        if self.vm.seam is not None:
            self.vm.seam.point("ar", ("word", self.name))
        return self.counter

    def add(self, delta: int) -> int:
        """Add ``delta`` and return the new value (atomic_long_add_return)."""
        if self.vm.seam is not None:
            self.vm.seam.point("aw", ("word", self.name))
        self.counter += delta
        return self.counter

    def raise_to(self, least: int) -> None:
        """Set the value to ``least`` if that is more (a loop of atomic_long_cmpxchg)."""
        if self.vm.seam is not None:
            self.vm.seam.point("aw", ("word", self.name))
        self.counter = max(self.counter, least)


class WaitQueue:
    """Tasks that sleep until a condition holds *and* somebody wakes them (wait_queue_head_t)."""

    __slots__ = ("name", "vm", "wakes")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.wakes = 0

    def wait_event(self, condition: Callable[[], bool]) -> None:
        """Sleep until ``condition()``. It is looked at once, and again after every wake-up (include/linux/wait.h)."""
        vm = self.vm
        for _ in range(WORK_LIMIT):
            if vm.seam is not None:
                vm.seam.point("wait", ("queue", self.name))
            before = self.wakes  # from here on a wake-up counts: the condition may let others run while it is looked at
            if condition():
                return
            if vm.seam is not None:
                vm.seam.event("sleep", what=f"wait queue {self.name!r}", atomic=bool(vm.current.atomic))
            vm.wait(
                ("queue", self.name),
                lambda before=before: self.wakes != before,  # type: ignore[misc]
                f"a wake-up on wait queue {self.name!r}",
                condition,
            )
        raise DeadlockError(f"task {vm.current.name} was woken {WORK_LIMIT} times on {self.name!r} and its condition never held")

    def wake_up(self) -> None:
        """Wake every sleeper."""
        if self.vm.seam is not None:
            self.vm.seam.point("wake", ("queue", self.name))
        self.wakes += 1


class Work:
    """Something to be done later, in process context (struct work_struct)."""

    __slots__ = ("fn", "name", "pending", "running")

    def __init__(self, fn: Callable[[], object], name: str = "") -> None:
        self.fn = fn
        self.name = name or getattr(fn, "__qualname__", "work")
        self.pending = False
        self.running = False


class WorkQueue:
    """Work items, done in order by one worker (struct workqueue_struct); use ``vm.workqueue(name)``.

    With a scheduler the worker is a task of its own. Without one the items run when somebody waits for them, or at
    ``vm.run_work()``.
    """

    __slots__ = ("destroyed", "items", "name", "vm", "worker")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self.items: deque[Work] = deque()
        self.destroyed = False
        self.worker = False

    def _point(self, op: str) -> None:
        if self.vm.seam is not None:
            self.vm.seam.point(op, ("work", self.name))

    def queue_work(self, work: Work) -> bool:
        """Put ``work`` at the end; False when it is pending already. Raises VMBug on a destroyed queue (D41)."""
        self._point("aw")
        return self.queue_delayed_work(work)

    def queue_delayed_work(self, work: Work) -> bool:
        """As ``queue_work``, out of a critical section of the core: a timer will do it, so nobody runs in between here.

        There are no clocks in this model; the delay is only that it does not happen now.
        """
        if self.destroyed:
            raise VMBug("D41", f"{work.name!r} queued on the destroyed work queue {self.name!r}", "a living work queue")
        if work.pending:
            return False
        work.pending = True
        self.items.append(work)
        seam = self.vm.seam
        if seam is not None and seam.scheduler is not None and not self.worker:
            self.worker = True
            seam.scheduler.spawn(f"kworker/{self.name}", self._work)
        return True

    def _work(self) -> None:
        for _ in range(WORK_LIMIT):
            self._point("aw")
            if not self.items:
                self.worker = False
                return
            self.run_one()
        raise DeadlockError(f"work queue {self.name!r} ran {WORK_LIMIT} items and is not empty")

    def run_one(self) -> None:
        """Do the first item."""
        work = self.items.popleft()
        work.pending = False
        work.running = True
        try:
            work.fn()
            self._point("aw")  # what the item did comes before whatever follows a look at ``running``
        finally:
            work.running = False

    def flush(self) -> None:
        """Wait until everything queued so far is done (flush_workqueue)."""
        seam = self.vm.seam
        if seam is not None and seam.scheduler is not None:
            self.vm.wait(("work", self.name), lambda: not self.worker, f"work queue {self.name!r} to drain")
        else:
            self._work()

    def cancel_work_sync(self, work: Work) -> bool:
        """Take ``work`` off the queue, or wait until it has run; True when it was pending."""
        self._point("aw")
        pending = work.pending
        if pending:
            self.items.remove(work)
            work.pending = False
        if work.running:
            self.vm.wait(("work", self.name), lambda: not work.running, f"work item {work.name!r} to finish")
        return pending

    def destroy(self) -> None:
        """Drain the queue; queueing on it from now on is a bug (destroy_workqueue)."""
        self.flush()
        self.destroyed = True
