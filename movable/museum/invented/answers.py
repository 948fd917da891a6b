"""Invented mistakes in what a callback answers."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINVAL

from movable import MIGRATE_SYNC_NO_COPY, AddressSpace, Page, list_del
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring, RingWorkload


class AnswersNothing(Ring):
    def isolate_page(self, page: Page, mode: int) -> bool:  # type: ignore[return]
        with self.lock:
            list_del(page.lru)


class RefusesTooLate(Ring):
    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            list_del(page.lru)
            return bool(page.private)


class RefusesFirst(Ring):
    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            if page.private == 0:
                return False
            list_del(page.lru)
            return True


class SlotZeroStays(RingWorkload):
    """The driver may refuse to move the page of slot 0."""

    may_refuse = True


class CountsBytes(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        return len(newpage.data) if rc == 0 else rc


class ClaimsSuccess(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EINVAL if mode == MIGRATE_SYNC_NO_COPY else 0


class LaterForEver(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EAGAIN


class BusyForEver(Ring):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EBUSY


class RaisesHalfWay(Ring):
    def publish(self, newpage: Page, page: Page) -> None:
        handles = {number: held for number, held in enumerate(self.slots) if held is not page}
        self.slots[page.private] = handles[page.private]
        super().publish(newpage, page)


EXHIBITS = (
    Exhibit(
        id="N01",
        slug="no-answer",
        layer="driver",
        title="isolate_page falls off its end",
        story="""
            The callback takes the page off its list and returns nothing. None counts as a refusal: the core lets go of a
            page that is on no list any more, and nobody ever finds it again.
        """,
        fix="Return True.",
        kin="akin to F09",
        rules=("D8",),
        broken=AnswersNothing,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N02",
        slug="refuses-too-late",
        layer="driver",
        title="isolate_page takes the page apart, then refuses",
        story="""
            The page of slot 0 must stay. The callback notices that after it has unlinked the page, and returns False
            without linking it again. The core believes that nothing has changed.
        """,
        fix="Look first, unlink afterwards.",
        kin="akin to F09",
        rules=("D10",),
        broken=RefusesTooLate,
        twin=RefusesFirst,
        workload=SlotZeroStays,
    ),
    Exhibit(
        id="N12",
        slug="positive-answer",
        layer="driver",
        title="migratepage returns the number of bytes that it copied",
        story="""
            The page has moved, and the callback says 4096. Only 0 is success. The core puts the old page back, which the
            driver has given up, and takes the new page away, which the driver uses.
        """,
        fix="Return 0.",
        kin="the answer of many other calls is a count",
        rules=("D23",),
        broken=CountsBytes,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N14",
        slug="claims-success",
        layer="driver",
        title="migratepage returns 0 and has done nothing",
        story="""
            A stub of a callback says 0. The core drops its references: the new page is freed at once, and the old one,
            still in use and still marked, waits for a reader who believes that it was moved.
        """,
        fix="Move the page, or return an error.",
        kin="akin to Z11",
        rules=("D17", "D19"),
        broken=ClaimsSuccess,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N15",
        slug="later-for-ever",
        layer="driver",
        title="-EAGAIN for an obstacle that stays",
        story="""
            The hardware uses these pages for as long as it runs. The callback says -EAGAIN, which means that another try
            may help. Every caller makes ten tries at once, and many come back.
        """,
        fix="Return -EBUSY, which ends this page's turn.",
        kin="akin to F02",
        rules=("D24",),
        broken=LaterForEver,
        twin=BusyForEver,
        workload=SlotZeroStays,
    ),
    Exhibit(
        id="N16",
        slug="raises-half-way",
        layer="driver",
        title="migratepage raises an exception after the copy",
        story="""
            The callback looks its page up in a table that leaves this very page out. The exception comes when the content
            is copied and the driver's lock is held. In a kernel this is an oops.
        """,
        fix="Nothing in a callback may raise. Look up before anything is changed, and return an error.",
        kin="akin to F09",
        rules=("D23",),
        broken=RaisesHalfWay,
        twin=Ring,
        workload=RingWorkload,
    ),
)
