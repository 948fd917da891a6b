"""A ring of pages, correct: eight slots, each empty or with a page of its own. The exhibits bend one step of it each.

Lock order: page lock, then the ring's spin lock, which covers the slots, the list of idle pages and every access to content.
"""

from __future__ import annotations

from errno import EINVAL

from hypothesis import strategies as st

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

SLOTS = 8
TRIES = 100


class Ring:
    """A driver of pages that keep their content. ``private`` of a page is its slot, counted from ``first``."""

    first = 0

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("ring")
        self.slots: list[Page | None] = [None] * SLOTS
        self.idle = ListHead("ring pages")
        self.mapping = self.registered()

    def registered(self) -> AddressSpace:
        """What its pages are marked with."""
        return self.vm.address_space(self, "ring")

    # what its users do

    def write(self, slot: int, data: bytes) -> bool:
        """Store at the start of a slot's page; False when there is no memory for one."""
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is not None:
                    page.data[: len(data)] = data
                    return True
            if not self.fill(slot):
                return False
        return False

    def read(self, slot: int, length: int) -> bytes | None:
        """The first bytes of a slot's page."""
        with self.lock:
            page = self.slots[slot]
            return None if page is None else bytes(page.data[:length])

    def fill(self, slot: int) -> bool:
        """Give a slot a page."""
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return False
        lock_page(page)  # nobody else knows the page: this never waits
        with self.lock:
            wanted = self.slots[slot] is None
            if wanted:
                self.slots[slot] = page
                page.private = slot + self.first
                self.shelve(page)
                SetPageMovable(page, self.mapping)
        unlock_page(page)
        if not wanted:
            put_page(page)
        return True

    def drop(self, slot: int) -> bool:
        """Give a slot's page up, wherever it is; returns whether the slot is empty now."""
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is None:
                    return True
                get_page(page)
            ours = self.give_up(slot, page)
            put_page(page)
            if ours:
                put_page(page)
                return True
        return False

    def give_up(self, slot: int, page: Page) -> bool:
        """Un-mark the page of a slot, unless it has moved meanwhile."""
        lock_page(page)
        with self.lock:
            ours = self.slots[slot] is page
            if ours:
                self.slots[slot] = None
                self.forget(page)
        unlock_page(page)
        return ours

    def forget(self, page: Page) -> None:
        """Undo the set-up of a page. Both locks are held."""
        page.private = 0
        if not PageIsolated(page):  # else its lru is the core's
            self.unshelve(page)
        ClearPageMovable(page)

    def shelve(self, page: Page) -> None:
        """On the list of idle pages."""
        list_add_tail(page.lru, self.idle)

    def unshelve(self, page: Page) -> None:
        """Off the list of idle pages."""
        list_del(page.lru)

    def remove(self) -> None:
        """Drop everything and go."""
        for slot in range(SLOTS):
            self.drop(slot)
        self.vm.free_address_space(self.mapping)

    # what the core asks

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Off the list."""
        with self.lock:
            self.unshelve(page)
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Copy and publish under one lock; then the references change hands."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            self.copy(newpage, page)
            self.publish(newpage, page)
            self.mark(mapping, newpage, page)
        self.count(newpage, page)
        return 0

    def copy(self, newpage: Page, page: Page) -> None:
        """The content."""
        copy_highpage(newpage, page)

    def publish(self, newpage: Page, page: Page) -> None:
        """Whatever led to the old page leads to the new one."""
        newpage.private = page.private
        self.slots[page.private - self.first] = newpage
        page.private = 0
        self.shelve(newpage)

    def mark(self, mapping: AddressSpace, newpage: Page, page: Page) -> None:
        """The marks."""
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)

    def count(self, newpage: Page, page: Page) -> None:
        """The references."""
        get_page(newpage)
        put_page(page)

    def putback_page(self, page: Page) -> None:
        """Back on the list."""
        with self.lock:
            self.shelve(page)


class RingWorkload(Workload):
    """Writes, overwrites and drops slots; every slot must read back."""

    factory = Ring
    driver: Ring

    @operation(slot=st.integers(0, SLOTS - 1), data=st.binary(min_size=1, max_size=16))
    def write(self, slot: int, data: bytes) -> bool:
        stored = self.driver.write(slot, data)
        if stored:
            self.model[slot] = data
        return stored

    @operation(slot=handle())
    def overwrite(self, slot: int) -> bool:
        return self.write(slot, bytes(reversed(self.model.get(slot, b"?"))))

    @operation(slot=handle())
    def drop(self, slot: int) -> None:
        if self.driver.drop(slot):
            self.model.pop(slot, None)

    def read(self, key: int) -> bytes | None:
        return self.driver.read(key, len(self.model[key]))
