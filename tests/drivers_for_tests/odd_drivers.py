"""Drivers in unusual styles, each legal: what they do differently is allowed, and must raise no alarm."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINVAL
from typing import Any, ClassVar

from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    PageIsolated,
    PageMovable,
    SetPageMovable,
    Work,
    copy_highpage,
    get_page,
    lock_page,
    put_page,
    unlock_page,
)
from movable.contract import Workload, handle, operation

TRIES = 100


class Table:
    """Pages under keys and on no list, an address space for each page; marked late, un-marked and marked again while owned."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("table")
        self.table: dict[int, Page] = {}
        self.spaces: dict[int, AddressSpace] = {}

    def put(self, key: int, data: bytes) -> bool:
        """Store, in a page that nobody may move yet."""
        if key not in self.table:
            page = self.vm.alloc_page()
            if page is None:
                return False
            page.private = key
            self.table[key] = page
            self.spaces[key] = self.vm.address_space(self, f"table {key}")
            self.publish(key)
        with self.lock:
            self.table[key].data[: len(data)] = data
        return True

    def _locked(self, key: int) -> Page:
        for _ in range(TRIES):
            with self.lock:
                page = self.table[key]
                get_page(page)
            lock_page(page)
            if self.table[key] is page:
                return page
            unlock_page(page)
            put_page(page)
        raise RuntimeError("the page would not stand still")

    def publish(self, key: int) -> None:
        """Let the page be moved."""
        page = self._locked(key)
        if not PageMovable(page):
            SetPageMovable(page, self.spaces[key])
        unlock_page(page)
        put_page(page)

    def hide(self, key: int) -> None:
        """Keep the page where it is for a while."""
        page = self._locked(key)
        if PageMovable(page) and not PageIsolated(page):
            ClearPageMovable(page)
        unlock_page(page)
        put_page(page)

    def drop(self, key: int) -> None:
        """Give the page up."""
        page = self._locked(key)
        with self.lock:
            del self.table[key]
            page.private = 0
        if PageMovable(page):
            ClearPageMovable(page)
        unlock_page(page)
        put_page(page)
        put_page(page)
        self.vm.free_address_space(self.spaces.pop(key))

    def remove(self) -> None:
        """Give everything up."""
        for key in list(self.table):
            self.drop(key)

    def isolate_page(self, page: Page, mode: int) -> bool:
        """There is nothing to take the page off."""
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """The new page is marked before the old one is un-marked."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            key: int = page.private
            copy_highpage(newpage, page)
            newpage.private, page.private = key, 0
            self.table[key] = newpage
        SetPageMovable(newpage, mapping)
        get_page(newpage)
        ClearPageMovable(page)
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        """Nothing was taken."""


class TableWorkload(Workload):
    """Puts, hides and publishes."""

    factory = Table

    @operation(key=st.integers(0, 4), data=st.binary(min_size=1, max_size=9))
    def put(self, key: int, data: bytes) -> None:
        if self.driver.put(key, data):
            self.model[key] = data

    @operation(key=handle())
    def publish(self, key: int) -> None:
        self.driver.publish(key)

    @operation(key=handle())
    def hide(self, key: int) -> None:
        self.driver.hide(key)

    @operation(key=handle())
    def drop(self, key: int) -> None:
        self.driver.drop(key)
        del self.model[key]

    def read(self, key: int) -> bytes:
        return bytes(self.driver.table[key].data[: len(self.model[key])])


class Picky(Table):
    """Never lets go of odd pages, and refuses for ever to move one of the others."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        return bool(page.private % 2 == 0)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EBUSY if page.private == 2 else super().migratepage(mapping, newpage, page, mode)


class PickyWorkload(TableWorkload):
    """Declares so."""

    factory = Picky
    may_refuse = True


class Counting(Ring):
    """Keeps statistics that speak of isolation, also of what it refused; answers "not now" every other time."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.isolated_total = self.isolations_refused = 0

    def isolate_page(self, page: Page, mode: int) -> bool:
        if mode == 12 and self.isolated_total % 3:
            self.isolations_refused += 1
            return False
        self.isolated_total += 1
        return super().isolate_page(page, mode)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_ASYNC and self.isolated_total % 2:
            return -EAGAIN
        return super().migratepage(mapping, newpage, page, mode)


class CountingWorkload(RingWorkload):
    """A ring's work."""

    factory: ClassVar[Any] = Counting


