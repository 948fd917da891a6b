"""Drivers that misbehave in ways that must not bring the kit down."""

from __future__ import annotations

from docs.drivers.ring import Ring, RingWorkload
from docs.drivers.slab import Handle, SlabCache, SlabWorkload
from movable import VM, AddressSpace, Page, get_page, put_page, trylock_page, unlock_page


class Hangs(Ring):
    """Never comes back from a put-back."""

    workload = RingWorkload

    def putback_page(self, page: Page) -> None:
        while True:
            page = page


class HangsInTheSeam(Ring):
    """Takes and releases a lock for ever."""

    workload = RingWorkload

    def isolate_page(self, page: Page, mode: int) -> bool:
        while True:
            with self.lock:
                pass


class Raises(Ring):
    """Raises out of migratepage."""

    workload = RingWorkload

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        raise KeyError("no such handle")


class RaisesInAnOperation(Ring):
    """Raises out of one of its own operations."""

    workload = RingWorkload

    def drop(self, slot: int) -> None:
        raise ValueError("cannot drop")


class Leaves(Ring):
    """Talks, and ends the program."""

    workload = RingWorkload

    def drop(self, slot: int) -> None:
        print("that is enough")
        raise SystemExit("bye")


class Corrupts(Ring):
    """Writes into the machine's own books."""

    workload = RingWorkload

    def isolate_page(self, page: Page, mode: int) -> bool:
        self.vm.zones[0].nr_free += 1
        return super().isolate_page(page, mode)


class CorruptsLists(Ring):
    """Cuts a list in the middle."""

    workload = RingWorkload

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        page.lru.next = page.lru


class DropsTooMuch(Ring):
    """Drops the core's reference too."""

    workload = RingWorkload

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        put_page(page)


class Half(Ring):
    """Copies half of the page."""

    workload = RingWorkload

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        before = bytes(newpage.data[:2048])
        answer = super().migratepage(mapping, newpage, page, mode)
        newpage.data[:2048] = before
        return answer


class Twice(SlabCache):
    """Hands out the first object of a slab again and again."""

    workload = SlabWorkload

    def alloc(self) -> Handle | None:
        found = super().alloc()
        return None if found is None else (found[0], 0)


class KeepsTheOldPage(SlabCache):
    """Moves everything but the way from a handle to its page."""

    workload = SlabWorkload

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            newpage.private.page = page
        return answer


class TakesTwo(Ring):
    """Takes one reference too many on the new page."""

    workload = RingWorkload

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            get_page(newpage)
        return answer


class LocksTheFreed(Ring):
    """Puts a page it gave back under its lock once more."""

    workload = RingWorkload

    def drop(self, slot: int) -> None:
        page = self.slots[slot]
        super().drop(slot)
        if page is not None and trylock_page(page):
            unlock_page(page)


class PutsBackTwice(Ring):
    """Adds a page to its list twice."""

    workload = RingWorkload

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        super().putback_page(page)


class Idle:
    """Never makes a page movable, and brings no workload."""

    def __init__(self, vm: VM) -> None:
        self.mapping = vm.address_space(self, "idle")

    def isolate_page(self, page: Page, mode: int) -> bool:
        return False

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -22

    def putback_page(self, page: Page) -> None:
        pass
