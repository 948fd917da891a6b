"""Correct drivers that are easily blamed: they wait, refuse, give up, or hold more than one reference."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN, EBUSY, EINVAL
from typing import Any

import movable
from docs.drivers.ring import Ring, RingWorkload
from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    PageIsolated,
    SetPageMovable,
    adjust_managed_page_count,
    get_page,
    list_add_tail,
    lock_page,
    mod_zone_page_state,
    put_page,
    unlock_page,
)
from movable.contract import handle, migrate, op, operation, scenario
from movable.mm.workqueue import Work


class PinRing(Ring):
    """Users pin pages, which then may be isolated but do not move."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.pinned: set[int] = set()

    def pin(self, slot: int, pinned: bool) -> None:
        with self.lock:
            (self.pinned.add if pinned else self.pinned.discard)(slot)

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        with self.lock:
            if page.private in self.pinned:
                return -EAGAIN
        return super().migratepage(mapping, newpage, page, mode)


class PinWorkload(RingWorkload):
    factory = PinRing
    driver: PinRing
    calls = 0

    @operation(slot=handle())
    def pin(self, slot: int) -> None:
        self.driver.pin(slot, True)

    @operation(slot=handle())
    def unpin(self, slot: int) -> None:
        self.driver.pin(slot, False)

    def mapped(self) -> Iterator[Page]:
        for slot in self.driver.pinned:
            page = self.driver.slots[slot]
            if page is not None:
                yield page

    def invariant(self) -> None:
        type(self).calls += 1
        assert len(self.driver.slots) == 8


class WaitingRing(Ring):
    """Who drops an object that is on its way waits until it has arrived."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.arrived = vm.wait_queue("arrived")

    def drop(self, slot: int) -> None:
        self.arrived.wait_event(lambda: not self._away(slot))
        super().drop(slot)

    def _away(self, slot: int) -> bool:
        with self.lock:
            page = self.slots[slot]
            return page is not None and PageIsolated(page)

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        self.arrived.wake_up()
        return answer

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        self.arrived.wake_up()


class WaitingWorkload(RingWorkload):
    factory = WaitingRing


class BusyRing(Ring):
    """One operation only tries the lock, and does nothing where it is taken."""

    def wipe(self, slot: int) -> bool:
        if not self.lock.trylock():
            return False
        page = self.slots[slot]
        if page is not None:
            page.data[:1] = b"\0"
        self.lock.unlock()
        return True


class BusyWorkload(RingWorkload):
    factory = BusyRing
    driver: BusyRing
    busy = ("wipe",)
    scenarios = (
        scenario("handle 0", op("wipe", slot=0), migrate(), prefix=[op("write", slot=0, data=b"A")]),
        scenario("handle 3", op("wipe", slot=0), migrate(), prefix=[op("write", slot=3, data=b"A")]),
        scenario("two", op("wipe", slot=0), op("wipe", slot=0), migrate(), prefix=[op("write", slot=1, data=b"A")]),
    )

    @operation(slot=handle())
    def wipe(self, slot: int) -> Any:
        done = self.driver.wipe(slot)
        if done:
            self.model[slot] = b"\0" + self.model[slot][1:]
        return done


class SilentWorkload(BusyWorkload):
    """The same operation, which answers None whether it was done or not."""

    @operation(slot=handle())
    def wipe(self, slot: int) -> None:
        super().wipe(slot)


class HowManyWorkload(BusyWorkload):
    """The same operation, which answers how many it wiped."""

    @operation(slot=handle())
    def wipe(self, slot: int) -> int:
        return int(super().wipe(slot))


class TwoRing(Ring):
    """Holds two references on each page: one from the allocation, and one that goes with the mark."""

    takes, gives_back = 2, 2

    def _fill(self, slot: int) -> bool:
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return False
        lock_page(page)
        get_page(page)
        with self.lock:
            wanted = self.slots[slot] is None
            if wanted:
                self.slots[slot] = page
                page.private = slot
                list_add_tail(page.lru, self.idle)
                SetPageMovable(page, self.mapping)
        unlock_page(page)
        if not wanted:
            put_page(page)
            put_page(page)
        return True

    def _forget(self, slot: int, page: Page) -> bool:
        ours = super()._forget(slot, page)
        if ours:
            put_page(page)
        return ours

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        for _ in range(self.takes - 1):
            get_page(newpage)
        answer = super().migratepage(mapping, newpage, page, mode)
        for _ in range(self.gives_back - 1):
            put_page(page)
        return answer


class GivesOneBack(TwoRing):
    gives_back = 1


class TakesOne(TwoRing):
    takes = 1


class TakesThree(TwoRing):
    takes = 3


class TwoWorkload(RingWorkload):
    factory = TwoRing


class CopiesTheUsed(Ring):
    """Copies the bytes that hold an object and no other."""

    used = 16

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        before = bytes(newpage.data)
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            newpage.data[self.used :] = before[self.used :]
        return answer


class CopiesTooLittle(CopiesTheUsed):
    used = 2


class CopiesWorkload(RingWorkload):
    factory = CopiesTheUsed


class Pool(Ring):
    """Pages without content: one that is asked to move is given up, and the target left as it came."""

    gives_back = True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            self.slots[page.private] = None
            page.private = 0
            ClearPageMovable(page)
        if self.gives_back:
            put_page(page)
        return 0


class PoolKeeps(Pool):
    """Un-marks the page and says that it moved, and keeps its reference."""

    gives_back = False


class PoolWorkload(RingWorkload):
    factory = Pool
    preserves_content = False
    may_release_isolated = True

    @operation(slot=handle())
    def overwrite(self, slot: int) -> bool:
        return self.write(slot, b"again")


class CountingRing(Ring):
    """Counts its pages on the machine, and those that are away, in all and by slot."""

    counts_moves = True
    takes_back = True
    follows = True

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.out = 0
        self.out_by_slot = [0] * size
        self.views: dict[int, memoryview] = {}

    def _fill(self, slot: int) -> bool:
        filled = super()._fill(slot)
        page = self.slots[slot]
        if filled and page is not None:
            adjust_managed_page_count(page, -1)
            mod_zone_page_state(page.zone, "nr_ring", 1)
            self.views[slot] = page.data
        return filled

    def _forget(self, slot: int, page: Page) -> bool:
        ours = super()._forget(slot, page)
        if ours:
            adjust_managed_page_count(page, 1)
            mod_zone_page_state(page.zone, "nr_ring", -1)
            del self.views[slot]
            if PageIsolated(page):
                self._let_in(slot)
        return ours

    def _let_in(self, slot: int) -> None:
        self.out -= 1
        self.out_by_slot[slot] -= 1

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        self.out += 1
        self.out_by_slot[page.private] += 1
        return super().isolate_page(page, mode)

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        slot = page.private
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            adjust_managed_page_count(page, 1)
            adjust_managed_page_count(newpage, -1)
            if self.counts_moves:
                mod_zone_page_state(page.zone, "nr_ring", -1)
                mod_zone_page_state(newpage.zone, "nr_ring", 1)
            if self.follows:
                self.views[slot] = newpage.data
            if self.takes_back:
                self._let_in(slot)
            else:
                self.out -= 1
        return answer

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        self._let_in(page.private)
        super().putback_page(page)


class ForgetsTheZone(CountingRing):
    counts_moves = False


class ForgetsTheSlot(CountingRing):
    takes_back = False


class KeepsTheView(CountingRing):
    follows = False


class CountingWorkload(RingWorkload):
    factory = CountingRing


class Stubborn(Ring):
    """Takes a page that was moved once for one that it cannot move."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.moved: set[int] = set()

    def drop(self, slot: int) -> None:
        super().drop(slot)
        self.moved.discard(slot)

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        slot = page.private
        if slot in self.moved:
            return -EBUSY
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            self.moved.add(slot)
        return answer


