"""What one program says of a driver's progress where the world outside may be what stands in the way."""

from __future__ import annotations

from errno import EBUSY

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page
from movable.sequential.search import Search
from movable.workload.program import Program


class Moody(Ring):
    """Asks its host before each move, which may refuse for good."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.angry = False
        self.met: set[int] = set()

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EBUSY if self.refuses(page) else super().migratepage(mapping, newpage, page, mode)

    def refuses(self, page: Page) -> bool:
        return self.angry


class NeverAgain(Moody):
    """What was refused once it never asks for again."""

    def refuses(self, page: Page) -> bool:
        if self.angry:
            self.met.add(page.pfn)
            self.angry = False
        return page.pfn in self.met


class MoodyWorkload(RingWorkload):
    factory = Moody
    driver: Moody
    hostile = ("anger",)

    def anger(self) -> None:
        self.driver.angry = not self.driver.angry


STORES: Program = tuple(("op", "write", {"slot": slot, "data": b"x"}) for slot in (0, 1))
ANGER = ("fault", "hostile", 1)
MOVE = ("migrate", 0, 2, "any")


@pytest.mark.parametrize(
    ("driver", "program", "broken"),
    [
        (Moody, (*STORES, ANGER), set()),
        (Moody, (*STORES, ANGER, MOVE), set()),
        (NeverAgain, (*STORES, ANGER, MOVE), {"D50", "D62"}),
        (NeverAgain, (*STORES, MOVE), set()),
    ],
)
def test_a_world_that_refuses_for_good_is_not_the_drivers_fault(driver: type[Moody], program: Program, broken: set[str]) -> None:
    search = Search(MoodyWorkload, driver, "4.19", 0)
    assert search.run(program).monitor.broken.keys() == broken
