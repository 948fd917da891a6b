"""Locks of the driver's: the model's own, by address."""

from __future__ import annotations

import ctypes
from typing import Any

from movable.c.bridge.calls import Bridge, Handler
from movable.c.bridge.errors import memory_error
from movable.c.bridge.requests.tasks import sleeps
from movable.c.bridge.runtime import A0, A1, A2, A4, ARENA, ARENA_END, IN_CONTENT, IN_HEAP, PC, SHARED
from movable.errors import DeadlockError, VMBug
from movable.mm.locks import Mutex, RWLock, SpinLock

MUTEX, SEMAPHORE = 1, 2


class RWSemaphore(RWLock):
    """A read-write lock whose holders may sleep (struct rw_semaphore)."""

    __slots__ = ()
    kind = "rwsem"
    spins = 0


def _lock(bridge: Bridge) -> Any:
    address, kind = bridge.request[A0], bridge.request[A1]
    lock = bridge.locks.get(address)
    if lock is None or isinstance(lock, RWLock):
        _usable(bridge, address)
        lock = bridge.locks[address] = (Mutex if kind == MUTEX else SpinLock)(bridge.vm, bridge.name(address))
    return lock


def _rwlock(bridge: Bridge) -> RWLock:
    address, kind = bridge.request[A0], bridge.request[A1]
    lock = bridge.locks.get(address)
    if not isinstance(lock, RWLock):
        _usable(bridge, address)
        lock = (RWSemaphore if kind == SEMAPHORE else RWLock)(bridge.vm, bridge.name(address))
        bridge.locks[address] = lock
    return lock


def _usable(bridge: Bridge, address: int) -> None:
    if not bridge.runtime.readable(address, 1):
        raise memory_error("D46", f"uses a lock at {address & (1 << 64) - 1:#x}", "a lock in living memory", bridge.line())


def _alive(bridge: Bridge) -> None:
    """A lock inside freed memory is used after free, whoever has it; the runtime has looked before it asked."""
    if not bridge.request[A4]:
        address = bridge.request[A0]
        from movable.c.bridge.requests.faults import heap, page, pointer

        bridge.request[A1], bridge.request[A1 + 1] = 8, 1
        (heap if address in IN_HEAP else page if address in IN_CONTENT else pointer)(bridge)


def lock(bridge: Bridge) -> None:
    """spin_lock, mutex_lock."""
    _alive(bridge)
    address, pc, found = bridge.request[A0], bridge.request[PC], _lock(bridge)
    found.lock()
    if ARENA <= address < ARENA_END and not bridge.memory_readable(address):  # freed while we waited
        bridge.request[A0], bridge.request[A4], bridge.request[PC] = address, 0, pc
        _alive(bridge)


def trylock(bridge: Bridge) -> int:
    """spin_trylock, mutex_trylock. Of a lock that the task holds itself it only says no."""
    _alive(bridge)
    address, found = bridge.request[A0], _lock(bridge)
    if found._owner is not None and found._owner is bridge.vm.current:
        return 0
    call = bridge.now
    if found.trylock():
        return 1
    bridge.waiting_for(call, address, lambda: found._owner is None, ("lock", found.name))
    return 0


def unlock(bridge: Bridge) -> None:
    """spin_unlock, mutex_unlock."""
    _alive(bridge)
    _lock(bridge).unlock()


def init(bridge: Bridge) -> None:
    """A lock begins: whatever was at this address is forgotten."""
    bridge.locks.pop(bridge.request[A0], None)


def is_locked(bridge: Bridge) -> int:
    """Whether somebody holds it."""
    found = bridge.locks.get(bridge.request[A0])
    if isinstance(found, RWLock):
        return int(found.writer is not None or bool(found.readers))
    return int(_lock(bridge).owner is not None)


def assert_held(bridge: Bridge) -> None:
    """lockdep_assert_held: a warning, as in a kernel with lock dependency checks."""
    found = bridge.locks.get(bridge.request[A0])
    task = bridge.vm.current
    if found is None or found not in task.held:
        bridge.vm.warnings.append(f"D52: {bridge.line()} the lock {bridge.name(bridge.request[A0])} is not held by {task.name}")


def _bit_key(bridge: Bridge, address: int) -> Any:
    """The word of a bit lock is a location of the driver's, and tasks share it."""
    key = bridge.key(address & ~7, 8)
    call = bridge.now
    sharing = getattr(call.engine, "sharing", None)
    if call.mode == SHARED and sharing is not None and key not in sharing.shared:
        sharing.shared.add(key)
        sharing.grew = True
        bridge.runtime.lib.k_share(ctypes.c_ulong(address))
    return key


