"""One program of one task: what a correct driver does there is never held against it."""

from __future__ import annotations

from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, Page, PageIsolated
from movable.contract import handle, operation
from movable.museum.bases import ring as museum
from movable.museum.invented.sticky import Sticky
from movable.rules.rule import MAY
from movable.rules.table import RULES
from movable.sequential.harness import Machine
from movable.sequential.search import Search
from movable.workload.workload import Workload
from tests.drivers_for_tests import just_drivers as just
from tests.sequential import away_drivers as away


def searched(workload: type[Workload], examples: int = 60, factory: type[Any] | None = None) -> Search:
    search = Search(workload, factory or workload.factory, "4.19", 0)
    assert not search.go(examples)
    return search


RIGHT = [just.PinWorkload, just.WaitingWorkload, just.TwoWorkload, just.CopiesWorkload, just.PoolWorkload]
RIGHT += [just.CountingWorkload, just.DeviceWorkload, away.OtherListWorkload, away.LateWorkload, away.AwayWorkload]
RIGHT += [away.RefusedWorkload, away.TwoKindsWorkload]


@pytest.mark.unmeasured
@pytest.mark.parametrize("workload", RIGHT)
def test_correct_drivers_are_not_blamed(workload: type[Workload]) -> None:
    search = searched(workload)
    assert not [id for id in search.first if RULES[id].level != MAY], search.first


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


@pytest.mark.parametrize(
    ("workload", "factory", "rule"),
    [
        (just.TwoWorkload, just.GivesOneBack, "D18"),
        (just.TwoWorkload, just.TakesOne, "D17"),
        (just.TwoWorkload, just.TakesThree, "D17"),
        (just.CopiesWorkload, just.CopiesTooLittle, "D15"),
        (just.PoolWorkload, just.PoolKeeps, "D18"),
        (just.CountingWorkload, just.ForgetsTheZone, "D61"),
        (just.CountingWorkload, just.ForgetsTheSlot, "D44"),
        (just.CountingWorkload, just.KeepsTheView, "D14"),
        (just.CountingWorkload, just.Stubborn, "D62"),
        (away.LateWorkload, away.Loses, "D31"),
        (away.TwoKindsWorkload, away.Mixes, "D31"),
        (away.RefusedWorkload, away.TakesItFirst, "D43"),
        (just.DeviceWorkload, just.TellsNobody, "D43"),
        (just.DeviceWorkload, just.KeepsTheDevice, "D43"),
    ],
)
def test_their_broken_twins_are(workload: type[Workload], factory: type[Any], rule: str) -> None:
    search = searched(workload, factory=factory)
    assert rule in search.first
    assert not [id for id in search.first if id[0] == "V"], search.first


@pytest.mark.parametrize(("factory", "broken"), [(away.Away, []), (away.ForgetsTheDropped, ["D44"])])
def test_a_counter_of_pages_that_are_away_falls_with_those_that_are_dropped(factory: type[Any], broken: list[str]) -> None:
    assert dropped_while_away(away.AwayWorkload, factory, "4.19") == broken


@pytest.mark.parametrize(("forgets", "broken"), [(False, []), (True, ["D44"])])
@pytest.mark.parametrize("era", ["6.17", "7.3"])
def test_it_does_where_marks_stay_too(forgets: bool, broken: list[str], era: str) -> None:
    assert dropped_while_away(museum.RingWorkload, type("Away", (StickyAway,), {"forgets": forgets}), era) == broken


def dropped_while_away(workload: type[Workload], factory: type[Any], era: str) -> list[str]:
    """The must rules that break where pages move, and others are dropped while they are isolated."""
    writes = [("op", "write", {"slot": slot, "data": b"a"}) for slot in range(5)]
    given_up = [("isolate", 0), ("op", "drop", {"slot": 0})] * 2
    machine = Machine(workload, factory, era=era).run((*writes, ("migrate", 4), ("migrate", 3), *given_up, ("finish",)))
    return [id for id in machine.monitor.broken if RULES[id].level == "must"]


class StickyAway(Sticky):
    forgets = False
    nr_away = 0

    def isolate_page(self, page: Page, mode: int) -> bool:
        answer = super().isolate_page(page, mode)
        self.nr_away += answer
        return answer

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        self.nr_away -= bool(page.private)
        return super().migrate_page(newpage, page, mode)

    def putback_page(self, page: Page) -> None:
        self.nr_away -= bool(page.private)
        super().putback_page(page)

    def forget(self, page: Page) -> None:
        super().forget(page)
        if PageIsolated(page) and not self.forgets:
            self.nr_away -= 1


class Wrong(just.PinWorkload):
    def invariant(self) -> None:
        assert not self.driver.pinned, "something is pinned"


def test_an_invariant_that_fails_is_told() -> None:
    found: Any = searched(Wrong, 20).first
    assert "D54" in found


class Sleeper(Ring):
    """A device that sleeps: meanwhile no page of it may be taken. ``forgets``: nor any that was put back once."""

    forgets = False

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.asleep = False
        self.was_back: set[int] = set()

    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            refused = self.asleep or page.pfn in self.was_back
        return not refused and super().isolate_page(page, mode)

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        if self.forgets:
            self.was_back.add(page.pfn)


class Forgets(Sleeper):
    forgets = True


class SleeperWorkload(RingWorkload):
    factory = Sleeper
    driver: Sleeper

    @operation()
    def sleep(self) -> None:
        self.driver.asleep = True


def test_a_driver_may_refuse_pages_for_reasons_of_its_own_and_not_for_what_the_core_did() -> None:
    search = searched(SleeperWorkload)
    assert "D50" not in search.first and search.exercised["D50"] and search.operations["sleep"]
    search = searched(SleeperWorkload, factory=Forgets)
    assert "D50" in search.first
    assert not [step for step in search.smallest("D50") if step == ("op", "sleep", {})]


class Numbered(Ring):
    """Keeps frame numbers in the pages themselves, and one of them is not kept up to date."""

    def neighbour(self, slot: int) -> bool:
        with self.lock:
            page = self.slots[slot]
            return page is not None and self.vm.page(int.from_bytes(page.data[:8], "little") << 40) is page


class NumberedWorkload(RingWorkload):
    factory = Numbered
    driver: Numbered

    @operation(slot=handle())
    def neighbour(self, slot: int) -> bool:
        return self.driver.neighbour(slot)


def test_a_frame_that_does_not_exist_is_the_drivers_mistake_and_not_the_callers() -> None:
    search = searched(NumberedWorkload)
    assert "D52" in search.first and "does not exist" in search.words["D52"]
