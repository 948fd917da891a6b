"""What one program says of a driver's progress where the world outside may be what stands in the way."""

from __future__ import annotations

from errno import EBUSY

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page
from movable.contract import operation
from movable.sequential.search import Search
from movable.workload.program import Program, Step


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
    driver: Moody
    hostile = ("anger",)

    def anger(self) -> None:
        self.driver.angry = True

    @operation()
    def suspend(self) -> None:
        self.driver.angry = True


class Resumed(MoodyWorkload):
    """Its users can let it go on."""

    @operation()
    def resume(self) -> None:
        self.driver.angry = False


STORES: Program = tuple(("op", "write", {"slot": slot, "data": b"x"}) for slot in (0, 1))
ANGER = ("fault", "hostile", 1)
MOVE = ("migrate", 0, 2, "any")


SUSPEND: Step = ("op", "suspend", {})


@pytest.mark.parametrize(
    ("workload", "driver", "program", "broken"),
    [
        (MoodyWorkload, Moody, (*STORES, ANGER), set()),
        (MoodyWorkload, Moody, (*STORES, ANGER, MOVE), set()),
        (MoodyWorkload, NeverAgain, (*STORES, ANGER, MOVE), {"D50", "D62"}),
        (MoodyWorkload, NeverAgain, (*STORES, MOVE), set()),
        (MoodyWorkload, Moody, (*STORES, SUSPEND), {"D50", "D62"}),
        (Resumed, Moody, (*STORES, SUSPEND), set()),
        (Resumed, NeverAgain, (*STORES, SUSPEND, MOVE), {"D50", "D62"}),
    ],
)
def test_what_users_or_a_host_hold_back_is_not_the_drivers_fault(
    workload: type[MoodyWorkload], driver: type[Moody], program: Program, broken: set[str]
) -> None:
    """A host that refuses for good, and an operation that holds pages until another lets them go."""
    search = Search(workload, driver, "4.19", 0)
    assert search.run(program).monitor.broken.keys() == broken
    assert search.run(program, known={"D50", "D62"}).monitor.broken.keys() >= broken
