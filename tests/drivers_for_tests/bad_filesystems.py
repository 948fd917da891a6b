"""File systems that break one rule each, named for it; right ones are those that they are made of."""

from __future__ import annotations

from errno import EIO

from movable import VM, AddressSpace, Page, clear_highpage, copy_highpage, put_page, unlock_page
from movable.filesystem import (
    FileMapping,
    Inode,
    SetPageUptodate,
    attach_page_private,
    block_write_full_page,
    detach_page_private,
    migrate_page_copy,
    migrate_page_move_mapping,
    page_inode,
    set_page_writeback,
)
from movable_filesystems import Blockfs, Ramfs
from movable_filesystems.blockfs import BLOCK_SIZE

DIRTY = 1 << 4


class Budgeted(Ramfs):
    """Right: each page has a budget as its private data, which is paid back when the page goes; ``statfs`` counts them."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.paid = 0

    def statfs(self) -> int:
        return self.paid

    def readpage(self, inode: Inode, page: Page) -> int:
        attach_page_private(page, "a budget")
        self.paid += 1
        return super().readpage(inode, page)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = migrate_page_move_mapping(mapping, newpage, page)
        if rc == 0:
            self.hand_over(newpage, page)
            migrate_page_copy(newpage, page)
        return rc

    def hand_over(self, newpage: Page, page: Page) -> None:
        attach_page_private(newpage, detach_page_private(page))

    def invalidatepage(self, page: Page) -> None:
        if detach_page_private(page) is not None:
            self.paid -= 1

    def releasepage(self, page: Page) -> bool:
        self.invalidatepage(page)
        return True


class F1(Ramfs):
    """Says how many bytes it has moved."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return super().migratepage(mapping, newpage, page, mode) or len(page.data)


class F2(Ramfs):
    """Copies half a page."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        if rc == 0:
            newpage.data[2048:] = bytes(2048)
        return rc


class F3(Ramfs):
    """Copies, and forgets that the file must know."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        copy_highpage(newpage, page)
        return 0


class F4(Blockfs):
    """Takes the buffers off before it knows whether the page will move."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        buffers = detach_page_private(page)
        rc = migrate_page_move_mapping(mapping, newpage, page)
        if rc == 0:
            if buffers is not None:
                attach_page_private(newpage, buffers)
                for bh in buffers:
                    bh.page = newpage
            migrate_page_copy(newpage, page)
        return rc


class F5(Budgeted):
    """S03: takes no reference for its private data."""

    def readpage(self, inode: Inode, page: Page) -> int:
        rc = super().readpage(inode, page)
        put_page(page)
        return rc


class F6(Budgeted):
    """S01: the data go along, and the flag does not."""

    def hand_over(self, newpage: Page, page: Page) -> None:
        newpage.private = detach_page_private(page)


class F7(Ramfs):
    """Does not look who else holds the page."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        assert isinstance(mapping, FileMapping)
        rc = migrate_page_move_mapping(mapping, newpage, page, page._refcount - 2)
        if rc == 0:
            migrate_page_copy(newpage, page)
        return rc


class F8(Blockfs):
    """Waits for the locks of buffers in every mode."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return super().migratepage(mapping, newpage, page, 1)


class F9(Blockfs):
    """S07: holds a spin lock for as long as the copy takes, which may sleep."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        assert isinstance(mapping, FileMapping)
        with mapping.private_lock:
            self.vm.wait(("copy", page.pfn), lambda: True, "its turn to go on copying")
            return super().migratepage(mapping, newpage, page, mode)


class F10(Blockfs):
    """C12: begins to write a dirty page, and moves it while the disk reads it."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if page._flags & DIRTY and mode == 2:
            set_page_writeback(page)
        return super().migratepage(mapping, newpage, page, mode)


class F11(Blockfs):
    """The new page counts as clean."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        newpage._flags &= ~DIRTY
        return rc


class F12(Ramfs):
    """Never feels like it."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return -11


class F13(Blockfs):
    """Forgets to unlock a page that it has nothing to read for."""

    def readpage(self, inode: Inode, page: Page) -> int:
        if inode.private is None:
            clear_highpage(page)
            SetPageUptodate(page)
            return 0
        return super().readpage(inode, page)


class F14(Budgeted):
    """S04: a budget is not paid back by a page that moved."""

    def hand_over(self, newpage: Page, page: Page) -> None:
        super().hand_over(newpage, page)
        self.paid += 1


class F15(Ramfs):
    """Unlocks the old page when it is done with it."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        unlock_page(page)
        return rc


class F16(Blockfs):
    """Forgets that the disk failed."""

    def writepage(self, page: Page) -> int:
        inode = page_inode(page)
        rc = block_write_full_page(inode, page, self.get_block, BLOCK_SIZE)
        self.vm.run_work()
        inode.mapping.wb_err = 0
        return rc


class Raises(Ramfs):
    """F1 in another way."""

    def readpage(self, inode: Inode, page: Page) -> int:
        raise OSError(EIO, "no such disk")


BROKEN = {one.__name__: one for one in (F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12, F13, F14, F15, F16)}
