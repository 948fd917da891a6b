"""Locks without a scheduler: what would block for ever says who waits for what."""

from __future__ import annotations

import pytest

from movable import VM, DeadlockError, SleepInAtomic, VMBug
from movable.mm.locks import Lock


@pytest.mark.parametrize("kind", ["spinlock", "mutex"])
def test_exclusive_locks(vm: VM, kind: str) -> None:
    lock: Lock = getattr(vm, kind)("door")
    with lock:
        assert lock.held
        assert not lock.trylock()
        with pytest.raises(DeadlockError, match=r"main waits for .* 'door', which it holds itself"):
            lock.lock()
        assert vm.current.held == [lock]
    assert not lock.held
    assert lock.trylock()
    lock.unlock()
    with pytest.raises(VMBug, match="held by nobody"):
        lock.unlock()
    assert (vm.current.held, vm.current.atomic) == ([], 0)


def test_a_lock_is_released_when_its_block_raises(vm: VM) -> None:
    lock = vm.mutex("door")
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert not lock.held


def test_nothing_that_sleeps_under_a_spin_lock(vm: VM) -> None:
    spin, mutex, queue = vm.spinlock("spin"), vm.mutex("mutex"), vm.wait_queue("queue")
    with spin, pytest.raises(SleepInAtomic, match=r"locks mutex 'mutex' while it holds spin lock 'spin'"):
        mutex.lock()
    with spin, pytest.raises(SleepInAtomic, match="locks mutex"), mutex:
        pass
    with spin, pytest.raises(SleepInAtomic, match="wait queue 'queue'"):
        queue.wait_event(lambda: False)


def test_read_write_lock(vm: VM) -> None:
    lock = vm.rwlock("rw")
    lock.read_lock()
    assert lock.read_trylock()
    assert not lock.write_trylock()
    with pytest.raises(DeadlockError, match="rwlock 'rw', which it holds itself"):
        lock.write_lock()
    lock.read_unlock()
    lock.read_unlock()
    with pytest.raises(VMBug, match="no reader"):
        lock.read_unlock()
    with lock.write():
        assert not lock.read_trylock()
        with pytest.raises(DeadlockError):
            lock.read_lock()
    with pytest.raises(VMBug, match="not the writer"):
        lock.write_unlock()
    assert lock.write_trylock()
    came_in: list[bool] = []
    vm.meanwhile = lambda: came_in.append(lock.write_trylock())
    lock.downgrade()  # nobody runs between the two sides
    assert lock.readers == [vm.current] and vm.current.atomic == 1 and not came_in
    lock.read_unlock()  # here others run
    vm.meanwhile = None
    assert came_in == [True]
    lock.write_unlock()
    with lock.read():
        assert vm.current.atomic == 1
    assert vm.current.atomic == 0


def test_each_lock_event_says_which_side_was_taken(vm: VM) -> None:
    seen: list[tuple[bool, bool]] = []
    vm.observe(lambda event: seen.append((event.args["tried"], event.args["shared"])) if event.kind == "lock" else None)
    lock = vm.rwlock("rw")
    with lock.read():
        assert lock.read_trylock()
        lock.read_unlock()
    with lock.write():
        pass
    assert lock.write_trylock()
    lock.downgrade()
    lock.read_unlock()
    with vm.spinlock("spin"):
        pass
    assert seen == [(False, True), (True, True), (False, False), (True, False), (True, True), (False, False)]
