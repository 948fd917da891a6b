"""Bugs that need a driver to be full, empty again, old, or struck by a fault: each overrides a part of ``Bins``, which is right.

A bin is one page for objects of one size. Partly used bins lie on a list of their size; up to two empty ones are kept in reserve.
"""

from __future__ import annotations

from errno import EAGAIN, EINVAL

from hypothesis import strategies as st

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
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
from movable.contract import Workload, handle, operation

PER_BIN = {1: 8, 2: 4, 3: 7}
"""Objects of each size in a bin."""
RESERVE = 2
SLOT = 64


class Bins:
    """Stores short texts under handles."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.mapping = vm.address_space(self, "bins")
        self.bins: dict[int, Page] = {}
        self.size: dict[int, int] = {}
        self.used: dict[int, dict[int, int]] = {}
        self.partial: dict[int, list[int]] = {size: [] for size in PER_BIN}
        self.reserve: list[int] = []
        self.where: dict[int, tuple[int, int]] = {}
        self.next_bin = self.next_handle = 0
        self.isolated: set[int] = set()
        self.queue = vm.workqueue("bins")

    # what users do

    def store(self, size: int, data: bytes) -> int | None:
        name = self.find_bin(size)
        if name is None:
            return None
        used = self.used[name]
        slot = self.free_slot(name)
        number = self.new_handle()
        used[slot] = number
        if len(used) == PER_BIN[size] and name in self.partial[size]:
            self.filled(name)
        self.where[number] = (name, slot)
        self.write(name, slot, data)
        return number

    def write(self, name: int, slot: int, data: bytes) -> None:
        self.bins[name].data[slot * SLOT : slot * SLOT + len(data)] = data

    def read(self, number: int, length: int) -> bytes:
        name, slot = self.where[number]
        return bytes(self.bins[name].data[slot * SLOT : slot * SLOT + length])

    def free(self, number: int) -> None:
        name, slot = self.where.pop(number)
        del self.used[name][slot]
        size = self.size[name]
        if not self.used[name]:
            if name in self.partial[size]:
                self.partial[size].remove(name)
            self.emptied(name)
        elif name not in self.partial[size]:
            self.partial[size].append(name)

    def trim(self) -> None:
        while self.reserve:
            self.release(self.reserve.pop())

    def remove(self) -> None:
        self.vm.run_work()
        for name in list(self.bins):
            self.release(name)
        self.vm.free_address_space(self.mapping)

    # parts

    def new_handle(self) -> int:
        self.next_handle += 1
        return self.next_handle

    def free_slot(self, name: int) -> int:
        return next(slot for slot in range(PER_BIN[self.size[name]]) if slot not in self.used[name])

    def find_bin(self, size: int) -> int | None:
        if self.partial[size]:
            return self.partial[size][0]
        name = self.reserve.pop() if self.reserve else self.new_bin()
        if name is not None:
            self.size[name] = size
            self.used[name] = {}
            self.partial[size].append(name)
        return name

    def new_bin(self) -> int | None:
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return None
        self.next_bin += 1
        name = self.next_bin
        self.bins[name] = page
        lock_page(page)
        page.private = name
        SetPageMovable(page, self.mapping)
        unlock_page(page)
        return name

    def filled(self, name: int) -> None:
        self.partial[self.size[name]].remove(name)

    def emptied(self, name: int) -> None:
        if len(self.reserve) < RESERVE:
            self.reserve.append(name)
        else:
            self.release(name)

    def release(self, name: int) -> None:
        page = self.bins.pop(name)
        lock_page(page)
        page.private = 0
        ClearPageMovable(page)
        unlock_page(page)
        put_page(page)

    # what the core asks

    def isolate_page(self, page: Page, mode: int) -> bool:
        self.isolated.add(page.private)
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        name = page.private
        copy_highpage(newpage, page)
        self.publish(name, newpage)
        self.isolated.discard(name)
        newpage.private, page.private = name, 0
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        put_page(page)
        return 0

    def publish(self, name: int, newpage: Page) -> None:
        self.bins[name] = newpage

    def putback_page(self, page: Page) -> None:
        self.isolated.discard(page.private)


class BinsWorkload(Workload):
    """Stores, frees, trims."""

    factory = Bins
    driver: Bins

    @operation(size=st.integers(1, 3), data=st.binary(min_size=1, max_size=12))
    def store(self, size: int, data: bytes) -> bool:
        number = self.driver.store(size, data)
        if number is not None:
            self.model[number] = data
        return number is not None

    @operation(number=handle())
    def free(self, number: int) -> None:
        self.driver.free(number)
        del self.model[number]

    @operation()
    def trim(self) -> None:
        self.driver.trim()

    def read(self, key: int) -> bytes:
        return self.driver.read(key, len(self.model[key]))


# --- capacity ---


class SeventhWrapsAround(Bins):
    """The last object of the size that does not divide a page goes where the first one is."""

    def write(self, name: int, slot: int, data: bytes) -> None:
        super().write(name, 0 if slot == 6 and self.size[name] == 3 else slot, data)

    def read(self, number: int, length: int) -> bytes:
        name, slot = self.where[number]
        at = (0 if slot == 6 and self.size[name] == 3 else slot) * SLOT
        return bytes(self.bins[name].data[at : at + length])


class FullBinIsForgotten(Bins):
    """A bin that was full is not found again by ``remove``: its page leaks."""

    def filled(self, name: int) -> None:
        super().filled(name)
        if len(self.bins) > 4:
            self.bins.setdefault(-name, self.bins[name])
            del self.bins[name]

    def read(self, number: int, length: int) -> bytes:
        name, slot = self.where[number]
        page = self.bins.get(name) or self.bins[-name]
        return bytes(page.data[slot * SLOT : slot * SLOT + length])

    def write(self, name: int, slot: int, data: bytes) -> None:
        page = self.bins.get(name) or self.bins[-name]
        page.data[slot * SLOT : slot * SLOT + len(data)] = data


class FourthBinOfASize(Bins):
    """Bins of one size are found by their number below 4: the fifth one of a size takes the place of the first."""

    def find_bin(self, size: int) -> int | None:
        mine = [name for name in self.bins if self.size.get(name) == size and self.used.get(name)]
        if len(mine) >= 4 and not self.partial[size]:
            self.used[mine[0]].clear()
            self.partial[size].append(mine[0])
        return super().find_bin(size)


class NineBinsAtMost(Bins):
    """A table for eight bins: what migrates as the ninth is not entered."""

    def publish(self, name: int, newpage: Page) -> None:
        if list(self.bins).index(name) < 8:
            self.bins[name] = newpage


# --- the second fill ---


class SecondFillKeepsOldCount(Bins):
    """A bin from the reserve keeps its size: objects of another size overlap."""

    def find_bin(self, size: int) -> int | None:
        if self.partial[size] or not self.reserve:
            return super().find_bin(size)
        name = self.reserve.pop()
        self.used[name] = {}
        self.partial[size].append(name)
        if self.size[name] == 1 and size == 3:
            self.used[name][0] = -1
            self.used[name].pop(0)
            self.bins[name].data[:SLOT] = bytes(SLOT)
            self.size[name] = 2
        else:
            self.size[name] = size
        return name


class ThirdReserveIsDropped(Bins):
    """A third empty bin is given up without taking the mark away."""

    def emptied(self, name: int) -> None:
        if len(self.reserve) < RESERVE:
            self.reserve.append(name)
        else:
            put_page(self.bins.pop(name))


class TrimOfTwo(Bins):
    """A trim of a full reserve gives one page up twice."""

    def trim(self) -> None:
        if len(self.reserve) == RESERVE:
            page = self.bins[self.reserve[0]]
            put_page(page)
        super().trim()


class ReserveStaysBehind(Bins):
    """A bin that moves while it is in reserve is not noted: what is stored in it later is lost."""

    def publish(self, name: int, newpage: Page) -> None:
        if name not in self.reserve:
            self.bins[name] = newpage


class RefilledBinMovesAway(Bins):
    """A bin that was emptied and filled again counts as empty: it moves without its content."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.were_empty: set[int] = set()

    def emptied(self, name: int) -> None:
        self.were_empty.add(name)
        super().emptied(name)

    def publish(self, name: int, newpage: Page) -> None:
        super().publish(name, newpage)
        if name in self.were_empty and len(self.used.get(name, ())) > 2:
            newpage.data[2 * SLOT : 2 * SLOT + 4] = bytes(4)


