"""Who holds which lock: a try that fails is no second holding."""

from __future__ import annotations

import random

import pytest

from movable.explore.detect.lock_order import Locks


def test_a_failing_try_of_ones_own_lock_is_no_second_holding() -> None:
    locks = Locks()
    locks.step(0, "lock", "z", 0)
    locks.step(0, "try", "z", 1)
    locks.step(0, "unlock", "z", 2)
    assert locks.held(0) == []
    assert not locks.step(0, "lock", "z", 3)


def test_a_try_that_failed_is_forgotten_when_the_lock_is_waited_for() -> None:
    locks = Locks()
    locks.step(0, "try", "z", 0)
    locks.step(0, "lock", "z", 1)
    locks.step(0, "unlock", "z", 2)
    assert locks.held(0) == []


def test_a_try_of_somebody_else_that_failed_is_no_holding_when_a_shared_side_is_left() -> None:
    """One waits for a page behind a failed try, while another leaves a side that it had turned into a shared one."""
    locks = Locks()
    steps = [(0, "lock", "page"), (0, "lock", "z"), (0, "unlock", "z"), (0, "unlock", "page"), (2, "lock", "z"), (1, "try", "z")]
    steps += [(2, "unlock", "z"), (1, "lock", "page"), (2, "runlock", "z"), (1, "unlock", "page")]
    for now, (task, op, key) in enumerate(steps):
        locks.step(task, op, key, now)
    assert locks.ring() == []


def test_a_reader_may_try_again_and_holds_nothing_surely_once_it_has_released() -> None:
    locks = Locks()
    locks.step(0, "rlock", "z", 0)
    locks.step(0, "rtry", "z", 1)
    locks.step(0, "runlock", "z", 2)
    assert not locks.step(0, "lock", "z", 3)


def test_against_a_lock_that_knows_who_has_it() -> None:
    """Two tasks lock, try and unlock two locks at random: nobody is ever told that they wait for themselves when they do not."""
    for seed in range(300):
        rng = random.Random(seed)
        locks, owner = Locks(), dict.fromkeys("ab")
        for now in range(40):
            task, name = rng.randrange(2), rng.choice("ab")
            if owner[name] == task and rng.random() < 0.6:
                locks.step(task, "unlock", name, now)
                owner[name] = None
            elif rng.random() < 0.5:
                locks.step(task, "try", name, now)
                owner[name] = task if owner[name] is None else owner[name]
            elif owner[name] is None:
                assert not locks.step(task, "lock", name, now), (seed, now)
                owner[name] = task
            elif owner[name] == task:
                assert locks.twice(task, "lock", name) or locks.held(task)


@pytest.mark.parametrize(("first", "second"), [("rlock", "rlock"), ("rlock", "lock"), ("lock", "rlock"), ("lock", "lock")])
def test_a_guard_that_both_only_read_keeps_nobody_apart(first: str, second: str) -> None:
    locks = Locks()
    for task, (guard, names) in enumerate(((first, "ab"), (second, "ba"))):
        taken = [(guard, "guard"), *(("lock", name) for name in names)]
        for now, (op, name) in enumerate(taken):
            locks.step(task, op, name, now)
        for now, (op, name) in enumerate(reversed(taken), 3):
            locks.step(task, op.replace("lock", "unlock"), name, now)
    assert bool(locks.ring()) is (first == second == "rlock")
