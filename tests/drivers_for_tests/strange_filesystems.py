"""File systems with ways of their own: right ones that a hasty judge would blame, and wrong ones that hide it well."""

from __future__ import annotations

from errno import EAGAIN, EBUSY

from movable import VM, AddressSpace, Page, Work, clear_highpage, copy_highpage, lock_page, page_count, unlock_page
from movable.filesystem import (
    Inode,
    SetPageUptodate,
    attach_page_private,
    buffer_migrate_page,
    clear_page_dirty_for_io,
    detach_page_private,
    end_page_writeback,
    migrate_page,
    migrate_page_copy,
    migrate_page_move_mapping,
    migrate_page_states,
    page_buffers,
    page_has_buffers,
    page_has_private,
    page_inode,
    set_page_writeback,
    try_to_free_buffers,
    trylock_buffer,
    unlock_buffer,
    wait_on_page_writeback,
)
from movable_filesystems import Blockfs

DIRTY = 1 << 4


class Shelf:
    """Right: written pages lie on a shelf of its own, and a page that is written has a record of that."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.shelf: dict[tuple[Inode, int], bytes] = {}
        self.work = vm.workqueue("shelf")
        self.records = 0

    def statfs(self) -> int:
        return self.records

    def readpage(self, inode: Inode, page: Page) -> int:
        if (inode, page._index) in self.shelf:
            self.vm.map_page(page)[:] = self.shelf[inode, page._index]
        else:
            clear_highpage(page)
        SetPageUptodate(page)
        unlock_page(page)
        return 0

    def write_begin(self, inode: Inode, page: Page) -> int:
        if not page_has_private(page):
            attach_page_private(page, {"of": page._index})
            self.records += 1
        return 0

    def writepage(self, page: Page) -> int:
        place = page_inode(page), page._index
        set_page_writeback(page)
        unlock_page(page)

        def done() -> None:
            self.shelf[place] = bytes(self.vm.map_page(page))
            end_page_writeback(page)

        self.work.queue_work(Work(done, "a write"))
        return 0

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        rc = migrate_page_move_mapping(mapping, dst, src)
        if rc == 0:
            if page_has_private(src):
                attach_page_private(dst, detach_page_private(src))
            migrate_page_copy(dst, src)
        return rc

    def releasepage(self, page: Page) -> bool:
        self.invalidatepage(page)
        return True

    def invalidatepage(self, page: Page) -> None:
        if detach_page_private(page) is not None:
            self.records -= 1

    def evict_inode(self, inode: Inode) -> None:
        self.shelf = {place: content for place, content in self.shelf.items() if place[0] is not inode}

    def truncate(self, inode: Inode) -> None:
        self.shelf = {place: content for place, content in self.shelf.items() if place[0] is not inode or place[1] < inode.size}


class LeftToTheCore(Shelf):
    """Right: the fallback writes its dirty pages out and asks it to release the record."""

    migratepage = None  # type: ignore[assignment]


class WritesItself(Shelf):
    """Right: a dirty page is written by its own hand first, and moved when that has ended."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if src._flags & DIRTY:
            if mode != 2:
                return -EBUSY
            if clear_page_dirty_for_io(src):
                self.writepage(src)
                lock_page(src)
                wait_on_page_writeback(src)
        return super().migratepage(mapping, dst, src, mode)


class ShowsWhatWasCutOff(Shelf):
    """F2: it keeps what lay beyond the end, and shows it when the file becomes longer again."""

    truncate = None  # type: ignore[assignment]


class CopiesUnasked(Shelf):
    """Wrong: who holds the page while it is copied may write to it still, and let go before the place is handed over."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        copy_highpage(dst, src)
        rc = migrate_page_move_mapping(mapping, dst, src)
        if rc == 0:
            if page_has_private(src):
                attach_page_private(dst, detach_page_private(src))
            migrate_page_states(dst, src)
        return rc


class CopiesFirst(CopiesUnasked):
    """Right: it counts, copies, and hands the place over, which counts again, as later kernels do."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if page_count(src) != 2 + page_has_private(src):
            return -EAGAIN
        return super().migratepage(mapping, dst, src, mode)


class CopiesByHand(Shelf):
    """Right: byte by byte, as far as anybody can tell."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        rc = migrate_page_move_mapping(mapping, dst, src)
        if rc == 0:
            if page_has_private(src):
                attach_page_private(dst, detach_page_private(src))
            dst.data[:] = src.data
            migrate_page_states(dst, src)
        return rc


class Releases(Shelf):
    """Right: a clean page's record is released, and the page moves without one."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if src._flags & DIRTY:
            return -EAGAIN
        if page_has_private(src):
            self.releasepage(src)
        return migrate_page(mapping, dst, src, mode)


