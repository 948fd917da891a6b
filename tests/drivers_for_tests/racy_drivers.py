"""Drivers that are right as long as nothing else runs at the same time."""

from __future__ import annotations

import os
import random
import threading
import time
from errno import EINVAL

from hypothesis import strategies as st

from docs.drivers.ring import TRIES, Ring, RingWorkload
from movable import (
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    ListHead,
    Page,
    PageIsolated,
    SetPageMovable,
    Work,
    copy_highpage,
    get_page,
    list_add_tail,
    list_del,
    lock_page,
    put_page,
    unlock_page,
)
from movable.contract import Workload, handle, operation


class Racy(Ring):
    """What the racy rings share."""

    workload = RingWorkload

    def publish(self, mapping: AddressSpace, newpage: Page, page: Page) -> None:
        newpage.private = page.private
        self.slots[page.private] = newpage
        list_add_tail(newpage.lru, self.idle)
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        page.private = 0
        ClearPageMovable(page)


class CopiesOutsideTheLock(Racy):
    """Copies before it takes the writers' lock: what is written in between is lost."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        copy_highpage(newpage, page)
        with self.lock:
            self.publish(mapping, newpage, page)
        put_page(page)
        return 0


class WritesBack(Ring):
    """A worker writes dirty slots to a disk and calls them clean, whatever was written meanwhile. Clean ones are evicted."""

    def __init__(self, vm: VM, size: int = 4) -> None:
        super().__init__(vm, size)
        self.disk: dict[int, bytes] = {}
        self.dirty: set[int] = set()
        self.queue, self.work = vm.workqueue("flusher"), Work(self.flush, "flush")

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            self.dirty.add(slot)
        done = super().write(slot, data)
        self.queue.queue_work(self.work)
        return done

    def read(self, slot: int, length: int) -> bytes | None:
        found = super().read(slot, length)
        if found is not None:
            return found
        with self.lock:
            return self.disk.get(slot, b"")[:length]

    def flush(self) -> None:
        with self.lock:
            pages = {slot: page for slot, page in enumerate(self.slots) if page is not None and slot in self.dirty}
            written = {slot: bytes(page.data[:16]) for slot, page in pages.items()}
        with self.lock:
            self.disk |= written
            self.dirty -= set(written)

    def evict(self, slot: int) -> None:
        with self.lock:
            clean = slot not in self.dirty
        if clean:
            self.drop(slot)

    def remove(self) -> None:
        self.queue.flush()
        self.queue.destroy()
        super().remove()


class WritesBackWorkload(Workload):
    factory = WritesBack
    driver: WritesBack

    @operation(slot=st.integers(0, 3), data=st.binary(min_size=4, max_size=4))
    def write(self, slot: int, data: bytes) -> None:
        if self.driver.write(slot, data):
            self.model[slot] = data

    @operation(slot=handle())
    def evict(self, slot: int) -> None:
        self.driver.evict(slot)

    def read(self, key: int) -> bytes | None:
        return self.driver.read(key, 4)


class OnlyWrites(RingWorkload):
    """A workload with one operation, and so with few scenarios."""

    overwrite = None  # type: ignore[assignment]
    drop = None  # type: ignore[assignment]


class CopiesAndWrites(CopiesOutsideTheLock):
    """The same with that workload."""

    workload = OnlyWrites


class CopiesUnderAnotherLock(Racy):
    """Reads the old page, lets go of the lock, and writes the new page and publishes it under the lock again."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            content = bytes(page.data[:])
        with self.lock:
            newpage.data[:] = content
            self.publish(mapping, newpage, page)
        put_page(page)
        return 0


class ChecksThenActs(Racy):
    """Hands pages out to users who want them left alone, and looks for that outside the lock under which it is noted."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.borrowed: set[int] = set()

    def write(self, slot: int, data: bytes) -> bool:
        if not super().write(slot, data):
            return False
        with self.lock:
            page = self.slots[slot]
            if page is None or PageIsolated(page):
                return True
            self.borrowed.add(slot)
            list_del(page.lru)
        with self.lock:
            self.borrowed.discard(slot)
            list_add_tail(page.lru, self.idle)
        return True

    def isolate_page(self, page: Page, mode: int) -> bool:
        if page.private in self.borrowed:
            return False
        with self.lock:
            list_del(page.lru)
        return True


class Counts(Racy):
    """Counts writes in a plain attribute, without the lock."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.writes = 0

    def write(self, slot: int, data: bytes) -> bool:
        stored = super().write(slot, data)
        self.writes += 1
        return stored


