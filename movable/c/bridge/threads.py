"""Kernel threads of a driver. Where tasks run each is a task; on a machine without a scheduler a thread runs when work is done, as
far as it comes without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from movable.c.bridge.runtime import RET
from movable.errors import DeadlockError
from movable.mm.wait import WaitQueue
from movable.mm.workqueue import Work

if TYPE_CHECKING:
    from movable.c.bridge.calls import Bridge, Call
    from movable.mm.seam import Seam

__tracebackhide__ = True

STOP = 4
"""Where in struct task_struct it is noted that a thread shall stop."""
MAX_TURNS = 10_000
"""How often a thread that is to end is given the processor."""
VAIN_TURNS = 50
"""After so many in which nobody else did anything it does not end: one that naps before it looks needs a few."""
NOT_STARTED = -4


class Thread:
    """One thread: its task_struct's address, what it runs, and how far it is."""

    def __init__(self, task: int, function: int, data: int, name: str, own: WaitQueue, end: WaitQueue) -> None:
        self.task = task
        self.function = function
        self.data = data
        self.name = name
        self.started = False
        self.running = False
        self.done = False
        self.answer = NOT_STARTED
        self.call: Call | None = None
        self.ready: Callable[[], bool] | None = None
        self.work: Work | None = None
        self.timed = False
        self.naps = 0
        """How often a wait with a time limit may still end by it, on a machine without a scheduler."""
        self.own = own
        """Where it waits for being woken itself."""
        self.end = end
        """Where others wait for its end."""
        self.queue: WaitQueue | None = None
        """Where it waits or last waited: who wakes the thread itself ends that wait, too."""

    def wake(self) -> None:
        """It looks again at what it waits for."""
        self.own.wake_up()
        if self.queue is not None:
            self.queue.wake_up()

    @property
    def can_go_on(self) -> bool:
        """Whether what it waits for is so, or it has waited long enough."""
        return self.ready is None or self.ready() or (self.timed and self.naps > 0)


