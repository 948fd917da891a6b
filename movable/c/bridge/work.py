"""Work items and queues of a driver in C, where an item may queue itself again.

An item that polls has no end, and a machine without a clock cannot say when its next turn is. So after some turns an item that
queues itself rests: it gets another one when somebody waits for it, when it is queued anew, or when nobody else can go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from movable.errors import VMBug
from movable.mm.locks import Work, WorkQueue

if TYPE_CHECKING:
    from movable.c.bridge.calls import Bridge

TURNS = 2
"""Turns of an item that queues itself, before it rests."""
LAST_TURNS = 40
"""Turns that it gets because nobody else can go on."""
DRAINS = 10
"""Rounds of a queue that is drained, after which a kernel warns."""


class CWork(Work):
    """A work_struct of the driver's: the ``function`` it calls, how often it ``ran``, its ``turns`` since anybody else asked for
    it, and how many callers are ``cancelling`` it."""

    __slots__ = ("cancelling", "function", "ran", "turns")
    function: int

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.cancelling = self.ran = self.turns = 0

    @property
    def busy(self) -> bool:
        """Whether it is queued or runs."""
        return self._pending or self._running

    @property
    def rests(self) -> bool:
        """Whether its next turn is not yet."""
        return self.turns >= TURNS


class CWorkQueue(WorkQueue):
    """A queue of such items."""

    __slots__ = ("bridge", "last_turns")

    def __init__(self, bridge: Bridge, name: str) -> None:
        super().__init__(bridge.vm, name)
        self.bridge = bridge
        self.last_turns = 0
        bridge.vm.workqueues.append(self)

    @property
    def items(self) -> deque[Work]:
        """The items that wait; where no tasks run, those whose turn it is."""
        seam = self.vm.seam
        if seam is None or seam.scheduler is None:
            return deque(self._awake())
        return super().items

    def _awake(self) -> Iterable[CWork]:
        return (work for work in self._items if isinstance(work, CWork) and not work.rests)

    def run_one(self) -> None:
        """Do the first item whose turn it is."""
        work = next(iter(self._awake()))
        self._items.remove(work)
        self._items.appendleft(work)
        try:
            super().run_one()
        finally:
            work.ran += 1
            work.turns = work.turns + 1 if work._pending else 0

    def _work(self) -> None:
        for work in self._items:  # what rested before there were tasks has a turn beside them
            work.turns = min(work.turns, TURNS - 1)  # type: ignore[attr-defined]
        while True:
            self._point("aw")
            if not self._items:
                self.worker = False
                return
            if not any(self._awake()):
                self._rest()
            if any(self._awake()):
                self.run_one()

    def _rest(self) -> None:
        _, _, _, scheduler, engine = self.bridge.standing()
        me = getattr(engine, "_running", None)

        def ready() -> bool:
            return not self._items or any(self._awake()) or (self.last_turns < LAST_TURNS and self._all_wait(engine, me))

        if me is None:  # nobody else is there
            for work in self._items:
                work.turns = 0  # type: ignore[attr-defined]
            return
        what = f"the next turn of {self._items[0].name!r}, which queues itself"
        scheduler.wait(("loop",), ready, what, op="opaque", daemon=True)
        if self._items and not any(self._awake()):
            self.last_turns += 1
            self._items[0].turns = TURNS - 1  # type: ignore[attr-defined]

    def _all_wait(self, engine: object, me: object) -> bool:
        """Whether some other task waits, and none can go on."""
        others = [task for task in engine.alive if task is not me and not task.daemon]  # type: ignore[attr-defined]
        return bool(others) and self.bridge._nobody_else(engine, me)

    # waiting for items

    def _busy(self) -> tuple[CWork, ...]:
        return tuple(work for work in self.bridge.works.values() if work.queue is self and work.busy)

    def flush(self, *works: CWork) -> None:
        """Wait until these, or all that are queued or run now, have had a turn (flush_work, flush_workqueue)."""
        self._point("aw")  # what its items did before comes before whatever follows
        wanted = {work: work.ran + 1 + (work._pending and work._running) for work in works or self._busy() if work.busy}
        for work in wanted:
            work.turns = 0

        def done() -> bool:
            return all(work.ran >= count or not work.busy for work, count in wanted.items())

        seam = self.vm.seam
        what = f"work queue {self.name!r} to drain"
        if works and seam is not None and seam.scheduler is not None:
            what = f"work item {works[0].name!r} to finish"
        self.vm.wait(("work", self.name), done, what)

    def drain(self) -> None:
        """Wait until nothing is queued any more (drain_workqueue). Raises VMBug where an item queues itself again and again."""
        for _ in range(DRAINS):
            self._point("aw")
            if not self._busy():
                return
            self.flush()
        left = self._items[0].name if self._items else "an item"
        raise VMBug("D41", f"work queue {self.name!r} is drained while {left!r} queues itself again", "an item that was cancelled")

    def cancel_work_sync(self, work: Work) -> bool:
        """Take it off the queue, or wait until it has run; meanwhile nobody can queue it, not even itself."""
        work.cancelling += 1  # type: ignore[attr-defined]
        try:
            return super().cancel_work_sync(work)
        finally:
            work.cancelling -= 1  # type: ignore[attr-defined]

    def destroy(self) -> None:
        """Drain the queue; queueing on it from now on is a bug (destroy_workqueue)."""
        self.drain()
        self._destroyed = True
