"""A file system in memory (mm/shmem.c, fs/ramfs): a page that was never written reads as zeros, and what is written stays."""

from __future__ import annotations

from movable import VM, AddressSpace, Page, clear_highpage, unlock_page
from movable.filesystem import Inode, SetPageUptodate, migrate_page, set_page_dirty


class Ramfs:
    """Pages have no private data and are written nowhere, so that the core's own way to move them is enough."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm

    def readpage(self, inode: Inode, page: Page) -> int:
        """A new page: zeros. It counts as dirty from the start, since nothing else holds what it holds."""
        clear_highpage(page)
        SetPageUptodate(page)
        set_page_dirty(page)
        unlock_page(page)
        return 0

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """As pages without private data move."""
        return migrate_page(mapping, newpage, page, mode)
