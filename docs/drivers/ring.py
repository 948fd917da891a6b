"""A ring of pages: the smallest driver that keeps content, and may lose a page at any time.

Each slot owns one page. Lock order: page lock, then the ring's spin lock. The spin lock covers the slot table, the list of idle
pages and every access to content, so that nothing is written between a copy and its publication.
"""

from __future__ import annotations

from errno import EINVAL

from hypothesis import strategies as st

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    ListHead,
    Page,
    PageIsolated,
    SetPageMovable,
    copy_highpage,
    get_page,
    list_add_tail,
    list_del,
    lock_page,
    put_page,
    unlock_page,
)
from movable.contract import Workload, handle, operation

TRIES = 100


class Ring:
    """``size`` slots; a slot without a page reads as None."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        self.vm = vm
        self.lock = vm.spinlock("ring")
        self.slots: list[Page | None] = [None] * size
        self.idle = ListHead("ring pages")
        self.mapping = vm.address_space(self, "ring")

    # --- what users of the ring do ---

    def write(self, slot: int, data: bytes) -> bool:
        """Store ``data`` at the start of a slot's page; False when there is no memory for it."""
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is not None:
                    page.data[: len(data)] = data
                    return True
            if not self._fill(slot):
                return False
        return False

    def read(self, slot: int, length: int) -> bytes | None:
        """The first bytes of a slot's page."""
        with self.lock:
            page = self.slots[slot]
            return None if page is None else bytes(page.data[:length])

    def _fill(self, slot: int) -> bool:
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return False
        lock_page(page)  # nobody else knows the page: this never waits
        with self.lock:
            wanted = self.slots[slot] is None
            if wanted:
                self.slots[slot] = page
                page.private = slot
                list_add_tail(page.lru, self.idle)
                SetPageMovable(page, self.mapping)  # last: the page is all set up
        unlock_page(page)
        if not wanted:
            put_page(page)
        return True

    def drop(self, slot: int) -> None:
        """Give a slot's page up. The page may be isolated, or move away while we wait for its lock."""
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is None:
                    return
                get_page(page)
            lock_page(page)
            still_ours = self._forget(slot, page)
            unlock_page(page)
            put_page(page)
            if still_ours:
                put_page(page)
                return

    def _forget(self, slot: int, page: Page) -> bool:
        with self.lock:
            if self.slots[slot] is not page:
                return False
            self.slots[slot] = None
            page.private = 0
            if not PageIsolated(page):  # else its lru belongs to the core
                list_del(page.lru)
            ClearPageMovable(page)
            return True

    def remove(self) -> None:
        """Drop everything. Callbacks run under the page lock, so none is left once every mark is cleared."""
        for slot in range(len(self.slots)):
            self.drop(slot)
        self.vm.free_address_space(self.mapping)

    # --- what the memory manager asks ---

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        """Off the list: nobody hands the page out while it is away."""
        with self.lock:
            list_del(page.lru)
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Copy and publish under one lock; then the references and the marks change hands."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            copy_highpage(newpage, page)
            newpage.private = page.private
            self.slots[page.private] = newpage
            list_add_tail(newpage.lru, self.idle)
            get_page(newpage)
            SetPageMovable(newpage, mapping)
            page.private = 0
            ClearPageMovable(page)
        put_page(page)
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        """Back on the list."""
        with self.lock:
            list_add_tail(page.lru, self.idle)


class RingWorkload(Workload):
    """Writes, overwrites and drops slots; every slot must read back."""

    factory = Ring
    driver: Ring

    @operation(slot=st.integers(0, 7), data=st.binary(min_size=1, max_size=16))
    def write(self, slot: int, data: bytes) -> bool:
        stored = self.driver.write(slot, data)
        if stored:
            self.model[slot] = data
        return stored

    @operation(slot=handle())
    def overwrite(self, slot: int) -> bool:
        return self.write(slot, bytes(reversed(self.model[slot])))

    @operation(slot=handle())
    def drop(self, slot: int) -> None:
        self.driver.drop(slot)
        del self.model[slot]

    def read(self, key: int) -> bytes | None:
        return self.driver.read(key, len(self.model[key]))
