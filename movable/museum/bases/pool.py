"""A pool of small objects, correct: four places to a page, handles, a circle of the pages with room, and two workers.

An empty page is claimed by one worker and freed by the other. What the pool knows of a page stands in a header, as it would stand
in the page's first bytes; a claimed page cannot be isolated. Lock order: page lock, then the pool's spin lock.
"""

from __future__ import annotations

import copy
from errno import EINVAL
from typing import ClassVar

from hypothesis import strategies as st

from movable import (
    GFP_HIGHUSER,
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    PAGE_SIZE,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    SetPageMovable,
    Work,
    copy_highpage,
    get_page,
    lock_page,
    mod_zone_page_state,
    put_page,
    unlock_page,
)
from movable.contract import Workload, handle, operation

PLACES = 4
TRIES = 100
SIZE = PAGE_SIZE // PLACES


class Header:
    """One page of the pool; ``used`` has a bit for each place."""

    def __init__(self, page: Page | None) -> None:
        self.page = page
        self.used = 0
        self.away = self.claimed = False
        self.reset()

    def reset(self) -> None:
        """On no circle."""
        self.prev = self.next = self

    def link(self, head: Header) -> None:
        """Behind ``head``."""
        self.prev, self.next = head, head.next
        self.prev.next = self.next.prev = self

    def unlink(self) -> None:
        """Off its circle, if it is on one."""
        self.prev.next, self.next.prev = self.next, self.prev
        self.reset()