class GivesUpByHand(Shelf):
    """Right: a record that is not needed is given up by its own hand, also where the page does not move then."""

    def give_up(self, page: Page) -> None:
        self.invalidatepage(page)

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        self.give_up(src)
        return migrate_page(mapping, dst, src, mode)


class LosesItByHand(GivesUpByHand):
    """F14: the same, and the record still counts."""

    def give_up(self, page: Page) -> None:
        detach_page_private(page)


class FreesBuffers(Blockfs):
    """Right: the buffers of a clean page are freed, and the page moves without them."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if src._flags & DIRTY or not page_has_buffers(src):
            return buffer_migrate_page(mapping, dst, src, mode)
        return migrate_page(mapping, dst, src, mode) if try_to_free_buffers(src) else -EAGAIN


class Drops(Shelf):
    """F6: the record goes after the place was handed over, and is nowhere then."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        rc = migrate_page_move_mapping(mapping, dst, src)
        if rc == 0:
            self.releasepage(src)
            migrate_page_copy(dst, src)
        return rc


class CutOffByTheCore(Shelf):
    """F14: leaves it to the core to take away what is cut off, which knows buffers alone."""

    invalidatepage = None  # type: ignore[assignment]

    def releasepage(self, page: Page) -> bool:
        return False


class Unlocked(Blockfs):
    """F10: the buffers go along, and nobody asks who has locked one, but in the modes ``asks_in``."""

    asks_in: tuple[int, ...] = ()

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if mode in self.asks_in or not page_has_buffers(src):
            return buffer_migrate_page(mapping, dst, src, mode)
        rc = migrate_page_move_mapping(mapping, dst, src)
        if rc == 0:
            buffers = detach_page_private(src)
            attach_page_private(dst, buffers)
            for bh in buffers:
                bh.page = dst
            migrate_page_copy(dst, src)
        return rc


class UnlockedWhereItMayWait(Unlocked):
    """F2, and only beside who writes into a buffer: MIGRATE_ASYNC is right."""

    asks_in = (0,)


class LeadsBack(Blockfs):
    """F6: the buffers on the new page still say that they are the old one's."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        rc = buffer_migrate_page(mapping, dst, src, mode)
        for bh in page_buffers(dst) if rc == 0 and page_has_buffers(dst) else ():
            bh.page = src
        return rc


class LeavesALock(Blockfs):
    """F15: a buffer stays locked when the page did not move."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        rc = buffer_migrate_page(mapping, dst, src, mode)
        if rc and page_has_buffers(src):
            page_buffers(src)[0]._locked = True
        return rc


class WritesAndLeaves(Blockfs):
    """Right up to 6.1, where the next pass waits for the write that this one begins; later ones ask again at once."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if src._flags & DIRTY:
            if mode != 2 or not clear_page_dirty_for_io(src):
                return -EBUSY
            rc = self.writepage(src)
            lock_page(src)
            return rc or -EAGAIN
        return super().migratepage(mapping, dst, src, mode)


class KeepsOthersOut(Shelf):
    """Right: a mutex, which whoever must not wait only tries."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.mutex = vm.mutex("shelf")

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        if mode:
            self.mutex.lock()
        elif not self.mutex.trylock():
            return -EAGAIN
        rc = super().migratepage(mapping, dst, src, mode)
        self.mutex.unlock()
        return rc


class WaitsForOthers(KeepsOthersOut):
    """F8: it takes the mutex in MIGRATE_ASYNC too."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        return super().migratepage(mapping, dst, src, 1)


class HoldsASpinLock(Blockfs):
    """F9: the locks of buffers are waited for under a spin lock."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.lock = vm.spinlock("blockfs")

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        with self.lock:
            return super().migratepage(mapping, dst, src, mode)


class LeavesTheFirst(Blockfs):
    """F15: where a later buffer is in use it keeps the locks of those before."""

    def migratepage(self, mapping: AddressSpace, dst: Page, src: Page, mode: int) -> int:
        buffers = page_buffers(src) if page_has_buffers(src) else []
        if not all(trylock_buffer(bh) for bh in buffers):
            return -EAGAIN
        for bh in buffers:
            unlock_buffer(bh)
        return super().migratepage(mapping, dst, src, mode)
