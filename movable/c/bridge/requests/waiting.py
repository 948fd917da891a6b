"""Wait queues, and tasks that sleep until they are woken or their time is up.

There is no clock: a wait with a time limit may end at any later step. Where tasks run a timer is a task of its own, at most a few
for each task, for a loop around such a wait has no end; a task alone has waited long enough when nobody else can do anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable.c.bridge.calls import Asleep, Bridge, Call, Handler
from movable.c.bridge.errors import memory_error
from movable.c.bridge.requests.tasks import sleeps
from movable.c.bridge.runtime import A0, A1
from movable.errors import DeadlockError
from movable.mm.wait import WaitQueue

TIMERS, TIMERS_OF_A_THREAD = 2, 1
"""How many waits of a task may end by their time limit before others have done what they can."""
PREPARED = 2
"""A flag of a ticket: the next schedule() waits for this queue. With 1 the caller gives up its spin lock before it sleeps."""
JOINS, LEAVES = 4, 8
"""Flags of a ticket: from here on the call is on the queue, and no more."""


def _queue(bridge: Bridge, address: int) -> WaitQueue:
    if not bridge.runtime.readable(address, 1):
        raise memory_error(
            "D46", f"uses a wait queue at {address & (1 << 64) - 1:#x}", "a wait queue in living memory", bridge.line()
        )
    found: WaitQueue | None = bridge.waits.get(address)
    if found is None:
        found = bridge.waits[address] = bridge.vm.wait_queue(bridge.name(address))
    return found


def _ticket(bridge: Bridge, queue: WaitQueue) -> int:
    call = bridge.now
    if call.scheduler is not None:
        call.scheduler.point("wait", ("queue", queue.name))
    return queue._wakes


def ticket(bridge: Bridge) -> int:
    """The beginning of a round of wait_event, or prepare_to_wait: a wake-up from here on counts."""
    address, flags = bridge.request[A0], bridge.request[A1]
    if not flags:
        sleeps(bridge, "may wait")
    queue, call = _queue(bridge, address), bridge.now
    if flags & LEAVES:
        if queue in call.joined:
            call.joined.remove(queue)
        call.tickets.pop(queue, None)
        return 0
    if call.thread is not None:
        call.thread.queue = queue
    found = _ticket(bridge, queue)
    if flags & PREPARED:
        call.tickets[queue] = found
    if flags & JOINS:
        call.joined.append(queue)
    return found


def wait(bridge: Bridge) -> None:
    """The end of a round: sleep until somebody wakes the queue, or the time is up."""
    address, before, timed = (bridge.request[A0 + n] for n in range(3))
    sleep(bridge, {_queue(bridge, address): before}, bool(timed))


def state(bridge: Bridge) -> None:
    """set_current_state, finish_wait: from here on a wake-up of the task itself counts, or nothing does."""
    call = bridge.now
    call.tickets.clear()
    if bridge.request[A0]:
        for queue in (bridge.threads.own(call.thread), *call.joined):
            call.tickets[queue] = _ticket(bridge, queue)


def schedule(bridge: Bridge) -> int:
    """schedule(): 0 where the task has not said before what it waits for."""
    tickets, timed = dict(bridge.now.tickets), bool(bridge.request[A0])
    if not tickets:
        return 0
    sleeps(bridge, "calls schedule()")
    bridge.now.tickets.clear()
    sleep(bridge, tickets, timed)
    return 1


def sleep(bridge: Bridge, tickets: dict[WaitQueue, int], timed: bool) -> None:
    """Sleep until one of the queues is woken."""
    call = bridge.now
    call.timed_out = False

    def woken() -> bool:
        return any(queue._wakes != before for queue, before in tickets.items())

    first = next(iter(tickets))
    what = f"a wake-up on wait queue {first.name!r}"
    if call.scheduler is not None:
        _sleep_as_task(bridge, call, tickets, woken, timed, what)
    elif call.thread is None:
        try:
            bridge.threads.wait(("queue", first.name), woken, what)
        except DeadlockError:
            if not timed:
                raise
            call.timed_out = True
    elif not woken():
        call.thread.ready, call.thread.timed = woken, timed
        raise Asleep


def _sleep_as_task(
    bridge: Bridge, call: Call, tickets: dict[WaitQueue, int], woken: Callable[[], bool], timed: bool, what: str
) -> None:
    sleeps(bridge, "waits")
    scheduler = call.scheduler
    keys = [("queue", queue.name) for queue in tickets]
    rung: list[bool] = []
    name = scheduler.current
    most = TIMERS if call.thread is None else TIMERS_OF_A_THREAD
    late = timed and bridge.timers[name] >= most
    if timed and not late:
        bridge.timers[name] += 1

        def ring() -> None:
            scheduler.point("wake", keys[0])
            rung.append(True)

        scheduler.spawn("timer", ring, daemon=True)

    if late and call.thread is None:
        bridge.wait_as_last(call, ("loop",), woken, what, "opaque")
    else:
        key, op = (keys[0], "wait") if len(keys) == 1 else (("loop",), "opaque")
        scheduler.wait(key, lambda: bool(rung) or woken(), what, op=op)
    call.timed_out = not woken()


def timed_out(bridge: Bridge) -> int:
    """Whether the last wait of the call ended because its time was up."""
    return int(bridge.now.timed_out)


def wake(bridge: Bridge) -> None:
    """wake_up."""
    _queue(bridge, bridge.request[A0]).wake_up()


def current(bridge: Bridge) -> int:
    """The task_struct of a thread; 0 for any other task."""
    thread: Any = bridge.now.thread
    return 0 if thread is None else int(thread.task)


TABLE: dict[str, Handler] = {
    "K_CURRENT": current,
    "K_WAIT_TICKET": ticket,
    "K_WAIT": wait,
    "K_WAKE": wake,
    "K_STATE": state,
    "K_SCHEDULE": schedule,
    "K_TIMED_OUT": timed_out,
}