# --- long lives ---


class SixBits(dict[int, tuple[int, int]]):
    """A table that looks at six bits of a key."""

    def __setitem__(self, key: int, value: tuple[int, int]) -> None:
        super().__setitem__(key % 64, value)

    def __getitem__(self, key: int) -> tuple[int, int]:
        return super().__getitem__(key % 64)

    def pop(self, key: int) -> tuple[int, int]:  # type: ignore[override]
        return super().pop(key % 64)


class HandlesWrap(Bins):
    """The table of handles looks at six bits: after 64 stores an old one that still lives is another's."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.where = SixBits()


class FortiethFree(Bins):
    """Each fortieth free takes the neighbour too."""

    frees = 0

    def free(self, number: int) -> None:
        self.frees += 1
        name, slot = self.where[number]
        super().free(number)
        if self.frees % 40 == 0 and slot + 1 in self.used.get(name, {}) and name in self.bins:
            self.write(name, slot + 1, b"\0")


class BinNumbersWrap(Bins):
    """Bins are numbered with four bits: the seventeenth takes the number of the first."""

    def new_bin(self) -> int | None:
        if self.next_bin >= 15 and 1 in self.bins:
            self.next_bin = 0
        return super().new_bin()


class TenthMove(Bins):
    """Each tenth move forgets the object in the last slot."""

    moves = 0

    def publish(self, name: int, newpage: Page) -> None:
        super().publish(name, newpage)
        self.moves += 1
        if self.moves % 10 == 0 and self.used.get(name):
            last = max(self.used[name])
            newpage.data[last * SLOT] = newpage.data[last * SLOT] ^ 1


# --- error paths ---


class NoMemoryForTheSecond(Bins):
    """Size 2 takes a helper page; where that cannot be had, the bin leaks."""

    def new_bin(self) -> int | None:
        name = super().new_bin()
        if name is not None:
            helper = self.vm.alloc_page(GFP_KERNEL)
            if helper is None:
                del self.bins[name]
                return None
            put_page(helper)
        return name

    def publish(self, name: int, newpage: Page) -> None:
        if name in self.bins:
            self.bins[name] = newpage


class NoMemoryAfterTheHandle(Bins):
    """Without memory the size's list is cleared, and what was partly used is lost for ``remove``."""

    def new_bin(self) -> int | None:
        name = super().new_bin()
        if name is None and self.bins:
            first = next(iter(self.bins))
            get_page(self.bins[first])
        return name


