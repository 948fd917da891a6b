"""A file system on a disk (fs/ext2 in small): blocks of a file are given out one by one, and the pages of files have buffers."""

from __future__ import annotations

from errno import ENOSPC

from movable import PAGE_SIZE, VM, AddressSpace, Page
from movable.filesystem import (
    BufferHead,
    Disk,
    Inode,
    block_invalidatepage,
    block_read_full_page,
    block_write_full_page,
    buffer_migrate_page,
    page_inode,
    reserve_blocks,
    try_to_free_buffers,
)

BLOCKS = 1024
BLOCK_SIZE = 1024


class Blockfs:
    """``disk`` is where it is, ``free`` the blocks that nobody has. ``inode.private`` leads from blocks of a file to those of the
    disk, which are given out when a page is first written."""

    def __init__(self, vm: VM, blocks: int = BLOCKS) -> None:
        self.vm = vm
        self.disk = Disk(vm, blocks, BLOCK_SIZE, "disk of blockfs")
        self.free = list(range(blocks))

    def get_block(self, inode: Inode, block: int, bh: BufferHead, create: bool) -> int:
        """Say where a block of a file is on the disk; with ``create`` give it a place. -ENOSPC when the disk is full."""
        places = inode.private if inode.private is not None else {}
        inode.private = places
        if block not in places:
            if not create:
                return 0
            if not self.free:
                return -ENOSPC
            places[block] = self.free.pop(0)
        bh.disk, bh.blocknr = self.disk, places[block]
        return 0

    def readpage(self, inode: Inode, page: Page) -> int:
        """Read what the disk has of the page."""
        return block_read_full_page(inode, page, self.get_block, BLOCK_SIZE)

    def write_begin(self, inode: Inode, page: Page) -> int:
        """The page will be written: it must have its place on the disk before."""
        return reserve_blocks(inode, page, self.get_block, BLOCK_SIZE)

    def writepage(self, page: Page) -> int:
        """Write the page to its place."""
        return block_write_full_page(page_inode(page), page, self.get_block, BLOCK_SIZE)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """The buffers go along."""
        return buffer_migrate_page(mapping, newpage, page, mode)

    def releasepage(self, page: Page) -> bool:
        """Buffers that nobody uses are made anew when they are needed."""
        return try_to_free_buffers(page)

    def invalidatepage(self, page: Page) -> None:
        """The blocks are given back when the file is cut off, or goes."""
        block_invalidatepage(page)

    def evict_inode(self, inode: Inode) -> None:
        """All blocks of the file are free."""
        self._give_back(inode, 0)

    def truncate(self, inode: Inode) -> None:
        """Those beyond its end are: else it would show them again when it becomes longer."""
        self._give_back(inode, inode.size * PAGE_SIZE // BLOCK_SIZE)

    def _give_back(self, inode: Inode, start: int) -> None:
        places = inode.private or {}
        gone = [places.pop(block) for block in sorted(places) if block >= start]
        for place in gone:
            self.disk.blocks.pop(place, None)  # whoever gets it next may read it before it was written
        self.free += sorted(gone)