class Threads:
    """All threads of one driver."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.all: dict[int, Thread] = {}
        self._names: dict[str, int] = {}
        self._queue: Any = None
        self.woken = False
        """A call was watched where no tasks run: what it woke is queued when nobody watches any more."""
        self._others = bridge.vm.wait_queue("task")

    def make(self, task: int, function: int, data: int, name: str) -> Thread:
        """A new thread, which does not run yet."""
        nth = self._names[name] = self._names.get(name, 0) + 1
        name = name if nth == 1 else f"{name}#{nth}"
        thread = self.all[task] = Thread(task, function, data, name, *map(self.bridge.vm.wait_queue, (name, f"the end of {name}")))
        return thread

    def own(self, thread: Thread | None) -> WaitQueue:
        """What a thread waits at that waits for nothing but being woken; all other tasks have one together."""
        return self._others if thread is None else thread.own

    def wake(self, task: int) -> int:
        """wake_up_process; whether that began a thread."""
        thread = self.all.get(task)
        if thread is None:
            self._others.wake_up()
            return 0
        fresh = not thread.started
        self.start(thread)
        return int(fresh)

    def start(self, thread: Thread) -> None:
        """Let it run (wake_up_process)."""
        if thread.started or thread.done:
            thread.wake()
            return
        thread.started = True
        _, _, _, scheduler, engine = self.bridge.standing()
        if scheduler is not None and hasattr(engine, "_running"):
            scheduler.spawn(thread.name, lambda: self._run(thread), daemon=True)
        else:
            self._enqueue(thread)

    def _run(self, thread: Thread) -> None:
        """As a task, to its end."""
        from movable.c.bridge.calls import Exits

        if thread.done:
            return
        try:
            thread.answer = self._go(thread)
        except Exits as exits:
            thread.answer = exits.args[0]
        thread.end.wake_up()
        thread.done = True

    def _go(self, thread: Thread) -> int:
        """Its function, or the rest of it; returns what it answers."""
        bridge, call = self.bridge, thread.call
        if call is None:
            return bridge.call(thread.function, (thread.data,), thread)
        call.mode, _, call.seam, call.scheduler, call.engine = bridge.standing()  # it began before there were tasks
        bridge.runtime.lib.k_mode(call.coroutine, call.mode)
        bridge.request[RET] = 1  # it has slept
        return bridge.drive(call)

    def arrived(self, seam: Seam | None) -> None:
        """Tasks run from now on: a thread becomes one of them. Or nobody watches any more."""
        if seam is None or seam.scheduler is None:
            if seam is None and self.woken:
                self.woken = False
                self.look()
            return
        for thread in self.all.values():
            if thread.started and not thread.done:
                if thread.work is not None and thread.work._pending:
                    self._queue._items.remove(thread.work)
                    thread.work._pending = False
                seam.scheduler.spawn(thread.name, lambda thread=thread: self._run(thread), daemon=True)  # type: ignore[misc, call-arg]

    # without a scheduler

    def _enqueue(self, thread: Thread) -> None:
        if self._queue is None:
            self._queue = self.bridge.vm.workqueue("threads")
        if thread.work is None:
            thread.work = Work(lambda: self.slice(thread), thread.name)
        self._queue.queue_work(thread.work)

    def wait(self, key: tuple[str, str], ready: Callable[[], bool], what: str) -> None:
        """Let the caller sleep where it is the only task: until it is ``ready``, threads that can go on are queued as work."""

        def now() -> bool:
            if ready():
                return True
            self.look()
            return False

        self.bridge.vm.wait(key, now, what)

    def look(self) -> None:
        """A call has ended or waits: threads that can go on are queued as work."""
        for thread in self.all.values():
            if thread.started and not thread.done and not thread.running and thread.can_go_on:
                self._enqueue(thread)

    def slice(self, thread: Thread) -> None:
        """Let a thread run until it ends or waits for what is not so yet."""
        from movable.c.bridge.calls import Asleep, Call, Exits

        bridge = self.bridge
        if thread.done or thread.running or not thread.can_go_on:
            return
        late = thread.ready is not None and thread.timed and not thread.ready()
        thread.naps -= late
        thread.running, thread.ready, thread.timed = True, None, False
        call = thread.call
        if call is None:
            bridge.memory.activate()
            mode, _, seam, _, _ = bridge.standing()
            coroutine = bridge.runtime.start(self._slot(thread), mode, thread.function, (thread.data,))
            call = thread.call = Call(coroutine, mode, thread, thread.function)
            call.seam = seam
        else:
            bridge.memory.activate()
            call.mode, _, call.seam, call.scheduler, call.engine = (*bridge.standing()[:3], None, None)
            bridge.runtime.lib.k_mode(call.coroutine, call.mode)
            bridge.request[RET] = 1  # it has slept
        call.timed_out = late
        try:
            thread.answer = bridge.drive(call)
            thread.done = True
        except Exits as exits:
            thread.answer, thread.done = exits.args[0], True
        except Asleep:
            pass
        finally:
            thread.running = False

    def _slot(self, thread: Thread) -> int:
        from movable.c.bridge.calls import SCENE_TASKS
        from movable.c.bridge.runtime import NR_TASKS

        return NR_TASKS - 1 - list(self.all).index(thread.task) % (NR_TASKS - SCENE_TASKS)

    def stop(self, thread: Thread) -> int:
        """Tell a thread to stop and wait for it (kthread_stop); returns what it answered."""
        bridge = self.bridge
        bridge.access(thread.task + STOP, 4, True)
        bridge.memory.poke(thread.task + STOP, 1, 4)
        thread.wake()
        scheduler = bridge.standing()[3]
        if not thread.started:
            thread.done = True
        elif scheduler is not None:
            scheduler.wait(("queue", thread.end.name), lambda: thread.done, f"thread {thread.name} to end")
        else:
            self._finish(thread)
        del self.all[thread.task]
        return thread.answer

    def _finish(self, thread: Thread) -> None:
        vain = 0
        for _ in range(MAX_TURNS):
            if thread.done:
                return
            thread.ready = None
            self.slice(thread)
            vain = 0 if self.bridge.vm.run_work() else vain + 1
            if vain > VAIN_TURNS:
                break
        if not thread.done:
            raise DeadlockError(f"thread {thread.name} was told to stop and does not end")
