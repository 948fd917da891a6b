"""Counters that need no lock, and a wake-up that comes while the condition is being looked at."""

from __future__ import annotations

from movable import VM, AtomicLong, Work


def test_atomic_counter() -> None:
    counter = AtomicLong(VM(), "pages")
    assert (counter.add(5), counter.add(-2), counter.read()) == (5, 3, 3)
    counter.raise_to(2)
    assert counter.read() == 3
    counter.raise_to(7)
    assert counter.read() == 7


def test_wake_up_during_the_look_is_not_lost() -> None:
    """The sleeper counts as waiting before it looks, as prepare_to_wait does in the kernel."""
    vm = VM()
    queue = vm.wait_queue("queue")
    done: list[bool] = []

    def condition() -> bool:
        seen = bool(done)
        if not done:  # somebody else runs between the look and its answer
            done.append(True)
            queue.wake_up()
        return seen

    queue.wait_event(condition)
    assert queue.wakes == 1


def test_sleeper_without_a_wake_up_lets_queued_work_run() -> None:
    vm = VM()
    queue = vm.wait_queue("queue")
    counter = AtomicLong(vm, "done")
    worker = vm.workqueue("worker")

    def finish() -> None:
        counter.add(1)
        queue.wake_up()

    worker.queue_work(Work(finish, "finish"))
    queue.wait_event(lambda: counter.read() == 1)
    assert counter.read() == 1
