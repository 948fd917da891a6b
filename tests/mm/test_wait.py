"""Wait queues: what would block for ever says who waits for what, and no wake-up is lost while the condition is looked at."""

from __future__ import annotations

import pytest

from movable import VM, AtomicLong, DeadlockError, Work


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
