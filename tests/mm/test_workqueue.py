"""Work queues: what is queued runs once, and a queue that never empties is stopped."""

from __future__ import annotations

import pytest

from movable import VM, DeadlockError, VMBug, Work


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
