"""Locks, wait queues and work queues that a driver gets from the VM (include/linux/{spinlock,mutex,wait,workqueue}.h).

Without a scheduler nobody else runs, so an operation that would have to wait raises DeadlockError at once. With one, it
waits. Spin locks count into the task's atomic depth: whatever may sleep raises SleepInAtomic while that is not zero.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from movable.errors import DeadlockError, SleepInAtomic, VMBug
from movable.mm.seam import Task, held

if TYPE_CHECKING:
    from movable.mm.vm import VM

WORK_LIMIT = 10_000
"""How many work items one call may run before the queue counts as endless."""


def _peek(vm: VM, key: Hashable) -> None:
    """A look from outside at something of the machine is an atomic read, where tasks run. The core itself looks at the slots."""
    if vm.seam is not None:
        vm.seam.point("ar", key)


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
        _peek(self.vm, ("lock", self.name))
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
        if not self.spins and task.atomic:
            raise SleepInAtomic("D48", f"{task.name} locks {self} while it holds {held(task)}", "no spin lock held")
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
            seam.event("lock", lock=self.name, type=self.kind, tried=tried)

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
        _peek(self.vm, ("lock", self.name))
        return list(self._readers)

    @property
    def writer(self) -> Task | None:
        """The task on the exclusive side (a peek)."""
        _peek(self.vm, ("lock", self.name))
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
            seam.event("lock", lock=self.name, type=self.kind, tried=False)
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
        self._readers.append(self._entered())
        return True

    def write_trylock(self) -> bool:
        """Take the exclusive side if nobody holds the lock."""
        if self.vm.seam is not None:
            self.vm.seam.point("try", ("lock", self.name))
        if self._writer is not None or self._readers:
            return False
        self._writer = self._entered()
        return True

    def _entered(self) -> Task:
        task = self.vm.current
        task.held.append(self)
        task.atomic += self.spins
        if self.vm.seam is not None:
            self.vm.seam.event("lock", lock=self.name, type=self.kind, tried=True)
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
        task = self._leaving("unlock")
        if self._writer is not task:
            raise VMBug("D35", f"{self} write-unlocked by {task.name}, which is not the writer", "the writer to unlock")
        self._writer = None
        self._left(task)

    def _leaving(self, op: str) -> Task:
        if self.vm.seam is not None:
            self.vm.seam.unlock(self, op)
        return self.vm.current

    def _left(self, task: Task) -> None:
        task.held.remove(self)
        task.atomic -= self.spins

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
        _peek(self.vm, ("queue", self.name))
        return self._wakes

    def wait_event(self, condition: Callable[[], bool]) -> None:
        """Sleep until ``condition()``. It is looked at once, and again after every wake-up (include/linux/wait.h)."""
        vm = self.vm
        for _ in range(WORK_LIMIT):
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
        raise DeadlockError(f"task {vm.current.name} was woken {WORK_LIMIT} times on {self.name!r} and its condition never held")

    def wake_up(self) -> None:
        """Wake every sleeper."""
        if self.vm.seam is not None:
            self.vm.seam.point("wake", ("queue", self.name))
        self._wakes += 1


class Work:
    """Something to be done later, in process context (struct work_struct).

    Where tasks run, a look at it is an atomic read of the queue that it is on, which may be any of the machine's. It learns of the
    machine when it is queued; whoever watches tells it before.
    """

    __slots__ = ("_pending", "_running", "fn", "name", "queue", "vm")

    def __init__(self, fn: Callable[[], object], name: str = "") -> None:
        self.fn = fn
        self.name = name or getattr(fn, "__qualname__", "work")
        self.vm: VM | None = None
        self.queue: WorkQueue | None = None
        self._pending = False
        self._running = False

    @property
    def pending(self) -> bool:
        """Whether it is queued and has not begun (a peek)."""
        return self._look(lambda: self._pending)

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended (a peek)."""
        return self._look(lambda: self._running)

    def _look(self, value: Callable[[], bool]) -> bool:
        if self.vm is None or self.vm.seam is None:
            return value()
        seen: dict[WorkQueue | None, bool] = {}
        for queue in self._queues():
            _peek(self.vm, ("work", queue.name))
            seen[queue] = value()
        return seen.get(self.queue, value())  # what was seen in the step that looked at its queue

    def _queues(self) -> Iterable[WorkQueue]:
        """Those that it may be on."""
        return () if self.vm is None else self.vm.workqueues


class WorkQueue:
    """Work items, done in order by one worker (struct workqueue_struct); use ``vm.workqueue(name)``.

    With a scheduler the worker is a task of its own. Without one the items run when somebody waits for them, or at
    ``vm.run_work()``.
    """

    __slots__ = ("_destroyed", "_items", "name", "vm", "worker")

    def __init__(self, vm: VM, name: str) -> None:
        self.vm = vm
        self.name = name
        self._items: deque[Work] = deque()
        self._destroyed = False
        self.worker = False

    @property
    def items(self) -> deque[Work]:
        """The items that wait (a peek, and a copy where tasks run)."""
        seam = self.vm.seam
        if seam is None or seam.scheduler is None:
            return self._items
        self._point("ar")
        return deque(self._items)

    @property
    def destroyed(self) -> bool:
        """Whether it takes no more work (a peek)."""
        self._point("ar")
        return self._destroyed

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
        if self._destroyed:
            raise VMBug("D41", f"{work.name!r} queued on the destroyed work queue {self.name!r}", "a living work queue")
        if work._pending:
            return False
        work._pending = True
        work.vm, work.queue = self.vm, self
        self._items.append(work)
        seam = self.vm.seam
        if seam is not None and seam.scheduler is not None and not self.worker:
            self.worker = True
            seam.scheduler.spawn(f"kworker/{self.name}", self._work)
        return True

    def _work(self) -> None:
        for _ in range(WORK_LIMIT):
            self._point("aw")
            if not self._items:
                self.worker = False
                return
            self.run_one()
        raise DeadlockError(f"work queue {self.name!r} ran {WORK_LIMIT} items and is not empty")

    def run_one(self) -> None:
        """Do the first item."""
        work = self._items.popleft()
        work._pending = False
        work._running = True
        try:
            work.fn()
            self._point("aw")  # what the item did comes before whatever follows a look at ``running``
        finally:
            work._running = False

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
        pending = work._pending
        if pending:
            self._items.remove(work)
            work._pending = False
        if work._running:
            self.vm.wait(("work", self.name), lambda: not work._running, f"work item {work.name!r} to finish")
        return pending

    def destroy(self) -> None:
        """Drain the queue; queueing on it from now on is a bug (destroy_workqueue)."""
        self.flush()
        self._destroyed = True