class Pool:
    """Objects of at most 1024 bytes; ``migratable`` False is a kernel without compaction."""

    def __init__(self, vm: VM, migratable: bool = True) -> None:
        self.vm = vm
        self.lock = vm.spinlock("pool")
        self.room = Header(None)
        self.handles: dict[int, tuple[Header, int]] = {}
        self.count = self.made = self.isolated = 0
        self.closing = False
        self.claimed: list[Header] = []
        self.drained = vm.wait_queue("pool drained")
        self.claim_wq, self.release_wq = vm.workqueue("claim"), vm.workqueue("release")
        self.claim_work, self.release_work = Work(self.claim, "claim"), Work(self.release, "release")
        self.mapping = vm.address_space(self, "pool")
        self.migratable = migratable
        self.gfp = self.allocation_flags()

    def allocation_flags(self) -> int:
        """Movable memory only for pages that will be movable."""
        return GFP_HIGHUSER_MOVABLE if self.migratable else GFP_HIGHUSER

    # what its users do

    def store(self, data: bytes) -> int | None:
        """A handle for a new object, None when there is no memory."""
        for _ in range(TRIES):
            with self.lock:
                header = self.room.next
                if header is not self.room:
                    return self.place(header, data)
            if not self.grow():
                return None
        return None

    def place(self, header: Header, data: bytes) -> int:
        """Put an object into a page with room. The lock is held."""
        place = next(number for number in range(PLACES) if not header.used >> number & 1)
        header.used |= 1 << place
        if header.used == (1 << PLACES) - 1:
            header.unlink()
        self.made += 1
        self.handles[self.made] = header, place
        self.at(header, place)[: len(data)] = data
        return self.made

    def at(self, header: Header, place: int) -> memoryview:
        """Where an object lies."""
        assert header.page is not None
        return header.page.data[place * SIZE : (place + 1) * SIZE]

    def load(self, handle: int, length: int) -> bytes:
        """The first bytes of an object."""
        with self.lock:
            return bytes(self.at(*self.handles[handle])[:length])

    def free(self, handle: int) -> None:
        """Forget an object; the workers free its page if it was the last one."""
        with self.lock:
            header, place = self.handles.pop(handle)
            header.used &= ~(1 << place)
            if not header.away:
                header.unlink()
                header.link(self.room)
        self.claim_wq.queue_work(self.claim_work)

    def grow(self) -> bool:
        """One more page."""
        page = self.vm.alloc_page(self.gfp)
        return page is not None and self.take_in(page)

    def take_in(self, page: Page) -> bool:
        """A fresh page, which nobody else knows. It is not needed any more where another store grew the pool meanwhile."""
        lock_page(page)
        with self.lock:
            needed = self.room.next is self.room
            if needed:
                self.add(page)
        unlock_page(page)
        if not needed:
            put_page(page)
        return True

    def add(self, page: Page) -> None:
        """Set a page up; the mark comes last."""
        self.set_up(page)
        if self.migratable:
            SetPageMovable(page, self.mapping)

    def set_up(self, page: Page) -> None:
        """All that the pool wants to know of a page."""
        header = page.private = Header(page)
        header.link(self.room)
        self.count += 1
        mod_zone_page_state(page.zone, "nr_zspages", 1)

    # what the workers do

    def claim(self) -> None:
        """Claim the empty pages, and have them freed."""
        self.claim_empty()
        self.release_wq.queue_work(self.release_work)

    def claim_empty(self) -> None:
        """Claim the empty pages that are at home."""
        with self.lock:
            header = self.room.next
            while header is not self.room:
                following = header.next
                if not header.used:
                    header.unlink()
                    header.claimed = True
                    self.claimed.append(header)
                header = following

    def release(self) -> None:
        """Free the claimed pages."""
        while (page := self.next_claimed()) is not None:
            lock_page(page)
            with self.lock:
                self.count -= 1
                mod_zone_page_state(page.zone, "nr_zspages", -1)
                page.private = 0
                if self.migratable:
                    ClearPageMovable(page)
            unlock_page(page)
            put_page(page)

    def next_claimed(self) -> Page | None:
        """A claimed page that nobody else will free."""
        with self.lock:
            return self.claimed.pop().page if self.claimed else None

    def remove(self) -> None:
        """Go; every object must be free."""
        with self.lock:
            self.closing = True
        self.drain()
        self.stop_workers()
        self.claim_empty()
        self.release()
        self.vm.free_address_space(self.mapping)

    def drain(self) -> None:
        """Wait for the pages that are isolated."""
        self.drained.wait_event(self.is_idle)

    def is_idle(self) -> bool:
        """Whether nothing is isolated."""
        with self.lock:
            return self.isolated == 0

    def stop_workers(self) -> None:
        """First the worker that gives the other one work."""
        self.claim_wq.destroy()
        self.release_wq.destroy()

    # what the core asks

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Off the circle, unless it is about to be freed."""
        with self.lock:
            header: Header = page.private
            if header.claimed or self.closing:
                return False
            header.unlink()
            header.away = True
            self.isolated += 1
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Bytes, header, handles, marks; then references."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            copy_highpage(newpage, page)
            header = self.move_header(newpage, page.private)
            self.lead_handles(header, page.private)
            page.private = 0
            self.account(newpage, page)
            SetPageMovable(newpage, mapping)
            ClearPageMovable(page)
            self.home(header)
            self.migrated()
        get_page(newpage)
        put_page(page)
        return 0

    def move_header(self, newpage: Page, old: Header) -> Header:
        """A copy of the header for the new page."""
        header = copy.copy(old)
        header.page = newpage
        header.reset()  # the links that were copied are the old header's
        newpage.private = header
        return header

    def lead_handles(self, header: Header, old: Header) -> None:
        """Every handle of the page leads to the new header."""
        for number, (held, place) in list(self.handles.items()):
            if held is old:
                self.handles[number] = header, place

    def account(self, newpage: Page, page: Page) -> None:
        """The counter of the zone."""
        if newpage.zone is not page.zone:
            mod_zone_page_state(page.zone, "nr_zspages", -1)
            mod_zone_page_state(newpage.zone, "nr_zspages", 1)

    def putback_page(self, page: Page) -> None:
        """Back on the circle."""
        with self.lock:
            self.home(page.private)
            self.follow_up()

    def home(self, header: Header) -> None:
        """The page is not isolated any more."""
        header.away = False
        if header.used != (1 << PLACES) - 1:
            header.link(self.room)

    def migrated(self) -> None:
        """The end of a migration."""
        self.follow_up()

    def follow_up(self) -> None:
        """What had to wait for the page. The lock is held, so that a pool that goes finds this done."""
        self.claim_wq.queue_work(self.claim_work)
        self.isolated -= 1
        self.drained.wake_up()


class PoolWorkload(Workload):
    """Stores, frees and reads objects."""

    factory = Pool
    driver: Pool
    zone_counters: ClassVar[tuple[str, ...]] = ("nr_zspages",)

    @operation(data=st.binary(min_size=1, max_size=16))
    def store(self, data: bytes) -> None:
        stored = self.driver.store(data)
        if stored is not None:
            self.model[stored] = data

    @operation(stored=handle())
    def free(self, stored: int) -> None:
        if self.model.pop(stored, None) is not None:
            self.driver.free(stored)

    def invariant(self) -> None:
        pool = self.driver
        if not (pool.isolated or pool.claim_work.pending or pool.release_work.pending):
            empty = pool.count - len({id(header) for header, _ in pool.handles.values()})
            assert not empty, f"{empty} empty page(s), and nobody is about to free them"

    def read(self, key: int) -> bytes:
        return self.driver.load(key, len(self.model[key]))

    def snapshot(self) -> object:
        """Where pages are, without the order of the circle."""
        pool = self.driver
        places = tuple((number, _where(header)) for number, (header, _) in sorted(pool.handles.items()))
        return ("pool", places, tuple(_where(header) for header in pool.claimed), ("isolated", pool.isolated))

    def teardown(self) -> None:
        for stored in list(self.model):
            self.free(stored)
        super().teardown()


def _where(header: Header) -> tuple[object, ...]:
    """A header's page, whether it is on the circle, and where its links lead if they do not come back."""
    page = ("page", header.page.pfn if header.page else -1)
    if header.next.prev is header and header.prev.next is header:
        return (page, "alone" if header.next is header else "linked")
    stray = header.next.page
    return (page, "astray", ("page", stray.pfn if stray else -1))
