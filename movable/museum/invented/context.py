"""Invented mistakes about where and how a callback is called."""

from __future__ import annotations

from errno import EAGAIN

from movable import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    Page,
    trylock_page,
    unlock_page,
)
from movable.contract.museum import Exhibit
from movable.museum.bases.balloon import Balloon, BalloonWorkload
from movable.museum.bases.ring import Ring, RingWorkload


class TriesInAHurry(Ring):
    """A ring with a mutex around every move."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.mutex = vm.mutex("moving")

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_ASYNC:
            if not self.mutex.trylock():
                return -EAGAIN
        else:
            self.mutex.lock()
        rc = super().migratepage(mapping, newpage, page, mode)
        self.mutex.unlock()
        return rc


class WaitsInAHurry(TriesInAHurry):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.mutex.lock()
        rc = Ring.migratepage(self, mapping, newpage, page, mode)
        self.mutex.unlock()
        return rc


class LocksTheTarget(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if not trylock_page(newpage):
            return -EAGAIN
        rc = super().migratepage(mapping, newpage, page, mode)
        unlock_page(newpage)
        return rc


class StaysInItsZone(Balloon):
    def account(self, newpage: Page, page: Page) -> None:
        pass  # as many as before


class KnowsTwoModes(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return super().migratepage(mapping, newpage, page, 0 if mode == MIGRATE_SYNC_NO_COPY else mode)


EXHIBITS = (
    Exhibit(
        id="N17",
        slug="waits-in-a-hurry",
        layer="driver",
        title="migratepage waits for a mutex in MIGRATE_ASYNC",
        story="""
            An asynchronous caller is in a hurry: it wants this page now or not at all. The callback goes to sleep on a
            mutex whose holder may be writing to a slow device.
        """,
        fix="In MIGRATE_ASYNC only try the mutex, and return -EAGAIN.",
        kin="akin to C10",
        rules=("D38",),
        broken=WaitsInAHurry,
        twin=TriesInAHurry,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N20",
        slug="locks-the-target",
        layer="driver",
        title="migratepage tries the lock of the new page",
        story="""
            To be safe, the callback locks the page that it is about to fill. The core has locked it already. The attempt can
            only fail, and the page never moves.
        """,
        fix="Rely on the core: both pages are locked when the callback runs.",
        kin="akin to F02",
        rules=("D29", "D50"),
        broken=LocksTheTarget,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N36",
        slug="one-zone-only",
        layer="driver",
        title="migratepage takes it that both pages lie in one zone",
        story="""
            A balloon takes its pages from what a zone manages. One page in, one page out: the sum stays, so the callback
            does nothing about it. But the target may lie in another zone, and then two zones have wrong books.
        """,
        fix="Take the new page from its zone, and give the old one back to its own.",
        kin="akin to Z09",
        rules=("D40",),
        broken=StaysInItsZone,
        twin=Balloon,
        workload=BalloonWorkload,
    ),
    Exhibit(
        id="N38",
        slug="knows-two-modes",
        layer="driver",
        title="a mode that is newer than the driver counts as synchronous",
        story="""
            When the driver was written there was no MIGRATE_SYNC_NO_COPY. It treats what it does not know as a synchronous
            move, and copies; the caller copies once more, later, when the driver's users write already.
        """,
        fix="Refuse MIGRATE_SYNC_NO_COPY with -EINVAL.",
        kin="no historic bug; the mode came in 2017",
        rules=("D28",),
        broken=KnowsTwoModes,
        twin=Ring,
        workload=RingWorkload,
    ),
)
