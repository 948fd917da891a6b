"""Threads, work, and loops that wait."""

from __future__ import annotations

from typing import Any

from movable.c.bridge.calls import Bridge, Exits, Handler
from movable.c.bridge.errors import memory_error
from movable.c.bridge.requests.faults import text_at
from movable.c.bridge.runtime import A0, A1, A2
from movable.c.bridge.work import CWork, CWorkQueue
from movable.errors import SleepInAtomic, VMBug
from movable.mm.seam import held

SYSTEM = 0
QUEUES = 0x2000
COMM = 8
MAX_BLIND_ROUNDS = 10_000
"""Rounds in a row of a loop that waits and looks at nothing: one that counts may have some."""


def sleeps(bridge: Bridge, what: str) -> None:
    """Raise SleepInAtomic where the task must not sleep."""
    task = bridge.vm.current
    if task.atomic:
        raise SleepInAtomic("D48", f"{bridge.line()} {what} while {task.name} holds {held(task)}", "no spin lock held")


def relax(bridge: Bridge) -> None:
    """A loop that waits has come round: cpu_relax, cond_resched, msleep and so on."""
    may_sleep, idle, looks, table = (bridge.request[A0 + n] for n in range(4))
    call = bridge.now
    if may_sleep:
        sleeps(bridge, "sleeps")
    wishes, call.wishes = call.wishes, []
    call.blind = 0 if looks or wishes else call.blind + 1
    if call.blind > MAX_BLIND_ROUNDS:
        raise VMBug("D51", f"{bridge.line()} waits in a loop that looks at nothing that could change", "an end")
    if not idle and not wishes:
        call.rounds = 0
        return
    before, call.before = call.before, tuple(key for key, _ in wishes)
    if not idle and before != call.before:
        return  # the first round without the lock: the second one will wait
    bridge.idle(call, looks, table, wishes)


def might_sleep(bridge: Bridge) -> None:
    """might_sleep, and allocations that may wait."""
    gfp = bridge.request[A0]
    from movable.mm.gfp import GFP_DIRECT_RECLAIM

    if not gfp or gfp & GFP_DIRECT_RECLAIM:
        sleeps(bridge, "may sleep" if not gfp else "allocates memory with a wait")


def alloc_object(bridge: Bridge) -> int:
    """kmalloc and its relatives: whether there is no memory, as a fault may want it."""
    gfp = bridge.request[A0]
    might_sleep(bridge)
    fails = bridge.vm.object_fails
    return int(fails is not None and fails(gfp))


# --- threads ---


def thread_run(bridge: Bridge) -> None:
    """kthread_run, kthread_create."""
    task, function, data, run = (bridge.request[A0 + n] for n in range(4))
    thread = bridge.threads.make(task, function, data, text_at(bridge, task + COMM))
    if run:
        bridge.threads.start(thread)


def wake_thread(bridge: Bridge) -> int:
    """wake_up_process."""
    return bridge.threads.wake(bridge.request[A0])


def thread_exit(bridge: Bridge) -> None:
    """kthread_exit, do_exit."""
    if bridge.now.thread is None:
        raise VMBug("D52", f"{bridge.line()} ends a task that is no thread of the driver's", "a thread to end itself")
    raise Exits(bridge.request[A0])


def thread_stop(bridge: Bridge) -> int:
    """kthread_stop."""
    sleeps(bridge, "waits for a thread to end")
    thread = bridge.threads.all.get(bridge.request[A0])
    if thread is None:
        address = bridge.request[A0] & (1 << 64) - 1
        raise memory_error("D46", f"stops a thread at {address:#x}, which is none", "a thread that was not stopped", bridge.line())
    return bridge.threads.stop(thread)


def should_stop(bridge: Bridge) -> int:
    """kthread_should_stop."""
    from movable.c.bridge.threads import STOP

    call = bridge.now
    if call.thread is None:
        return 0
    address = call.thread.task + STOP
    bridge.access(address, 4, False)
    bridge.looked(call, address, 4)
    return bridge.memory.peek(address, 4)


# --- work ---


def _queue(bridge: Bridge, handle: int) -> CWorkQueue:
    found: CWorkQueue | None = bridge.queues.get(handle)
    if found is None and handle == SYSTEM:
        found = bridge.queues[SYSTEM] = CWorkQueue(bridge, "events", False)
    if found is None:
        raise memory_error("D41", f"uses {handle & (1 << 64) - 1:#x} as a work queue", "a work queue", bridge.line())
    return found


