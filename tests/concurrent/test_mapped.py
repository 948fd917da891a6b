"""What a user has mapped stays, in interleavings too."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN

import pytest

from docs.drivers.ring import RingWorkload
from movable import VM, AddressSpace, Page, copy_highpage, put_page
from movable.concurrent.search import interleavings
from movable.concurrent.stage import subject
from movable.contract import finish, handle, isolate, migrate, op, operation, scenario
from tests.drivers_for_tests.racy_drivers import Racy


class Pinned(Racy):
    """A slot that is pinned does not move; ``looks`` says when migratepage finds out."""

    looks = "in time"

    def __init__(self, vm: VM, size: int = 4) -> None:
        super().__init__(vm, size)
        self.pins: set[int] = set()

    def pin(self, slot: int) -> None:
        with self.lock:
            self.pins.add(slot)

    def unpin(self, slot: int) -> None:
        with self.lock:
            self.pins.discard(slot)

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
