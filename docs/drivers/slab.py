"""A slab-like cache: many small objects in a page, and handles that must follow the page when it moves.

Lock order: page lock, then the cache's spin lock. A handle names a slab and a place in it, never a page, so that one assignment
republishes every object of a page. Empty slabs are kept until ``shrink``. The cache counts isolated slabs, so that its removal can
wait for them to come back.
"""

from __future__ import annotations

from errno import EINVAL

from hypothesis import strategies as st

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    PAGE_SIZE,
    VM,
    AddressSpace,
    ClearPageMovable,
    ListHead,
    Page,
    PageIsolated,
    SetPageMovable,
    copy_highpage,
    get_page,
    list_add,
    list_del,
    lock_page,
    put_page,
    unlock_page,
)
from movable.contract import Workload, handle, operation

TRIES = 100
OBJECT_SIZE = 1024
OBJECTS = PAGE_SIZE // OBJECT_SIZE


class Slab:
    """One page of objects; ``used`` has a bit for each."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.used = 0


Handle = tuple[Slab, int]


class SlabCache:
    """Objects of 1024 bytes, four to a page."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("slab cache")
        self.slabs = ListHead("slabs")  # what may be allocated from; an isolated slab is not on it
        self.count = 0
        self.isolated = 0
        self.back = vm.wait_queue("slabs come back")
        self.mapping = vm.address_space(self, "slab")

    # --- what users of the cache do ---

    def alloc(self) -> Handle | None:
        """A new object, or None when there is no memory. A fresh slab may be isolated before we get to it."""
        for _ in range(TRIES):
            with self.lock:
                for page in self.slabs:
                    slab: Slab = page.private
                    for place in range(OBJECTS):
                        if not slab.used >> place & 1:
                            slab.used |= 1 << place
                            return slab, place
            if not self._grow():
                return None
        return None

    def _grow(self) -> bool:
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return False
        lock_page(page)
        with self.lock:
            page.private = Slab(page)
            list_add(page.lru, self.slabs)
            self.count += 1
            SetPageMovable(page, self.mapping)
        unlock_page(page)
        return True

    def free(self, handle: Handle) -> None:
        """Forget an object. Its slab may be isolated: only a bit changes, so that is fine."""
        slab, place = handle
        with self.lock:
            slab.used &= ~(1 << place)

    def write(self, handle: Handle, data: bytes) -> None:
        """Store at the start of an object."""
        slab, place = handle
        with self.lock:
            slab.page.data[place * OBJECT_SIZE : place * OBJECT_SIZE + len(data)] = data

    def read(self, handle: Handle, length: int) -> bytes:
        """Read from the start of an object."""
        slab, place = handle
        with self.lock:
            return bytes(slab.page.data[place * OBJECT_SIZE : place * OBJECT_SIZE + length])

    def shrink(self) -> int:
        """Free the empty slabs that are at home; returns how many."""
        with self.lock:
            candidates = [page for page in self.slabs if not page.private.used]
            for page in candidates:
                get_page(page)
        return sum(self._release(page) for page in candidates)

    def _release(self, page: Page) -> int:
        lock_page(page)
        with self.lock:
            slab = page.private
            ours = isinstance(slab, Slab) and slab.page is page and not slab.used and not PageIsolated(page)
            if ours:
                list_del(page.lru)
                self.count -= 1
                page.private = 0
                ClearPageMovable(page)
        unlock_page(page)
        put_page(page)
        if ours:
            put_page(page)
        return int(ours)

    def remove(self) -> None:
        """Free the cache; every object must be free. Waits for slabs that are isolated."""
        for _ in range(TRIES):
            self.back.wait_event(self._nothing_isolated)
            self.shrink()
            with self.lock:
                left = self.count
                in_use = any(page.private.used for page in self.slabs)
            if not left:
                self.vm.free_address_space(self.mapping)
                return
            if in_use:
                break
        raise RuntimeError(f"{left} slabs are in use")

    def _nothing_isolated(self) -> bool:
        with self.lock:
            return not self.isolated

    def _ended(self) -> None:
        """One isolation less; the caller has nothing more to do with the cache."""
        with self.lock:
            self.isolated -= 1
        self.back.wake_up()

    # --- what the memory manager asks ---

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        """Off the list: nothing is allocated from the slab while it is away. Frees go on."""
        with self.lock:
            list_del(page.lru)
            self.isolated += 1
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """All objects move with one copy, and one assignment makes every handle lead to the new page."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            slab: Slab = page.private
            copy_highpage(newpage, page)
            slab.page = newpage
            newpage.private = slab
            list_add(newpage.lru, self.slabs)
            get_page(newpage)
            SetPageMovable(newpage, mapping)
            page.private = 0
            ClearPageMovable(page)
        put_page(page)
        self._ended()
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        """Back on the list."""
        with self.lock:
            list_add(page.lru, self.slabs)
        self._ended()


class SlabWorkload(Workload):
    """Allocates, writes and frees objects; every live object must read back."""

    factory = SlabCache
    driver: SlabCache

    @operation(data=st.binary(min_size=1, max_size=16))
    def store(self, data: bytes) -> bool:
        stored = self.driver.alloc()
        if stored is None:
            return False
        assert not self.alone or stored not in self.model, "an object that is in use was handed out again"
        self.driver.write(stored, data)
        self.model[stored] = data
        return True

    @operation(stored=handle(), data=st.binary(min_size=1, max_size=16))
    def overwrite(self, stored: Handle, data: bytes) -> None:
        self.driver.write(stored, data)
        self.model[stored] = data

    @operation(stored=handle())
    def free(self, stored: Handle) -> None:
        del self.model[stored]
        self.driver.free(stored)

    @operation()
    def shrink(self) -> None:
        self.driver.shrink()

    def read(self, key: Handle) -> bytes:
        return self.driver.read(key, len(self.model[key]))

    def teardown(self) -> None:
        for stored in list(self.model):
            self.free(stored)
        super().teardown()
