"""One program of one task: what a correct driver does there is never held against it."""

from __future__ import annotations

from typing import Any

import pytest

from movable.contract.examine import Search
from movable.workload.workload import Workload
from tests.drivers_for_tests import just_drivers as just


def searched(workload: type[Workload], examples: int = 60, era: str = "4.19", seed: int = 0) -> Search:
    search = Search(workload, workload.factory, era, seed)
    assert not search.go(budget=0, examples=examples)
    return search


@pytest.mark.parametrize("workload", [just.PinWorkload, just.WaitingWorkload])
def test_correct_drivers_are_not_blamed(workload: type[Workload]) -> None:
    search = searched(workload)
    assert not search.first, search.first


def test_pages_that_are_mapped_are_not_stuck() -> None:
    search = searched(just.PinWorkload)
    assert search.exercised["D50"] and search.exercised["D39"]


def test_whoever_waits_for_the_end_of_an_isolation_gets_it() -> None:
    waits: list[bool] = []

    class Driver(just.WaitingRing):
        def _away(self, slot: int) -> bool:
            waits.append(super()._away(slot))
            return waits[-1]

    class Work(just.WaitingWorkload):
        factory = Driver

    assert not searched(Work).first
    assert any(waits)


def test_a_wait_that_nobody_ends_is_still_found() -> None:
    class Driver(just.WaitingRing):
        def _away(self, slot: int) -> bool:
            return self.slots[slot] is not None and slot == 3

    class Work(just.WaitingWorkload):
        factory = Driver

    assert "D49" in searched(Work).first


def test_an_invariant_that_ran_was_exercised() -> None:
    just.PinWorkload.calls = 0
    search = searched(just.PinWorkload, 10)
    assert search.exercised["D54"] == just.PinWorkload.calls > 10
    assert not searched(just.WaitingWorkload, 10).exercised["D54"]


class Wrong(just.PinWorkload):
    def invariant(self) -> None:
        assert not self.driver.pinned, "something is pinned"


def test_an_invariant_that_fails_is_told() -> None:
    found: Any = searched(Wrong, 20).first
    assert "D54" in found