class DropsWithoutThePageLock(Racy):
    """Frees a page while it may be on the move."""

    def drop(self, slot: int) -> None:
        with self.lock:
            page = self.slots[slot]
            if page is None:
                return
            self.slots[slot] = None
        lock_page(page)
        page.private = 0
        if not PageIsolated(page):
            list_del(page.lru)
        ClearPageMovable(page)
        unlock_page(page)
        put_page(page)


class WaitsBadly(Racy):
    """A removal that waits until nothing is isolated, and misses the wake-up that comes between its look and its sleep."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.isolated = 0
        self.back = vm.wait_queue("back")
        self.waiting = False

    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            list_del(page.lru)
            self.isolated += 1
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        with self.lock:
            copy_highpage(newpage, page)
            self.publish(mapping, newpage, page)
            self.ended()
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        with self.lock:
            list_add_tail(page.lru, self.idle)
            self.ended()

    def ended(self) -> None:
        self.isolated -= 1
        if self.waiting:
            self.back.wake_up()

    def nothing_isolated(self) -> bool:
        with self.lock:
            return not self.isolated

    def remove(self) -> None:
        with self.lock:
            busy = self.isolated > 0
        if busy:
            # A wake-up is only sent to who says that he waits, and this is said too late.
            self.back.wait_event(self.told_and_nothing_isolated)
        super().remove()

    def told_and_nothing_isolated(self) -> bool:
        nothing = self.nothing_isolated()
        with self.lock:
            self.waiting = True
        return nothing


class InvertsLocks(Racy):
    """Two locks, taken in one order by a write and in the other by a migration."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.log = vm.spinlock("log")
        self.logged: list[int] = []

    def write(self, slot: int, data: bytes) -> bool:
        stored = super().write(slot, data)
        with self.log, self.lock:
            self.logged.append(slot)
        return stored

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        with self.lock, self.log:
            self.logged.append(-1)
        return super().migratepage(mapping, newpage, page, mode)


class Spins(Racy):
    """Waits for the end of an isolation by looking again and again."""

    def drop(self, slot: int) -> None:
        with self.lock:
            page = self.slots[slot]
        while page is not None and PageIsolated(page):
            with self.lock:
                page = self.slots[slot]
        super().drop(slot)


class ReadsAfterFree(Racy):
    """Drops its reference and looks at the page once more."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.last = b""

    def drop(self, slot: int) -> None:
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is None:
                    return
                get_page(page)
            lock_page(page)
            ours = self._forget(slot, page)
            isolated = PageIsolated(page)
            unlock_page(page)
            put_page(page)
            if ours:
                put_page(page)
                if isolated:  # the core holds a reference, so it cannot be gone yet; or can it?
                    page.private = 0
                return


# --- what no schedule can govern ---


class RealLock(Racy):
    """Uses a lock of the interpreter's."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.guard = threading.Lock()

    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.guard:
            return super().isolate_page(page, mode)


class RealThread(Racy):
    """Starts a thread."""

    def putback_page(self, page: Page) -> None:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        super().putback_page(page)


class Clock(Racy):
    """Asks the clock in a callback."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        return time.time() > 0 and super().isolate_page(page, mode)


class Dice(Racy):
    """Draws random numbers in an operation."""

    def write(self, slot: int, data: bytes) -> bool:
        return super().write(slot, data) and random.random() < 2


class MachineDice(Racy):
    """Draws the machine's own random numbers, which is fine."""

    def write(self, slot: int, data: bytes) -> bool:
        return super().write(slot, data) and self.vm.random.random() < 2


class Remembers(Racy):
    """Keeps state between machines, outside of all that can be put back."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        calls = os.environ["MOVABLE_TEST_CALLS"] = str(int(os.environ.get("MOVABLE_TEST_CALLS", "0")) + 1)
        if int(calls) % 3:
            with self.lock:
                pass
        return super().isolate_page(page, mode)


__all__ = ["ListHead", "Racy"]


class WaitsForItsCount(Ring):
    """Two writes may count as one; then its removal looks for ever for what it has lost."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.writes = self.counted = 0

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            self.counted += 1
        self.writes += 1
        return super().write(slot, data)

    def remove(self) -> None:
        super().remove()
        while self.writes != self.counted:
            with self.lock:
                pass
