"""Planted failures that only some executions of many show: what is claimed is compared with all interleavings, one by one.

A rule and a place are drawn at random. The fault shows when a certain order of steps was taken, and then breaks the rule in a way
that only its judge can see: what is left after a removal, a reading, a book, an invariant, a frame that the host believes it has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import PageIsolated, lock_page, unlock_page
from movable.concurrent.execution import Trial
from movable.concurrent.search import ScenarioSearch, interleavings
from movable.concurrent.stage import Subject
from movable.contract import migrate, op, scenario
from movable.workload.scenario import finish, isolate, teardown

LENGTH = 3
"""Steps of each task on the shared log."""


class Planted(Ring):
    """Two tasks write into one log; some orders of the entries do what must not be done."""

    fault = ""
    wrong: frozenset[str] = frozenset()

    def __init__(self, vm: Any) -> None:
        super().__init__(vm)
        self.log_lock = vm.spinlock("log")
        self.log = ""
        self.host: list[int] = []
        self.books = 0

    def steps(self, name: str) -> bool:
        for _ in range(LENGTH):
            with self.log_lock:
                self.log += name
                log = self.log
        if len(log) == 2 * LENGTH and log in self.wrong:
            FAULTS[self.fault](self)
        return True


def _page(driver: Planted) -> Any:
    return next(page for page in driver.slots if page is not None)


def keeps_a_page(driver: Planted) -> None:
    """Nobody gives it back: the removal shows it."""
    driver.vm.alloc_page()


def changes_content(driver: Planted) -> None:
    _page(driver).data[:1] = b"Z"


def cooks_the_books(driver: Planted) -> None:
    driver.books += 1


def forgets_the_host(driver: Planted) -> None:
    driver.host.append(31)


def fails_an_invariant(driver: Planted) -> None:
    driver.books = -1


FAULTS: dict[str, Callable[[Planted], None]] = {
    "D34": keeps_a_page, "D15": changes_content, "D44": cooks_the_books, "D43": forgets_the_host, "D54": fails_an_invariant,
}  # fmt: skip


class PlantedWorkload(RingWorkload):
    factory = Planted  # type: ignore[assignment]
    driver: Planted

    def add(self, who: str) -> bool:
        return self.driver.steps(who)

    def ledger(self) -> Iterator[tuple[str, str, int, int]]:
        yield "D44", "entries", max(0, self.driver.books), 0

    def outside(self) -> list[int]:
        return self.driver.host

    def invariant(self) -> None:
        assert self.driver.books >= 0, "less than nothing"


MADE = scenario("two", op("add", who="a"), op("add", who="b"), prefix=[op("write", slot=0, data=b"old")])


def planted(fault: str, wrong: frozenset[str]) -> Subject:
    cls: Any = type("Planted", (Planted,), {"fault": fault, "wrong": wrong, "__module__": __name__})
    return Subject(PlantedWorkload, cls)


ORDERS = sorted({"".join(letters) for letters in permutations("a" * LENGTH + "b" * LENGTH)})
"""Every order in which the entries can come: the lock makes each of them possible, and nothing else tells executions apart."""
SERIAL = {"a" * LENGTH + "b" * LENGTH, "b" * LENGTH + "a" * LENGTH}
"""Orders that running one after the other gives: what is wrong there is no matter of interleavings."""


@pytest.mark.parametrize("number", range(12))
def test_what_is_claimed_is_true(number: int) -> None:
    """By brute force: the rule breaks if and only if one of the twenty orders that only interleaving gives is wrong."""
    rng = random.Random(number)
    fault = rng.choice(sorted(FAULTS))
    wrong = frozenset(rng.sample(ORDERS, rng.choice((0, 1, 1, 2))))
    found = interleavings(planted(fault, wrong), executions=600, scenarios=[MADE], seed=number)
    assert set(found.broken) == ({fault} if wrong - SERIAL else set())
    for told in found.broken.values():
        assert told.token
        assert told.lines
    if not found.broken:
        assert found.scenarios[0].covered == "all interleavings"


def test_a_bound_that_was_not_reached_is_not_claimed() -> None:
    """The wrong orders take turns at every step: no schedule with few pre-emptions shows them."""
    chosen = planted("D15", frozenset({"ababab"}))
    hunt = ScenarioSearch(Trial(chosen, MADE), 0)
    met: list[Any] = []
    while not hunt.done and not met:
        met += list(hunt.run(1, None))
        hunt.claim()
        if not met and "at most" in hunt.report.covered:
            assert int(hunt.report.covered.partition("at most ")[2].split()[0]) < 2 * LENGTH - 2
        assert met or not hunt.report.complete
    assert met


class UsesLate(Ring):
    """Looks a page up under the lock, and uses a part of it afterwards, without a reference."""

    def use(self, slot: int, part: str) -> None:
        with self.lock:
            page = self.slots[slot]
        assert page is not None
        if part == "lock":
            lock_page(page)
            unlock_page(page)
        else:
            _ = bytes(page.data[:1]) if part == "data" else getattr(page, part)


class UsesLateWorkload(RingWorkload):
    factory = UsesLate
    driver: UsesLate

    def use(self, slot: int, part: str) -> None:
        self.driver.use(slot, part)


@pytest.mark.parametrize("part", ["data", "private", "index", "lock"])
def test_a_page_that_is_used_too_late_is_met_by_whoever_claims_all(part: str) -> None:
    """Nothing but the end of the page's life stands against the use: a search that does not see it as a step misses it."""
    one = scenario("late", op("use", slot=0, part=part), migrate(), prefix=[op("write", slot=0, data=b"old")])
    late = Subject(UsesLateWorkload, UsesLate)
    assert "D46" in interleavings(late, executions=300, scenarios=[one]).broken


class LeavesEarly(Ring):
    """Is removed as soon as its slots are empty; pages that are isolated it leaves to whoever has them."""

    def remove(self) -> None:
        for slot, page in enumerate(self.slots):
            if page is None or not PageIsolated(page):
                self.drop(slot)
        self.vm.free_address_space(self.mapping)


class LeavesEarlyWorkload(RingWorkload):
    factory = LeavesEarly


def test_an_owner_that_goes_is_met_before_and_after_the_core_looks_it_up() -> None:
    """Looked up afterwards it is gone; before, its callback and its removal use one table with nothing that orders them."""
    one = scenario("early", teardown(), finish(), prefix=[op("write", slot=0, data=b"old"), isolate()])
    early = Subject(LeavesEarlyWorkload, LeavesEarly)
    assert {"D41", "D53"} <= set(interleavings(early, executions=100, scenarios=[one]).broken)
