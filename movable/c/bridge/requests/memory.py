"""Shrinkers, and owners of pages that go."""

from __future__ import annotations

from movable.c.bridge.calls import Bridge, Handler
from movable.c.bridge.requests.locks import RWSemaphore
from movable.c.bridge.requests.tasks import sleeps
from movable.c.bridge.runtime import A0, NR_TASKS

LOCK = -2
"""Where the lock of the shrinkers stands among those of a driver."""
CONTROL_BYTES = 64
"""Bytes for a struct shrink_control."""
BATCH_OBJECTS = 128
"""How many objects a shrinker is asked to free at a time."""


class CShrinker:
    """A shrinker of the driver's: the model asks it when memory is short."""

    def __init__(self, bridge: Bridge, address: int) -> None:
        self.bridge = bridge
        self.address = address
        self.controls = bridge.runtime.scratch(CONTROL_BYTES * NR_TASKS)

    def _ask(self, offset: int, nr: int) -> int:
        bridge, memory = self.bridge, self.bridge.memory
        function = memory.peek(self.address + offset)
        if not function:
            return 0
        control = self.controls + CONTROL_BYTES * bridge.standing()[1]  # whoever asks has one of its own
        for place, value in ((0, 0), (8, nr), (16, nr)):
            memory.poke(control + place, value, 8)
        return bridge.call(function, (self.address, control))

    def count_objects(self) -> int:
        """How many objects could be freed."""
        answer = self._ask(0, 0)
        return max(0, answer)

    def scan_objects(self, nr: int) -> int:
        """Try ``nr`` objects."""
        return max(-1, self._ask(8, nr))


def _lock(bridge: Bridge) -> RWSemaphore:
    if LOCK not in bridge.locks:
        bridge.locks[LOCK] = RWSemaphore(bridge.vm, "shrinker_rwsem")
    found: RWSemaphore = bridge.locks[LOCK]
    return found


def register(bridge: Bridge) -> int:
    """register_shrinker."""
    address = bridge.request[A0]
    sleeps(bridge, "registers a shrinker")
    lock = _lock(bridge)
    lock.write_lock()
    shrinker = bridge.shrinkers[address] = CShrinker(bridge, address)
    bridge.vm.shrinkers.append(shrinker)
    lock.write_unlock()
    return 0


def unregister(bridge: Bridge) -> None:
    """unregister_shrinker, which waits for whoever is in the middle of asking one."""
    address = bridge.request[A0]
    sleeps(bridge, "unregisters a shrinker")
    lock = _lock(bridge)
    lock.write_lock()
    found = bridge.shrinkers.pop(address, None)
    if found is not None:
        bridge.vm.shrinkers.remove(found)
    lock.write_unlock()


def drop_slab(bridge: Bridge) -> bool:
    """Ask the driver's shrinkers as a kernel does that is told to drop what it can (/proc/sys/vm/drop_caches).

    Returns whether they gave back any of what they had counted: one that finds a lock taken may decline, or leave objects out.
    One that gives nothing back and has not declined is asked again: many spare what was used since they were asked last.
    """
    lock = _lock(bridge)
    lock.read_lock()
    counted = freed = 0
    for shrinker in list(bridge.shrinkers.values()):
        count = shrinker.count_objects()
        if count:
            counted += count
            done = shrinker.scan_objects(min(count, BATCH_OBJECTS)) or shrinker.scan_objects(min(count, BATCH_OBJECTS))
            freed += max(0, done)
    lock.read_unlock()
    return freed > 0 or not counted


def free_space(bridge: Bridge) -> None:
    """The mapping of an inode goes."""
    bridge.spaces.free(bridge.request[A0])


TABLE: dict[str, Handler] = {"K_SHRINKER": register, "K_NO_SHRINKER": unregister, "K_FREE_SPACE": free_space}
