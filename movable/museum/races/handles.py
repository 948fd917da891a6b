"""A01, F13, F11 and F01B: somebody follows a handle, or a mark, at the wrong moment."""

from __future__ import annotations

from errno import EINVAL

from movable import MIGRATE_SYNC_NO_COPY, VM, AddressSpace, Page, SetPageMovable, get_page, lock_page, put_page, unlock_page
from movable.contract import operation
from movable.contract.museum import Exhibit
from movable.museum.bases.buffers import Buffers, BuffersWorkload
from movable.museum.bases.pool import Pool, PoolWorkload
from movable.museum.bases.ring import TRIES, Ring, RingWorkload

HEADERS = 4
"""The first slot whose page has a header."""


class CopiesUnderAnotherLock(Ring):
    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.completion = vm.spinlock("completion")

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.completion:
            self.copy(newpage, page)
            self.publish(newpage, page)
            self.mark(mapping, newpage, page)
        self.count(newpage, page)
        return 0


class TrustsTheHandle(Buffers):
    def locked(self, index: int) -> Page | None:
        with self.lock:
            page = self.pages.get(index)
            if page is None:
                return None
            get_page(page)
        lock_page(page)
        return page


class Reclaimed(Ring):
    """A ring whose pages can be reclaimed; those of the upper slots have headers. Whoever gives a page up claims it first."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.claimed: set[int] = set()

    def drop(self, slot: int) -> bool:
        """Give a slot's page up, unless somebody does so already."""
        with self.lock:
            page = self.slots[slot]
            if page is None or not self.claim(slot):
                return page is None
            get_page(page)
        return self.empty(slot, page)

    def reclaim(self) -> int | None:
        """Give up the first page that nobody else gives up; returns its slot."""
        with self.lock:
            for slot, page in enumerate(self.slots):
                if page is not None and self.claim(slot):
                    get_page(page)
                    break
            else:
                return None
        return slot if self.empty(slot, page) else None

    def empty(self, slot: int, page: Page) -> bool:
        """Give up the page of a claimed slot, which is held; claimed, it can move and not go."""
        for _ in range(TRIES):
            if self.give_up(slot, page):
                put_page(page)
                put_page(page)
                return True
            put_page(page)
            page = self.found(slot)
        return False

    def claim(self, slot: int) -> bool:
        """Test and set, whatever kind of page it is. The lock is held."""
        if slot in self.claimed:
            return False
        self.claimed.add(slot)
        return True

    def found(self, slot: int) -> Page:
        """The page of a claimed slot, held."""
        with self.lock:
            page = self.slots[slot]
            assert page is not None, f"slot {slot} was claimed, and somebody else has emptied it"
            get_page(page)
        return page

    def forget(self, page: Page) -> None:
        self.claimed.discard(page.private)
        super().forget(page)


class ClaimsOnlyHeaders(Reclaimed):
    def claim(self, slot: int) -> bool:
        return slot < HEADERS or super().claim(slot)


class ReclaimedWorkload(RingWorkload):
    """The ring's, with reclaim."""

    factory = Reclaimed
    driver: Reclaimed
    busy = ("reclaim",)

    @operation()
    def reclaim(self) -> None:
        self.model.pop(self.driver.reclaim(), None)


class MarksTooEarly(Pool):
    def take_in(self, page: Page) -> bool:
        lock_page(page)
        SetPageMovable(page, self.mapping)
        unlock_page(page)
        with self.lock:
            self.set_up(page)
        return True


EXHIBITS = (
    Exhibit(
        id="A01",
        slug="aio-lost-update",
        year=2014,
        commit="fa8a53c39f3f",
        layer="driver fs/aio",
        title="a page is copied under one lock and written under another",
        story="""
            Migration copies the page and publishes the new one under the lock of completions. A writer goes through the table
            under the lock of the ring, finds the old page after it was copied and before the new one is published, and stores
            there. The new page never hears of it: the ring goes back in time.
        """,
        fix="Migration takes the lock that the users of the page take.",
        rules=("D15", "D53"),
        broken=CopiesUnderAnotherLock,
        twin=Ring,
        workload=RingWorkload,
        depth=(2, 1),
    ),
    Exhibit(
        id="F13",
        slug="z3-old-header-via-handle",
        year=2022,
        commit="943fb61dd66f",
        layer="driver z3fold",
        title="a handle is looked up, then the page is locked, and by then it has moved",
        story="""
            To reach an object, the driver reads the handle, which leads to a page, and locks that page. While it waits for the
            lock, a migration copies the page, leads the handle elsewhere and lets the lock go. The waiter gets the lock of the
            old page and works there. What it writes is lost.
        """,
        fix="Look again once the lock is held: where the handle leads elsewhere by now, start over.",
        rules=("D15",),
        broken=TrustsTheHandle,
        twin=Buffers,
        workload=BuffersWorkload,
        depth=(2, 2),
    ),
    Exhibit(
        id="F11",
        slug="z3-headless-claim",
        year=2021,
        commit="6d679578fe9c",
        layer="driver z3fold",
        title="pages of one kind are given up without being claimed",
        story="""
            A page is freed by its user and reclaimed under memory pressure, at the same time. Whoever claims it first may go on.
            Pages without a header take a shorter way through both functions, and a clean-up moved the claim out of that way.
            Both free the page.
        """,
        fix="Test and set the claim first, for every kind of page.",
        rules=("D54",),
        broken=ClaimsOnlyHeaders,
        twin=Reclaimed,
        workload=ReclaimedWorkload,
        depth=(2, 1),
    ),
    Exhibit(
        id="F01B",
        slug="z3-mark-too-early",
        year=2019,
        layer="driver z3fold",
        title="a page can be isolated while it is being set up",
        story="""
            F01 with a lock, and still too early: the page is marked, and only then gets its header. Compaction comes in between
            and asks for the page, and the callback reads a header that is not there.
        """,
        fix="The mark comes last, and the page stays locked until then.",
        rules=("D8",),
        broken=MarksTooEarly,
        twin=Pool,
        workload=PoolWorkload,
        depth=(2, 1),
    ),
)
