"""What a file system is written against: pages of files, buffers, a simulated disk (include/linux/fs.h, buffer_head.h, migrate.h).

A file system is a class: ``__init__(self, vm)``, ``readpage(inode, page)``, and what it needs of ``writepage``, ``write_begin``,
``migratepage``, ``releasepage``, ``invalidatepage`` and ``evict_inode``; see ``movable.mm.fs.FileOperations``.
"""

from __future__ import annotations

from movable.mm.blockdev import Disk
from movable.mm.buffer import (
    BufferHead,
    block_invalidatepage,
    block_read_full_page,
    block_write_full_page,
    brelse,
    create_empty_buffers,
    find_get_block,
    get_bh,
    lock_buffer,
    page_buffers,
    page_has_buffers,
    reserve_blocks,
    try_to_free_buffers,
    trylock_buffer,
    unlock_buffer,
)
from movable.mm.filemap import end_page_writeback, wait_on_page_writeback
from movable.mm.filemap_cache import (
    SetPageUptodate,
    attach_page_private,
    detach_page_private,
    page_has_private,
    page_inode,
)
from movable.mm.fs import FileMapping, FileOperations, Inode, SuperBlock, mount
from movable.mm.migrate_file import buffer_migrate_page, buffer_migrate_page_norefs
from movable.mm.migrate_lru import migrate_page, migrate_page_copy, migrate_page_move_mapping, migrate_page_states
from movable.mm.page_writeback import clear_page_dirty_for_io, set_page_dirty, set_page_writeback

__all__ = [
    "BufferHead",
    "Disk",
    "FileMapping",
    "FileOperations",
    "Inode",
    "SetPageUptodate",
    "SuperBlock",
    "attach_page_private",
    "block_invalidatepage",
    "block_read_full_page",
    "block_write_full_page",
    "brelse",
    "buffer_migrate_page",
    "buffer_migrate_page_norefs",
    "clear_page_dirty_for_io",
    "create_empty_buffers",
    "detach_page_private",
    "end_page_writeback",
    "find_get_block",
    "get_bh",
    "lock_buffer",
    "migrate_page",
    "migrate_page_copy",
    "migrate_page_move_mapping",
    "migrate_page_states",
    "mount",
    "page_buffers",
    "page_has_buffers",
    "page_has_private",
    "page_inode",
    "reserve_blocks",
    "set_page_dirty",
    "set_page_writeback",
    "try_to_free_buffers",
    "trylock_buffer",
    "unlock_buffer",
    "wait_on_page_writeback",
]
