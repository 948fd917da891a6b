"""N41 to N44: drivers that are asked about pages which their owner has released, and pages that still look owned."""

from __future__ import annotations

from errno import EAGAIN, EBUSY

from movable import VM, Page, PageIsolated, SetPageMovable
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring, RingWorkload
from movable.museum.invented.sticky import Sticky


class TakesBackNobodysPage(Sticky):
    def putback_page(self, page: Page) -> None:
        Ring.putback_page(self, page)


class RefusesNobodysPage(Sticky):
    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        return super().migrate_page(newpage, page, mode) if page.private else -EBUSY


class LeavesThePointer(Sticky):
    def forget(self, page: Page) -> None:
        if PageIsolated(page):
            page.private = 0
        else:
            self.unshelve(page)


class FirstTimeBusy(Sticky):
    """A page is in use whenever it is first asked about, and moves the second time."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.asked: set[int] = set()

    def in_use(self, page: Page) -> bool:
        with self.lock:
            first = page.pfn not in self.asked
            (self.asked.add if first else self.asked.discard)(page.pfn)
            return first

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        if page.private and self.in_use(page):
            return -EAGAIN
        return super().migrate_page(newpage, page, mode)


class MarksInAdvance(FirstTimeBusy):
    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        if page.private:
            SetPageMovable(newpage, self.mapping)
        return super().migrate_page(newpage, page, mode)


EXHIBITS = (
    Exhibit(
        id="N41",
        slug="put-back-of-nobodys-page",
        layer="driver",
        title="putback_page lists a page that its owner has released",
        story="""
            Where marks stay, an owner releases a page by clearing its back pointer, and put-back comes for it all the same. This
            driver puts whatever comes back on its list. Then the core drops the last reference, and the list leads into a page
            that is somebody else's.
        """,
        fix="Do nothing for a page whose back pointer is clear.",
        kin="the other half of N22",
        rules=("D56",),
        broken=TakesBackNobodysPage,
        twin=Sticky,
        workload=RingWorkload,
        era="7.3",
    ),
    Exhibit(
        id="N42",
        slug="refuses-nobodys-page",
        layer="driver",
        title="migrate_page answers -EBUSY for a page that its owner has released",
        story="""
            Up to 6.17 the core saw by itself that nobody had the page any more. Since 6.18 it asks, and only 0 ends it. After an
            error the page is asked about again and then put back, and a range that should become empty fails over a page that is
            nobody's.
        """,
        fix="Answer 0 and touch neither page.",
        kin="a driver that was ported without that in mind",
        rules=("D56",),
        broken=RefusesNobodysPage,
        twin=Sticky,
        workload=RingWorkload,
        era="7.3",
    ),
    Exhibit(
        id="N43",
        slug="pointer-left-behind",
        layer="driver",
        title="a page is given back with its back pointer set",
        story="""
            The back pointer alone says whether a marked page has an owner. This driver takes the page off its list and drops its
            reference, but clears the pointer only where it sees that the page is isolated. Whoever isolates the page a moment
            before its last reference goes is told that it is still the driver's.
        """,
        fix="Clear the back pointer under the page lock, always, and before the put.",
        kin="an un-marking that was forgotten",
        rules=("D59",),
        broken=LeavesThePointer,
        twin=Sticky,
        workload=RingWorkload,
        era="7.3",
    ),
    Exhibit(
        id="N44",
        slug="marked-in-advance",
        layer="driver",
        title="the new page is marked before the driver knows that it can move",
        story="""
            Type and mark cannot be taken back where marks stay. This driver marks the target first and then finds its page in use.
            The target goes back to the caller looking like one of the driver's own pages.
        """,
        fix="Mark the new page when the move can no longer fail.",
        kin="a set-up in the order of a constructor",
        rules=("D58",),
        broken=MarksInAdvance,
        twin=FirstTimeBusy,
        workload=RingWorkload,
        era="7.3",
    ),
)