class DeviceRing(Ring):
    """A device works on the pages; the ring keeps a list of what it has given to it."""

    tells = True

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.device: set[int] = set()
        self.given: set[int] = set()

    def _fill(self, slot: int) -> bool:
        filled = super()._fill(slot)
        page = self.slots[slot]
        if filled and page is not None:
            self.device.add(page.pfn)
            self.given.add(page.pfn)
        return filled

    def _forget(self, slot: int, page: Page) -> bool:
        ours = super()._forget(slot, page)
        if ours:
            self.device.discard(page.pfn)
            self.given.discard(page.pfn)
        return ours

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            self.device.discard(page.pfn)
            self.given.discard(page.pfn)
            self.given.add(newpage.pfn)
            if self.tells:
                self.device.add(newpage.pfn)
        return answer


class TellsNobody(DeviceRing):
    tells = False


class KeepsTheDevice(DeviceRing):
    """Gives a page up and leaves it to the device."""

    def _forget(self, slot: int, page: Page) -> bool:
        ours = Ring._forget(self, slot, page)
        if ours:
            self.given.discard(page.pfn)
        return ours


class DeviceWorkload(RingWorkload):
    factory = DeviceRing
    driver: DeviceRing

    def outside(self) -> Iterator[int]:
        return iter(set(self.driver.device))

    def given(self) -> Iterator[int]:
        return iter(set(self.driver.given))


class PurgingRing(Ring):
    """A worker empties the ring, slot by slot; ``held`` says how many slots are filled at the moment."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.going: set[int] = set()
        self.purge_work = Work(self._purge, "purge")
        self.queue = vm.workqueue("purge")

    def purge(self) -> None:
        with self.lock:
            self.going = {slot for slot, page in enumerate(self.slots) if page is not None}
        self.queue.queue_work(self.purge_work)

    def _purge(self) -> None:
        while (slot := self._next()) is not None:
            self.drop(slot)

    def _next(self) -> int | None:
        with self.lock:
            slot = min(self.going, default=None)
            self.going.discard(-1 if slot is None else slot)
            return slot

    def held(self) -> int:
        with self.lock:
            return sum(page is not None for page in self.slots)


class PurgingWorkload(RingWorkload):
    factory = PurgingRing
    driver: PurgingRing

    @operation()
    def purge(self) -> None:
        self.model.clear()
        self.driver.purge()

    @operation()
    def held(self) -> int:
        return self.driver.held()