def _took(bridge: Bridge, name: str) -> None:
    """Who has a bit lock holds its name: there is no object."""
    task = bridge.vm.current
    task.held.append(name)
    task.atomic += 1


def _gave(bridge: Bridge, name: str) -> None:
    """Whoever clears the bit; most often that is who has set it."""
    task = bridge.vm.current
    task.atomic -= 1
    if name in task.held:
        task.held.remove(name)


def _bit_name(bridge: Bridge, address: int) -> str:
    return f"the lock bit of {bridge.name(address)}"


def bit_lock(bridge: Bridge) -> None:
    """bit_spin_lock."""
    address, bit = bridge.request[A0], 1 << bridge.request[A1]
    _alive(bridge)
    scheduler, task = bridge.now.scheduler, bridge.vm.current
    name = _bit_name(bridge, address)

    def clear() -> bool:
        return not bridge.memory.peek(address) & bit

    if scheduler is not None:
        scheduler.wait(_bit_key(bridge, address), clear, name, op="lock")
    elif not clear():
        raise DeadlockError(f"task {task.name} waits for {name} for ever: nobody else runs")
    bridge.memory.poke(address, bridge.memory.peek(address) | bit, 8)
    _took(bridge, name)


def bit_trylock(bridge: Bridge) -> int:
    """bit_spin_trylock."""
    address, bit = bridge.request[A0], 1 << bridge.request[A1]
    _alive(bridge)
    call = bridge.now
    if call.scheduler is not None:
        call.scheduler.point("try", _bit_key(bridge, address))
    word = bridge.memory.peek(address)
    if word & bit:
        bridge.waiting_for(call, address, lambda: not bridge.memory.peek(address) & bit, bridge.key(address & ~7, 8))
        return 0
    bridge.memory.poke(address, word | bit, 8)
    _took(bridge, _bit_name(bridge, address))
    return 1


def bit_unlock(bridge: Bridge) -> None:
    """bit_spin_unlock."""
    address, bit = bridge.request[A0], 1 << bridge.request[A1]
    _alive(bridge)
    line, call = bridge.line(), bridge.now
    if call.scheduler is not None:
        call.scheduler.point("unlock", _bit_key(bridge, address))
    word = bridge.memory.peek(address)
    if not word & bit:
        raise VMBug("D35", f"{line} clears the lock bit of {bridge.name(address)} while it is clear", "the lock bit to be held")
    bridge.memory.poke(address, word & ~bit, 8)
    _gave(bridge, _bit_name(bridge, address))


def _side(name: str) -> Handler:
    def handler(bridge: Bridge) -> int:
        _alive(bridge)
        found = _rwlock(bridge)
        if not found.spins and name.endswith("_lock"):
            sleeps(bridge, f"may wait for {found}")
        return int(getattr(found, name)() or 0)

    return handler


def write_unlock(bridge: Bridge) -> None:
    """write_unlock, up_write; and downgrade_write, which keeps the shared side in the same step."""
    _alive(bridge)
    downgrades, found = bridge.request[A2], _rwlock(bridge)
    if downgrades:
        found.downgrade()
    else:
        found.write_unlock()


def _try_side(name: str) -> Handler:
    def handler(bridge: Bridge) -> int:
        _alive(bridge)
        call, address, found = bridge.now, bridge.request[A0], _rwlock(bridge)
        if getattr(found, name)():
            return 1
        bridge.waiting_for(call, address, lambda: found._writer is None and not found._readers, ("lock", found.name))
        return 0

    return handler


TABLE: dict[str, Handler] = {
    "K_LOCK": lock,
    "K_TRYLOCK": trylock,
    "K_UNLOCK": unlock,
    "K_LOCK_INIT": init,
    "K_IS_LOCKED": is_locked,
    "K_ASSERT_HELD": assert_held,
    "K_READ_LOCK": _side("read_lock"),
    "K_READ_TRYLOCK": _try_side("read_trylock"),
    "K_READ_UNLOCK": _side("read_unlock"),
    "K_WRITE_LOCK": _side("write_lock"),
    "K_WRITE_TRYLOCK": _try_side("write_trylock"),
    "K_WRITE_UNLOCK": write_unlock,
    "K_BIT_LOCK": bit_lock,
    "K_BIT_TRYLOCK": bit_trylock,
    "K_BIT_UNLOCK": bit_unlock,
}
