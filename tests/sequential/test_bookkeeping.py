"""The books, the outside world, mapped objects, configurations, and a driver that goes while its pages are away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from errno import EAGAIN
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page, PageIsolated
from movable.contract import handle, operation
from movable.sequential.bookkeeping import isolation_counts
from movable.sequential.harness import Machine
from movable.sequential.homes import home
from movable.workload.generate import programs
from movable.workload.program import Program
from movable.workload.workload import Workload, snapshot

STORE = ("op", "write", {"slot": 1, "data": b"x"})
MOVE = ("migrate", 0, 2, "any")


def run(workload: type[Workload], factory: Callable[..., Any], *steps: tuple[Any, ...]) -> Machine:
    return Machine(workload, factory, keep=True).run(steps)


# --- mapped objects ---


class Mapped(Ring):
    """A ring whose slots can be mapped; a mapped page stays."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.mapped: set[int] = set()

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if page.private in self.mapped:
            return -EAGAIN
        return super().migratepage(mapping, newpage, page, mode)


class MovesWhatIsMapped(Mapped):
    """Does not look."""

    migratepage = Ring.migratepage


class MappedWorkload(RingWorkload):
    """Maps a slot and unmaps it again."""

    may_refuse = True

    @operation(slot=handle())
    def map(self, slot: int) -> None:
        self.driver.mapped.add(slot)  # type: ignore[attr-defined]

    def mapped(self) -> Iterable[Page]:
        pages = (self.driver.slots[slot] for slot in self.driver.mapped)  # type: ignore[attr-defined]
        return [page for page in pages if page is not None]


def test_what_a_user_has_mapped_stays() -> None:
    steps = (STORE, ("op", "map", {"slot": 0}), MOVE)
    assert "D39" in run(MappedWorkload, MovesWhatIsMapped, *steps).monitor.broken
    whole = run(MappedWorkload, Mapped, *steps)
    assert not whole.monitor.broken
    assert whole.monitor.exercised["D39"]


# --- the outside world ---


class Hosted(RingWorkload):
    """A host is told of every page; ``LATE`` says whether it hears too late that one is given up."""

    LATE: ClassVar[bool] = False

    def outside(self) -> Iterable[int]:
        held = {page.pfn for page in self.driver.slots if page is not None}
        return held | self.seen if self.LATE else held

    seen: frozenset[int] = frozenset()

    @operation(slot=handle())
    def drop(self, slot: int) -> None:
        self.seen = frozenset(self.outside())
        super().drop(slot)


class ToldLate(Hosted):
    """The host still believes in a page when it is free."""

    LATE = True


def test_a_page_is_not_free_while_the_outside_world_has_it() -> None:
    steps = (STORE, ("op", "drop", {"slot": 0}))
    found = run(ToldLate, Ring, *steps).monitor.broken["D43"]
    assert "is free in the guest" in found[0].text
    whole = run(Hosted, Ring, *steps).monitor
    assert not whole.broken
    assert whole.exercised["D43"]


# --- counts ---


class Counts(Ring):
    """Counts isolated pages, but not those that come back."""

    isolated = 0

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.isolated = 0
        self.isolations_so_far = 0

    def isolate_page(self, page: Page, mode: int) -> bool:
        self.isolated += 1
        self.isolations_so_far += 1
        return super().isolate_page(page, mode)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        self.isolated -= rc == 0
        return rc


class CountsBack(Counts):
    """Counts those too."""

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        self.isolated -= 1


def test_a_count_of_isolated_pages_ends_at_nothing() -> None:
    steps = (STORE, ("isolate", 0, 8), ("give_back",))
    assert "Counts.isolated says 1" in run(RingWorkload, Counts, *steps).monitor.broken["D44"][0].text
    assert not run(RingWorkload, CountsBack, *steps).monitor.broken


def test_statistics_are_no_counts_of_what_is_isolated() -> None:
    driver = Counts(VM())
    driver.isolations_so_far = 7
    assert dict(isolation_counts(driver)) == {"Counts.isolated": 0}


# --- configurations ---


class Optional(Ring):
    """Cannot do without its option."""

    def __init__(self, vm: VM, broken: bool = False) -> None:
        super().__init__(vm)
        self.broken = broken

    def isolate_page(self, page: Page, mode: int) -> bool:
        if self.broken:
            raise ValueError("not in this configuration")
        return super().isolate_page(page, mode)


class OptionalWorkload(RingWorkload):
    """Both configurations."""

    variants = ({}, {"broken": True})


def test_every_configuration_gets_its_programs() -> None:
    drawn = programs(OptionalWorkload, 0)
    first, second = next(drawn), next(drawn)
    assert first[0][0] != "variant"
    assert second[0] == ("variant", 1)
    steps = (STORE, MOVE)
    assert not run(OptionalWorkload, Optional, *steps).monitor.broken
    assert "D8" in run(OptionalWorkload, Optional, ("variant", 1), *steps).monitor.broken


# --- the end ---


class FreesItsOpsFirst(Ring):
    """Goes without a look at its pages."""

    def remove(self) -> None:
        for slot, page in enumerate(self.slots):
            if page is not None and not PageIsolated(page):
                self.drop(slot)
        self.vm.free_address_space(self.mapping)


def test_a_driver_may_go_while_its_pages_are_isolated() -> None:
    steps: Program = (STORE, ("leave", 2))
    assert "D41" in run(RingWorkload, FreesItsOpsFirst, *steps).monitor.broken
    whole = run(RingWorkload, Ring, *steps)
    assert not whole.monitor.broken
    assert any(event.kind == "released_isolated" for event in whole.events)


class LooksAgainAndAgain(Ring):
    """Waits for its pages, and never sleeps."""

    def remove(self) -> None:
        home = -1
        while home != sum(page is not None for page in self.slots):
            with self.lock:
                home = len(list(self.idle))
        super().remove()


def test_who_waits_busily_is_not_alone() -> None:
    whole = run(RingWorkload, LooksAgainAndAgain, STORE, ("leave", 1))
    assert not whole.monitor.broken
    assert any(event.kind == "putback_page" for event in whole.events)


# --- put-back, looked at page by page ---


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_the_order_of_a_list_is_no_home(order: tuple[int, ...]) -> None:
    state = ("Ring", (("idle", ("list", "idle pages", order)), ("slots", ("list", ((1, ("page", 2)),)))))
    assert home(state, 2) == [("Ring", "idle", "idle pages"), ("Ring", "slots", "list")]
    assert home(state, 9) == []


def test_a_page_at_home_twice_shows() -> None:
    class Bag:
        def __init__(self) -> None:
            page = VM().alloc_page()
            assert page is not None
            self.page = page
            self.pages = [page, page]
            self.isolated = 2

    bag = Bag()
    assert home(snapshot(bag), bag.page.pfn) == [
        ("Bag", "isolated", "2"),
        ("Bag", "page"),
        ("Bag", "pages", "list"),
        ("Bag", "pages", "list"),
    ]


def test_drawn_arguments_come_from_everywhere() -> None:
    class Wide(RingWorkload):
        @operation(number=st.integers(0, 3))
        def nothing(self, number: int) -> None:
            pass

    drawn = programs(Wide, 1)
    steps = [step for _ in range(60) for step in next(drawn)]
    assert {step[2]["number"] for step in steps if step[:2] == ("op", "nothing")} == {0, 1, 2, 3}
    assert {"compact", "give_back", "leave", "strange", "variant"} - {step[0] for step in steps} == {"variant"}
