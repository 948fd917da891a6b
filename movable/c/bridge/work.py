"""Work items and queues of a driver in C.

An item never runs beside itself. Different items of a queue do, as there are several processors, unless the queue is ordered: so
each item has a worker of its own, and an ordered queue has one for all. A queue of the first kind holds no items itself.

An item may queue itself again. One that polls has no end, and a machine without a clock cannot say when its next turn is. So after
some turns such an item rests: it gets another when somebody waits for it, when it is queued anew, or when nobody else can go on.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from movable.errors import VMBug
from movable.mm.workqueue import Work, WorkQueue

if TYPE_CHECKING:
    from movable.c.bridge.calls import Bridge

MAX_TURNS = 2
"""Turns of an item that queues itself, before it rests."""
MAX_LAST_TURNS = 40
"""Turns that it gets because nobody else can go on."""
MAX_DRAIN_ROUNDS = 10
"""Rounds of a queue that is drained, after which a kernel warns."""


class CWork(Work):
    """A work_struct of the driver's: the ``function`` it calls, how often it ``ran``, its ``turns`` since anybody else asked for
    it, how many callers are ``cancelling`` it, the ``task`` that does it now, its own worker's ``lane``, which is its ``queue``
    until it is put on another, and its ``home``: the queue that the driver has put it on."""

    __slots__ = ("bridge", "cancelling", "function", "home", "lane", "ran", "task", "turns")
    queue: Lane

    def __init__(self, bridge: Bridge, address: int, function: int, fn: Callable[[], object]) -> None:
        super().__init__(fn, bridge.image.name(function))
        self.bridge = bridge
        self.vm = bridge.vm
        self.function = function
        self.cancelling = self.ran = self.turns = 0
        self.task: object = None
        self.home: CWorkQueue | None = None
        self.queue = self.lane = Lane(bridge, bridge.name(address))

    @property
    def busy(self) -> bool:
        """Whether it is queued or runs."""
        return self._pending or self._running

    @property
    def rests(self) -> bool:
        """Whether its next turn is not yet."""
        return self.turns >= MAX_TURNS

    def _queues(self) -> Iterable[WorkQueue]:
        return (*(queue for queue in self.bridge.queues.values() if queue.ordered), self.lane)


class Lane(WorkQueue):
    """Items and their worker: all items of an ordered queue, or a single one."""

    __slots__ = ("bridge", "last_turns", "listed")

    def __init__(self, bridge: Bridge, name: str) -> None:
        super().__init__(bridge.vm, name)
        self.bridge = bridge
        self.last_turns = 0
        self.listed = False

    @property
    def items(self) -> deque[Work]:
        """The items that wait; where no tasks run, those whose turn it is."""
        seam = self.vm.seam
        if seam is None or seam.scheduler is None:
            return deque(self._awake())
        return super().items

    def _awake(self) -> Iterable[CWork]:
        return (work for work in self._items if isinstance(work, CWork) and not work.rests)

    def queue_delayed_work(self, work: Work) -> bool:
        """Put it at the end; False when it is pending already."""
        self._list()
        return super().queue_delayed_work(work)

    def _list(self) -> None:
        if not self.listed:  # in an order that no schedule decides
            self.listed = True
            insort(self.vm.workqueues, self, key=lambda queue: queue.name)

    def run_one(self) -> None:
        """Do the first item whose turn it is."""
        work = next(iter(self._awake()))
        self._items.remove(work)
        self._items.appendleft(work)
        work.task = self.vm.current
        try:
            super().run_one()
        finally:
            work.task = None
            work.ran += 1
            work.turns = work.turns + 1 if work._pending else 0

    def _work(self) -> None:
        for work in self._items:  # what rested before there were tasks has a turn beside them
            work.turns = min(work.turns, MAX_TURNS - 1)  # type: ignore[attr-defined]
        while True:
            self._point("aw")
            if not self._items or not (any(self._awake()) or self._rest()):
                self.worker = False
                return
            if any(self._awake()):
                self.run_one()

    def _rest(self) -> bool:
        """Sleep until an item has another turn; False where an action is tried alone, and nobody goes on after it."""
        _, _, _, scheduler, engine = self.bridge.standing()
        me = getattr(engine, "_running", None)
        if me is None:
            return False

        def ready() -> bool:
            return not self._items or any(self._awake()) or (self.last_turns < MAX_LAST_TURNS and self._all_wait(engine, me))

        what = f"the next turn of {self._items[0].name!r}, which queues itself"
        scheduler.wait(("loop",), ready, what, op="opaque", daemon=True)
        if self._items and not any(self._awake()):
            self.last_turns += 1
            self._items[0].turns = MAX_TURNS - 1  # type: ignore[attr-defined]
        return True

    def _all_wait(self, engine: object, me: object) -> bool:
        """Whether some other task waits, and none can go on."""
        others = [task for task in engine.alive if task is not me and not task.daemon]  # type: ignore[attr-defined]
        return bool(others) and self.bridge._nobody_else(engine, me)

    # waiting for items

    def flush_items(self, works: Iterable[CWork]) -> bool:
        """Wait until these have had a turn, as far as they are queued or run; whether any was or did."""
        self._point("aw")  # what its items did before comes before whatever follows
        wanted = {work: work.ran + 1 + (work._pending and work._running) for work in works if work.busy}
        if not wanted:
            return False
        for work in wanted:
            work.turns = 0
        seam = self.vm.seam
        what = f"work queue {self.name!r} to drain"
        if seam is not None and seam.scheduler is not None:
            if len(wanted) == 1:
                what = f"work item {next(iter(wanted)).name!r} to finish"
            if not self.worker:  # it has ended where an action was tried alone
                self.worker = True
                seam.scheduler.spawn(f"kworker/{self.name}", self._work)
        self.vm.wait(("work", self.name), lambda: all(work.ran >= n or not work.busy for work, n in wanted.items()), what)
        return True

    def cancel_work_sync(self, work: Work) -> bool:
        """Take it off the queue, or wait until it has run; meanwhile nobody can queue it, not even itself."""
        work.cancelling += 1  # type: ignore[attr-defined]
        try:
            return super().cancel_work_sync(work)
        finally:
            work.cancelling -= 1  # type: ignore[attr-defined]


class CWorkQueue(Lane):
    """A work queue of the driver's."""

    __slots__ = ("closing", "ordered")

    def __init__(self, bridge: Bridge, name: str, ordered: bool) -> None:
        super().__init__(bridge, name)
        self.ordered = ordered
        self.closing = False
        self._list()  # also where it holds no items itself: the driver has work that it does by itself

    def lane(self, work: CWork) -> Lane:
        """Where an item of this queue waits for a worker."""
        return self if self.ordered else work.lane

    def put(self, work: CWork) -> bool:
        """queue_work. Raises VMBug (D41) where the queue is being destroyed, unless one of its own items goes on."""
        if not self.ordered:
            self._point("ar")
        if self.closing and not any(one.task is self.vm.current for one in self._mine()):
            raise VMBug("D41", f"{work.name!r} queued on the destroyed work queue {self.name!r}", "a living work queue")
        work.home = self
        return self.lane(work).queue_work(work)

    def _mine(self) -> list[CWork]:
        return sorted((work for work in self.bridge.works.values() if work.home is self), key=lambda work: work.lane.name)

    def flush(self) -> bool:  # type: ignore[override]
        """Wait until all that is queued or runs has had a turn (flush_workqueue); whether anything was or did."""
        self._point("aw")
        if self.ordered:
            return self.flush_items(self._mine())
        waited = [work.lane.flush_items((work,)) for work in self._mine()]
        return any(waited)

    def drain(self) -> None:
        """Wait until nothing is queued any more (drain_workqueue). Raises VMBug where an item queues itself again and again."""
        for _ in range(MAX_DRAIN_ROUNDS):
            if not self.flush():
                return
        left = next((work.name for work in self._mine() if work.busy), "an item")
        raise VMBug("D41", f"work queue {self.name!r} is drained while {left!r} queues itself again", "an item that was cancelled")

    def destroy(self) -> None:
        """Drain the queue; queueing on it from now on is a bug (destroy_workqueue)."""
        self._point("aw")
        self.closing = True
        self.drain()
        self._destroyed = True
