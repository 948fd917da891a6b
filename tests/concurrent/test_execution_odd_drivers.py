"""No false alarm for what a driver may do differently; a stale name where few would look for it; what is mapped stays."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page, copy_highpage, put_page
from movable.concurrent.search import interleavings
from movable.concurrent.stage import subject
from movable.contract import finish, handle, isolate, migrate, op, operation, scenario
from movable.sequential.search import Search
from movable.workload.workload import workload_for
from tests.drivers_for_tests.odd_drivers import ODD
from tests.drivers_for_tests.racy_drivers import Racy


def searched(driver: type[Any], examples: int) -> Search:
    """What sequences of operations show."""
    search = Search(workload_for(driver), driver, "4.19", 0)
    assert not search.go(examples=examples)
    return search


@pytest.mark.parametrize("driver", ODD)
def test_odd_and_legal(driver: type[Any]) -> None:
    search = searched(driver, 60)
    assert search.workload.__name__ == f"{driver.__name__}Workload"
    assert not search.first
    assert all(search.callbacks[name] > 20 for name in ("isolate_page", "migratepage"))


class Keyed(Ring):
    """Forgets that a page is a key of one of its tables."""

    workload = RingWorkload

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.times: dict[Page, int] = {}

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.times[page] = 1
        return super().migratepage(mapping, newpage, page, mode)


def test_a_page_that_is_a_key_counts_as_named() -> None:
    assert "D14" in searched(Keyed, 10).first


# --- what is mapped ---


class Pinned(Racy):
    """A slot that is pinned does not move; ``looks`` says when migratepage finds out."""

    looks = "in time"

    def __init__(self, vm: VM, size: int = 4) -> None:
        super().__init__(vm, size)
        self.pins: set[int] = set()
        self.unpinned = 0

    def pin(self, slot: int) -> None:
        with self.lock:
            self.pins.add(slot)

    def unpin(self, slot: int) -> None:
        with self.lock:
            self.pins.discard(slot)
        with self.lock:  # the slot may move already, and nobody has been told
            self.unpinned += 1

    def drop(self, slot: int) -> None:
        self.unpin(slot)
        super().drop(slot)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if self.looks == "too early":
            with self.lock:
                if page.private in self.pins:
                    return -EAGAIN
        with self.lock:
            if self.looks == "in time" and page.private in self.pins:
                return -EAGAIN
            copy_highpage(newpage, page)
            self.publish(mapping, newpage, page)
        put_page(page)
        return 0


class PinnedWorkload(RingWorkload):
    factory = Pinned
    driver: Pinned

    @operation(slot=handle())
    def pin(self, slot: int) -> None:
        self.driver.pin(slot)

    @operation(slot=handle())
    def unpin(self, slot: int) -> None:
        self.driver.unpin(slot)

    def mapped(self) -> Iterator[Page]:
        return (page for slot, page in enumerate(self.driver.slots) if page is not None and slot in self.driver.pins)


WRITE = op("write", slot=0, data=b"a")
SCENARIOS = [
    scenario("pin", op("pin", slot=0), migrate(0), prefix=[WRITE]),
    scenario("unpin", op("unpin", slot=0), migrate(0), prefix=[WRITE, op("pin", slot=0)]),
    scenario("again", [op("unpin", slot=0), op("pin", slot=0)], finish(), prefix=[WRITE, op("pin", slot=0), isolate(0)]),
]


@pytest.mark.parametrize("looks", ["in time", "too early", "never"])
def test_what_is_mapped_stays(looks: str) -> None:
    driver = type("Looks", (Pinned,), {"looks": looks})
    found = interleavings(subject(PinnedWorkload, driver), executions=150, scenarios=SCENARIOS)
    assert set(found.broken) == (set() if looks == "in time" else {"D39"})
    assert found.exercised["D39"]


def test_where_nothing_is_mapped_nothing_is_said_of_it() -> None:
    plain = scenario("write", op("write", slot=0, data=b"b"), migrate(0), prefix=[WRITE])
    found = interleavings(subject(PinnedWorkload, Pinned), executions=20, scenarios=[plain])
    assert found.executions and not found.broken and "D39" not in found.exercised
