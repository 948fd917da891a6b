"""The seam: the only place that knows concurrency exists.

Every operation on shared state asks whether a seam is installed. Without one (the usual case) that question is all it
costs. With one, the operation first names itself as a scheduling point, so that another task may run, and then becomes an
event for whoever observes. A page knows its seam (``page.seam``), so that the question is one attribute load.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from movable.errors import DeadlockError, SleepInAtomic
from movable.events import Event
from movable.mm.tracepoints import Tracepoints

if TYPE_CHECKING:
    from movable.mm.list import ListHead
    from movable.mm.page import Page
    from movable.mm.vm import VM

__tracebackhide__ = True  # no place where something happens, for whoever shows where tasks stand

Observer = Callable[[Event], None]
_new_tuple = tuple.__new__


class Scheduler(Protocol):
    """What an explorer offers to the seam; see movable/explore/engine.py for one that is installed."""

    @property
    def current(self) -> str:
        """The name of the running task."""

    def point(self, op: str, key: Hashable) -> None:
        """A scheduling point before ``op`` on the location ``key``.

        ``op`` is one of r, w (plain), ar, aw (atomic), lock, try, unlock, rlock, rtry, runlock, wait, wake.
        """

    def wait(
        self,
        key: Hashable,
        ready: Callable[[], bool],
        what: str,
        condition: Callable[[], bool] | None = None,
        *,
        op: str = "wait",
    ) -> None:
        """Run other tasks until ``ready()``; ``what`` says in words what is awaited.

        With ``op`` "lock" or "rlock" the wait is the acquire itself: one step, taken when the lock is free.
        """

    def spawn(self, name: str, fn: Callable[[], object]) -> None:
        """Start another task."""

    def note(self, text: str, **facts: object) -> None:
        """Attach a line to the timeline of the running task."""


class Task:
    """The part of struct task_struct that page migration looks at (include/linux/sched.h).

    ``memalloc`` is PF_MEMALLOC, ``atomic`` the depth of spin locks held, ``held`` the locks in the order they were taken,
    ``callbacks`` the driver callbacks that the task is inside of, innermost last.
    """

    __slots__ = ("atomic", "callbacks", "held", "memalloc", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.memalloc = False
        self.atomic = 0
        self.held: list[Any] = []
        self.callbacks: list[tuple[str, str, Page]] = []

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class Seam(Tracepoints):
    """Scheduling points and events of one VM. Installed with ``vm.install(seam)``, or by ``vm.observe``.

    What each primitive says of itself is in tracepoints.py.
    """

    def __init__(self, scheduler: Scheduler | None = None) -> None:
        self.scheduler = scheduler
        self.observers: list[Observer] = []
        self.tasks: dict[str, Task] = {"main": Task("main")}
        self.seq = 0
        self.muted = 0
        self.lock_owners: dict[int, str] = {}  # who holds the page lock, by frame
        self.late: dict[str, Exception] = {}  # what could not be raised where it happened, by task

    # tasks

    @property
    def task(self) -> Task:
        """The running task."""
        if self.scheduler is None:
            return self.tasks["main"]
        name = self.scheduler.current
        task = self.tasks.get(name)
        if task is None:
            task = self.tasks[name] = Task(name)
        return task

    # scheduling points

    def point(self, op: str, key: Hashable) -> None:
        """Let another task run before ``op`` on ``key``.

        "r" and "w" read and write, "ar" and "aw" do so atomically; all of them are in explore/dependence.py.
        """
        if self.scheduler is not None:
            self.scheduler.point(op, key)

    def list_access(self, head: ListHead) -> None:
        """Before a list, or the node of a page, changes."""
        if self.scheduler is not None:
            self.scheduler.point("w", self.list_key(head))

    def list_read(self, head: ListHead) -> None:
        """Before somebody looks at a list, or a node, that has this seam."""
        if self.scheduler is not None:
            self.scheduler.point("r", self.list_key(head))

    def list_key(self, head: ListHead) -> Hashable:
        """The location of a list, where two of one name count as one, or of the node of a page."""
        return ("list", head.name) if head.owner is None else ("page", head.owner.pfn, "lru")

    def adopt(self, page: Page, field: str, value: Any) -> Any:
        """What to store instead of ``value`` in a field of ``page`` that belongs to the owner; whoever watches more may wrap it."""
        return value

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None
    ) -> None:
        """Sleep until ``ready()``. Raises DeadlockError when nobody else could make it so."""
        task = self.task
        if task.atomic:
            raise SleepInAtomic("D48", f"task {task.name} waits for {what} while it holds {held(task)}", "no spin lock held")
        if self.scheduler is not None:
            self.scheduler.wait(key, ready, what, condition)
        elif not ready():
            raise DeadlockError(f"task {task.name} waits for {what} for ever; it holds {held(task)}")

    # events

    def event(self, kind: str, page: Page | None = None, **args: Any) -> None:
        """Emit an event about ``page`` as it is now."""
        if not self.observers or self.muted:
            return
        scheduler = self.scheduler
        name = "main" if scheduler is None else scheduler.current
        seq = self.seq
        self.seq = seq + 1
        # The tuple is made directly: this runs for every event, and Event() would cost as much again.
        if page is None:
            event = _new_tuple(Event, (seq, name, kind, -1, 0, 0, 0, args))
        else:
            event = _new_tuple(Event, (seq, name, kind, page.pfn, page._flags, page._mapping, page._refcount, args))
        for observer in self.observers:
            observer(event)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No events inside the block: for checks that look at pages without being part of the story."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1


def held(task: Task) -> str:
    """The locks that a task holds, in words."""
    return ", ".join(str(lock) for lock in task.held) or "nothing"


def peek(vm: VM, key: Hashable) -> None:
    """A look from outside at something of the machine is an atomic read, where tasks run. The core itself looks at the slots."""
    if vm.seam is not None:
        vm.seam.point("ar", key)