class Holding(Ring):
    """A worker holds pages by references of its own for a while, and they move away under it."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.queue: list[Page] = []

    def hold(self, slot: int) -> None:
        """Queue a page for the worker."""
        with self.lock:
            page = self.slots[slot]
            if page is not None:
                get_page(page)
                self.queue.append(page)

    def work(self) -> None:
        """The worker is done with its pages."""
        while self.queue:
            put_page(self.queue.pop())

    def remove(self) -> None:
        self.work()
        super().remove()


class HoldingWorkload(RingWorkload):
    """A ring's work, and a worker's."""

    factory: ClassVar[Any] = Holding

    @operation(slot=handle())
    def hold(self, slot: int) -> None:
        self.driver.hold(slot)  # type: ignore[attr-defined]

    @operation()
    def work(self) -> None:
        self.driver.work()  # type: ignore[attr-defined]


class Deferring(Ring):
    """A slot that is dropped while its page is isolated is freed by the put-back; migration refuses meanwhile."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.dead: set[int] = set()
        self.back = vm.wait_queue("the dead come back")

    def remove(self) -> None:
        for slot in range(len(self.slots)):
            self.drop(slot)
        self.back.wait_event(lambda: not self.dead)
        super().remove()

    def _forget(self, slot: int, page: Page) -> bool:
        if PageIsolated(page) and self.slots[slot] is page:
            self.dead.add(slot)
        return not PageIsolated(page) and super()._forget(slot, page)

    def drop(self, slot: int) -> None:
        if slot not in self.dead:
            super().drop(slot)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -EBUSY if page.private in self.dead else super().migratepage(mapping, newpage, page, mode)

    def putback_page(self, page: Page) -> None:
        slot: int = page.private
        if slot not in self.dead:
            super().putback_page(page)
            return
        with self.lock:
            self.slots[slot] = None
            page.private = 0
        ClearPageMovable(page)
        put_page(page)
        self.dead.discard(slot)
        self.back.wake_up()


class DeferringWorkload(RingWorkload):
    """A slot that waits for its end takes no data."""

    factory: ClassVar[Any] = Deferring

    @operation(slot=st.integers(0, 7), data=st.binary(min_size=1, max_size=16))
    def write(self, slot: int, data: bytes) -> bool:
        dead: Any = self.driver
        return slot not in dead.dead and super().write(slot, data)


class Giving(Ring):
    """A balloon's ways: no content, and now and then a page is released inside the callback, which then reports an error."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.calls = 0

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.calls += 1
        if self.calls % 3:
            return super().migratepage(mapping, newpage, page, mode)
        with self.lock:
            self.slots[page.private] = None
            page.private = 0
            ClearPageMovable(page)
        put_page(page)
        return -EBUSY


class GivingWorkload(RingWorkload):
    """Declares so."""

    factory: ClassVar[Any] = Giving
    preserves_content = False
    may_release_isolated = True
    may_refuse = True


class ReleasesInPutback(Ring):
    """Takes a put-back for the occasion to let a page go (E9)."""

    def putback_page(self, page: Page) -> None:
        with self.lock:
            self.slots[page.private] = None
            page.private = 0
            ClearPageMovable(page)
        put_page(page)


class ReleasesInPutbackWorkload(RingWorkload):
    """What was stored may be gone."""

    factory = ReleasesInPutback
    may_release_isolated = True
    preserves_content = False


class LooksOnAfterwards(Ring):
    """A worker still holds the old page for a while after a move (E15, E16); and it notes that it was asked at all."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.ever_isolated = False
        self.left: list[Page] = []
        self.queue = vm.workqueue("look on")

    def isolate_page(self, page: Page, mode: int) -> bool:
        self.ever_isolated = True
        if page.private == 1:
            return False
        return super().isolate_page(page, mode)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        get_page(page)
        rc = super().migratepage(mapping, newpage, page, mode)
        if rc:
            put_page(page)
        else:
            self.left.append(page)
            self.queue.queue_work(Work(self.drain, "drain"))
        return rc

    def drain(self) -> None:
        while self.left:
            put_page(self.left.pop())

    def remove(self) -> None:
        self.queue.flush()
        super().remove()


class LooksOnAfterwardsWorkload(RingWorkload):
    """One page refuses."""

    factory = LooksOnAfterwards
    may_refuse = True


ODD: list[type[Any]] = [Table, Picky, Counting, Holding, Deferring, Giving, ReleasesInPutback, LooksOnAfterwards]
