"""The watchdog: what hangs is ended, and named in the same words each time."""

from __future__ import annotations

import pytest

from movable.sequential.faults import Hang, watchdog


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
