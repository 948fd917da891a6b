"""Work queues: what is done later, in process context (include/linux/workqueue.h)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from movable.errors import DeadlockError, VMBug
from movable.mm.seam import peek

if TYPE_CHECKING:
    from movable.mm.vm import VM

WORK_LIMIT = 10_000
"""How many work items one call may run before the queue counts as endless."""


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
            peek(self.vm, ("work", queue.name))
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
