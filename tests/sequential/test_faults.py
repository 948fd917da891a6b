"""The watchdog: what hangs is ended, and named in the same words each time."""

from __future__ import annotations

import pytest

from movable.errors import Blocked, Hang
from movable.sequential import faults
from movable.sequential.faults import watchdog


def helper(number: int) -> int:
    return sum(range(number % 7))


def spins() -> None:
    number = 0
    while True:
        number += 1
        helper(number)
        sorted(range(number % 9))


def swallows() -> None:
    for _ in range(2):
        try:
            spins()
        except Hang:
            continue


@pytest.mark.parametrize("call", [spins, swallows])
def test_a_loop_is_named_by_the_function_that_holds_it(call: object) -> None:
    said = set()
    for _ in range(3):
        with pytest.raises(Hang) as caught, watchdog(0.03):
            call()  # type: ignore[operator]
        said.add(str(caught.value))
    assert said == {f"0.03 seconds of processor time, at test_faults.py:{spins.__code__.co_firstlineno} spins"}


def test_what_ends_in_time_is_left_alone() -> None:
    with watchdog(1.0):
        helper(5)


@pytest.mark.parametrize("ready", [0.0, 4.9])
def test_who_waits_for_a_processor_does_not_stand_still(ready: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four ticks without a thing done; ``ready`` seconds of each the program could have run."""
    clock = iter(range(100))
    monkeypatch.setattr("time.process_time", lambda: 0.0)
    monkeypatch.setattr(faults, "_waited", lambda: ready * next(clock))
    standing = faults._StandstillTimer()
    try:
        if ready:
            for _ in range(4):
                standing._look(0, None)
        else:
            standing._look(0, None)
            with pytest.raises(Blocked, match="in which nothing happened"):
                standing._look(0, None)
    finally:
        standing.end()


def test_the_kernel_says_how_long_a_process_waited() -> None:
    assert faults._waited() >= 0.0