class FullBinNeedsMemory(Bins):
    """The move of a full bin takes a helper; where that cannot be had it fails after the table was changed."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        name = page.private
        if name in self.used and len(self.used[name]) == PER_BIN[self.size[name]]:
            helper = self.vm.alloc_page(GFP_KERNEL)
            if helper is None:
                self.bins[name] = newpage
                return -EAGAIN
            put_page(helper)
        return super().migratepage(mapping, newpage, page, mode)


class LaterMoved(Bins):
    """Empty bins are given up by a work item that remembers the page, which may have moved by then."""

    def release(self, name: int) -> None:
        if not self.reserve:
            super().release(name)
            return
        from movable.mm.workqueue import Work

        page = self.bins.pop(name)

        def give_up() -> None:
            lock_page(page)
            ClearPageMovable(page)
            unlock_page(page)
            put_page(page)

        self.queue.queue_work(Work(give_up, "give up"))

    def publish(self, name: int, newpage: Page) -> None:
        if name in self.bins:
            self.bins[name] = newpage


# --- put-back and isolation ---


class PutBackIsPartial(Bins):
    """A bin that comes back counts as partly used, full or not."""

    def putback_page(self, page: Page) -> None:
        name = page.private
        super().putback_page(page)
        size = self.size.get(name)
        if size is not None and name not in self.partial[size] and name not in self.reserve:
            self.partial[size].append(name)

    def free_slot(self, name: int) -> int:
        free = [slot for slot in range(PER_BIN[self.size[name]]) if slot not in self.used[name]]
        return free[0] if free else PER_BIN[self.size[name]] - 1


class IsolatedFullBin(Bins):
    """While a bin is away its eighth slot is not seen to be used."""

    def free(self, number: int) -> None:
        name, _ = self.where[number]
        super().free(number)
        if name in self.isolated and len(self.used.get(name, ())) == 6:
            self.write(name, max(self.used[name]), b"\0\0")


class TrimWhileAway(Bins):
    """A trim gives up bins that are isolated without un-marking them: the core will."""

    def trim(self) -> None:
        for name in [name for name in self.reserve if name in self.isolated]:
            self.reserve.remove(name)
            put_page(self.bins.pop(name))
        super().trim()


BUGS: tuple[type[Bins], ...] = (
    SeventhWrapsAround, FullBinIsForgotten, FourthBinOfASize, NineBinsAtMost, SecondFillKeepsOldCount, ThirdReserveIsDropped,
    TrimOfTwo, ReserveStaysBehind, RefilledBinMovesAway, HandlesWrap, FortiethFree, BinNumbersWrap, TenthMove, NoMemoryForTheSecond,
    NoMemoryAfterTheHandle, FullBinNeedsMemory, LaterMoved, PutBackIsPartial, IsolatedFullBin, TrimWhileAway,
)  # fmt: skip
