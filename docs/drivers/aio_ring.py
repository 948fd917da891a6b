"""One page that many write to, as the completion ring of asynchronous I/O does.

The page is a ring of numbers behind a head and a tail. The historic bug of this shape let a writer update the old page after it
had been copied; here the writers and the copy take the same lock. Lock order: page lock, then the ring's spin lock.
"""

from __future__ import annotations

import struct
from errno import EAGAIN, EINVAL

from hypothesis import strategies as st

import movable
from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    SetPageMovable,
    copy_highpage,
    get_page,
    lock_page,
    put_page,
    unlock_page,
)
from movable.contract import Workload, operation

HEADER = struct.Struct("<II")
ENTRY = struct.Struct("<I")
ENTRIES = 8
TRIES = 100


class AioRing:
    """A ring of at most eight numbers in one page."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("completion")
        self.mapping = vm.address_space(self, "aio ring")
        page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            raise MemoryError("no page for the ring")
        page.data[: HEADER.size] = HEADER.pack(0, 0)
        self.page: Page | None = page
        lock_page(page)
        SetPageMovable(page, self.mapping)
        unlock_page(page)

    # --- what users of the ring do ---

    def complete(self, number: int) -> bool:
        """Append a number; False when the ring is full, or gone."""
        with self.lock:
            if self.page is None:
                return False
            data = self.page.data
            head, tail = HEADER.unpack(bytes(data[: HEADER.size]))
            if tail - head == ENTRIES:
                return False
            at = HEADER.size + tail % ENTRIES * ENTRY.size
            data[at : at + ENTRY.size] = ENTRY.pack(number)
            data[: HEADER.size] = HEADER.pack(head, tail + 1)
            return True

    def reap(self) -> int | None:
        """Take the oldest number; None when there is none."""
        with self.lock:
            if self.page is None:
                return None
            data = self.page.data
            head, tail = HEADER.unpack(bytes(data[: HEADER.size]))
            if head == tail:
                return None
            at = HEADER.size + head % ENTRIES * ENTRY.size
            (number,) = ENTRY.unpack(bytes(data[at : at + ENTRY.size]))
            data[: HEADER.size] = HEADER.pack(head + 1, tail)
            return int(number)

    def contents(self) -> list[int]:
        """The numbers in the ring, oldest first."""
        with self.lock:
            if self.page is None:
                return []
            data = bytes(self.page.data[: HEADER.size + ENTRIES * ENTRY.size])
        head, tail = HEADER.unpack(data[: HEADER.size])
        return [ENTRY.unpack_from(data, HEADER.size + at % ENTRIES * ENTRY.size)[0] for at in range(head, tail)]

    def remove(self) -> None:
        """Free the page, which may be isolated or on the move."""
        for _ in range(TRIES):
            with self.lock:
                page = self.page
                if page is None:
                    return
                get_page(page)
            lock_page(page)
            with self.lock:
                ours = self.page is page
                if ours:
                    self.page = None
                    ClearPageMovable(page)
            unlock_page(page)
            put_page(page)
            if ours:
                put_page(page)
                self.vm.free_address_space(self.mapping)
                return

    # --- what the memory manager asks ---

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        """The page is on no list, so there is nothing to take it off."""
        return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """The writers' lock is only tried: a writer that holds it will be done before the next pass."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        if not self.lock.trylock():
            return -EAGAIN
        copy_highpage(newpage, page)
        self.page = newpage
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        self.lock.unlock()
        put_page(page)
        return 0

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        """Nothing was taken, so nothing goes back."""


class AioRingWorkload(Workload):
    """Completes and reaps; the ring must hold what a list would."""

    factory = AioRing
    driver: AioRing

    def setup(self) -> AioRing:
        self.model["ring"] = []
        return AioRing(self.vm)

    @operation(number=st.integers(0, 2**32 - 1))
    def complete(self, number: int) -> bool:
        stored = self.driver.complete(number)
        if stored:
            self.model["ring"] = [*self.model["ring"], number]
        return stored

    @operation()
    def reap(self) -> int | None:
        number = self.driver.reap()
        if number is not None:
            self.model["ring"] = self.model["ring"][1:]
        return number

    def read(self, key: str) -> list[int]:
        return self.driver.contents()

    def teardown(self) -> None:
        self.driver.remove()
