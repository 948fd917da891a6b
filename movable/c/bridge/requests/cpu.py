"""Preemption and per-CPU data of the one processor that has any.

Whoever has disabled preemption must not sleep, and must enable it again. Two tasks are on one processor only as far as they use
its data: the first use inside of such a section waits until nobody else is in the middle of one. What a section does to other data
is not protected by it, as it is not where there are several processors.
"""

from __future__ import annotations

from movable.c.bridge.calls import Bridge, Handler
from movable.c.bridge.runtime import A0, A1
from movable.errors import VMBug
from movable.mm.locks import Lock, SpinLock
from movable.mm.seam import Task

NUMBER = 2
"""Only the number of the processor is asked for."""
ADDRESS = -1
"""Where the lock of the processor's data stands among those of a driver."""


class Disabled:
    """What a task holds that has disabled preemption."""

    def __init__(self) -> None:
        self.depth = 0
        self.lock: Lock | None = None

    def __str__(self) -> str:
        return "disabled preemption"


def disable(bridge: Bridge) -> None:
    """preempt_disable, get_cpu and what begins a section of per-CPU data."""
    task = bridge.vm.current
    found = _section(task)
    if found is None:
        found = Disabled()
        task.held.append(found)
        task.atomic += 1
    found.depth += 1


def enable(bridge: Bridge) -> None:
    """preempt_enable, put_cpu. Raises VMBug where it was not disabled."""
    task = bridge.vm.current
    found = _section(task)
    if found is None:
        raise VMBug("D35", f"{bridge.line()} {task.name} enables preemption, which is not disabled", "as many enables as disables")
    found.depth -= 1
    if not found.depth:
        if found.lock is not None:
            found.lock.unlock()
        task.held.remove(found)
        task.atomic -= 1


def use(bridge: Bridge) -> None:
    """The data of this processor. A section begins to exclude others here; where there is none a kernel with checks warns."""
    task = bridge.vm.current
    found = _section(task)
    if found is not None:
        if found.lock is None and bridge.request[A1] != NUMBER:
            lock = bridge.locks.get(ADDRESS)
            if lock is None:
                lock = bridge.locks[ADDRESS] = SpinLock(bridge.vm, "per-CPU data")
            lock.lock()
            found.lock = lock
    elif bridge.request[A1] and not task.atomic and not bridge.bound[task] and bridge.now.thread is None:
        what = f"D52: {bridge.line()} {task.name} uses per-CPU data of this processor, and may be moved to another one meanwhile"
        bridge.vm.warnings.append(f"{what}: preemption is not disabled")


def bind(bridge: Bridge) -> None:
    """migrate_disable and migrate_enable: the task stays on its processor."""
    bridge.bound[bridge.vm.current] += bridge.request[A1]


def _section(task: Task) -> Disabled | None:
    return next((one for one in task.held if type(one) is Disabled), None)


DISABLE, ENABLE, USE, _, BIND = range(5)


def cpu(bridge: Bridge) -> None:
    """What a driver says of its processor: which of these it is stands first."""
    what = bridge.request[A0]
    if what == BIND:
        bind(bridge)
    elif what == ENABLE:
        enable(bridge)
    else:
        if what != USE:
            disable(bridge)
        if what != DISABLE:
            use(bridge)


TABLE: dict[str, Handler] = {"K_CPU": cpu}