def _work(bridge: Bridge, address: int) -> CWork:
    if not bridge.runtime.readable(address, 8):
        raise memory_error(
            "D46", f"uses a work item at {address & (1 << 64) - 1:#x}", "a work item in living memory", bridge.line()
        )
    function = bridge.memory.peek(address)
    work: Any = bridge.works.get(address)
    if work is None or work.function != function:
        line = bridge.line()

        def run() -> None:
            if not bridge.memory_readable(address):
                raise memory_error("D46", "queues a work item whose memory is freed before it runs", "cancelled work", line)
            bridge.bound[task := bridge.vm.current] += 1  # a worker stays where it is
            try:
                bridge.call(function, (address,))
            finally:
                bridge.bound[task] -= 1

        work = bridge.works[address] = CWork(bridge, address, function, run)
    return work  # type: ignore[no-any-return]


def work_queue(bridge: Bridge) -> int:
    """alloc_workqueue and its relatives."""
    number = QUEUES + 16 * len(bridge.queues)
    name = f"{text_at(bridge, bridge.request[A0])}{len(bridge.queues) or ''}"
    bridge.queues[number] = CWorkQueue(bridge, name, bool(bridge.request[A1]))
    return number


def queue_work(bridge: Bridge) -> int:
    """queue_work; a delay is only that it is not now."""
    queue, work = _queue(bridge, bridge.request[A0]), _work(bridge, bridge.request[A1])
    if work.cancelling:
        queue.lane(work)._point("aw")
        return 0
    if not work._running:
        work.turns = 0
    return int(queue.put(work))


def cancel_work(bridge: Bridge) -> int:
    """cancel_work_sync, and cancel_work which does not wait for one that runs; disable_work is that and lasts."""
    work, waits = _work(bridge, bridge.request[A0]), bridge.request[A1]
    if waits:
        sleeps(bridge, "waits for a work item")
    work.cancelling += bridge.request[A2]
    if waits or not work._running:
        return int(work.queue.cancel_work_sync(work))
    return 0


def enable_work(bridge: Bridge) -> int:
    """enable_work: whether it can be queued again."""
    work = _work(bridge, bridge.request[A0])
    work.queue._point("aw")
    work.cancelling = max(0, work.cancelling - 1)
    return int(not work.cancelling)


def flush_work(bridge: Bridge) -> int:
    """flush_work."""
    sleeps(bridge, "waits for a work item")
    work = _work(bridge, bridge.request[A0])
    return int(work.queue.flush_items((work,)))


def flush_queue(bridge: Bridge) -> None:
    """flush_workqueue."""
    sleeps(bridge, "waits for a work queue")
    _queue(bridge, bridge.request[A0]).flush()


def drain_queue(bridge: Bridge) -> None:
    """drain_workqueue."""
    sleeps(bridge, "waits for a work queue")
    _queue(bridge, bridge.request[A0]).drain()


def destroy_queue(bridge: Bridge) -> None:
    """destroy_workqueue."""
    sleeps(bridge, "waits for a work queue")
    _queue(bridge, bridge.request[A0]).destroy()


def work_pending(bridge: Bridge) -> int:
    """work_pending."""
    return int(_work(bridge, bridge.request[A0]).pending)


TABLE: dict[str, Handler] = {
    "K_RELAX": relax,
    "K_MIGHT_SLEEP": might_sleep,
    "K_ALLOC_OBJECT": alloc_object,
    "K_THREAD_RUN": thread_run,
    "K_WAKE_THREAD": wake_thread,
    "K_THREAD_EXIT": thread_exit,
    "K_THREAD_STOP": thread_stop,
    "K_SHOULD_STOP": should_stop,
    "K_WORK_QUEUE": work_queue,
    "K_DESTROY_QUEUE": destroy_queue,
    "K_FLUSH_QUEUE": flush_queue,
    "K_DRAIN_QUEUE": drain_queue,
    "K_QUEUE_WORK": queue_work,
    "K_CANCEL_WORK": cancel_work,
    "K_ENABLE_WORK": enable_work,
    "K_FLUSH_WORK": flush_work,
    "K_WORK_PENDING": work_pending,
}
