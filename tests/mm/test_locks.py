"""Locks, wait queues and work queues without a scheduler: what would block for ever says who waits for what."""

from __future__ import annotations

import pytest

from movable import (
    VM,
    DeadlockError,
    SleepInAtomic,
    VMBug,
    Work,
    bit_spin_is_locked,
    bit_spin_lock,
    bit_spin_trylock,
    bit_spin_unlock,
)
from movable.mm.locks import Lock


@pytest.fixture
def vm() -> VM:
    return VM()


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
    lock.write_unlock()
    with lock.read():
        assert vm.current.atomic == 1
    assert vm.current.atomic == 0


class Handle:
    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.name = "handle 1"
        self.word = 0b1100


def test_a_lock_bit_shares_its_word(vm: VM) -> None:
    handle = Handle(vm)
    bit_spin_lock(0, handle)
    assert handle.word == 0b1101
    assert bit_spin_is_locked(0, handle)
    assert not bit_spin_trylock(0, handle)
    with pytest.raises(DeadlockError, match="lock bit of handle 1"):
        bit_spin_lock(0, handle)
    bit_spin_unlock(0, handle)
    assert handle.word == 0b1100
    with pytest.raises(VMBug, match="while clear"):
        bit_spin_unlock(0, handle)
    assert bit_spin_trylock(0, handle)
    bit_spin_unlock(0, handle)
    assert vm.current.atomic == 0


def test_waiting_runs_queued_work_first(vm: VM) -> None:
    queue, works, done = vm.wait_queue("drained"), vm.workqueue("worker"), []

    def finish() -> None:
        done.append(True)
        queue.wake_up()

    works.queue_work(Work(finish))
    queue.wait_event(lambda: bool(done))
    assert done == [True]


def test_waiting_for_what_never_comes(vm: VM) -> None:
    with pytest.raises(DeadlockError, match="task main waits for a wake-up on wait queue 'q' for ever; it holds nothing"):
        vm.wait_queue("q").wait_event(lambda: False)


def test_a_wake_up_alone_is_not_enough(vm: VM) -> None:
    queue, works = vm.wait_queue("q"), vm.workqueue("worker")
    works.queue_work(Work(queue.wake_up))
    with pytest.raises(DeadlockError):
        queue.wait_event(lambda: False)


def test_work_runs_once_for_each_time_it_is_queued(vm: VM) -> None:
    works, ran = vm.workqueue("worker"), []
    work = Work(lambda: ran.append(len(ran)), "count")
    assert works.queue_work(work)
    assert not works.queue_work(work)
    assert vm.run_work() == 1
    assert works.queue_work(work)
    works.flush()
    assert ran == [0, 1]
    assert works.queue_work(work)
    assert works.cancel_work_sync(work)
    assert not works.cancel_work_sync(work)
    assert vm.run_work() == 0


def test_a_destroyed_queue_takes_no_work(vm: VM) -> None:
    works, ran = vm.workqueue("worker"), []
    works.queue_work(Work(lambda: ran.append(1)))
    works.destroy()
    assert ran == [1]
    with pytest.raises(VMBug, match="D41"):
        works.queue_work(Work(lambda: None, "late"))


def test_work_that_queues_itself_for_ever_is_stopped(vm: VM) -> None:
    works = vm.workqueue("worker")
    work = Work(lambda: works.queue_work(work))
    works.queue_work(work)
    with pytest.raises(DeadlockError, match="for ever"):
        vm.run_work(limit=100)
    with pytest.raises(DeadlockError, match="not empty"):
        works.flush()
