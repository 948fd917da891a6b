"""Cutting a file off: its pages go, wherever they are in use (mm/truncate.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.buffer import block_invalidatepage, try_to_free_buffers
from movable.mm.filemap import unlock_page, wait_on_page_writeback
from movable.mm.filemap_cache import call_fs, delete_from_page_cache, find_lock_page, page_has_private
from movable.mm.fs import file_of
from movable.mm.memory import unmap_mapping_page, unmap_mapping_range
from movable.mm.page import put_page
from movable.mm.page_flags import DIRTY, WRITEBACK
from movable.mm.swapfile import swap_forget

if TYPE_CHECKING:
    from movable.mm.fs import Inode
    from movable.mm.page import Page


def truncate(inode: Inode, pages: int) -> None:
    """Make a file ``pages`` pages long (ftruncate); its file system gives back what lay beyond a lower end."""
    with inode.mapping.i_rwsem.write():
        seam = inode.user.vm.seam
        if seam is not None:
            seam.point("aw", ("i_pages", inode.path))
        shorter, inode.size = pages < inode.size, pages
        if shorter:
            truncate_inode_pages(inode, pages)
            if inode.sb is not None and inode.sb.ops.truncate is not None:
                call_fs(inode.mapping, "truncate", inode)


def truncate_inode_pages(inode: Inode, start: int) -> None:
    """Take every page of a file from ``start`` on out of processes and out of the file; waits for page locks and writeback.

    The size is lower already, so that nobody makes new ones. mirrors mm/truncate.c, truncate_inode_pages.
    """
    mapping = inode.mapping
    unmap_mapping_range(inode, start)
    swap_forget(mapping, start)
    for index in sorted(index for index in mapping.i_pages if index >= start):
        page = find_lock_page(mapping, index)
        if page is None:
            continue
        if page._flags & WRITEBACK:
            wait_on_page_writeback(page)
        if page._mapcount >= 0:
            unmap_mapping_page(page)
        if page_has_private(page):
            invalidate_page(page)
        delete_from_page_cache(page)
        unlock_page(page)
        put_page(page)


def invalidate_mapping_pages(inode: Inode) -> int:
    """Forget the pages of a file that are clean and that nobody uses; how many (invalidate_mapping_pages)."""
    mapping = inode.mapping
    gone = 0
    for index in sorted(mapping.i_pages):
        page = find_lock_page(mapping, index)
        if page is None:
            continue
        gone += invalidate_inode_page(page)
        unlock_page(page)
        put_page(page)
    return gone


def invalidate_inode_page(page: Page) -> bool:
    """Take a locked page out of its file if it is clean, unmapped and held by nobody but the caller and the lists."""
    if page._flags & (DIRTY | WRITEBACK):
        return False
    if page._mapcount >= 0:
        unmap_mapping_page(page)
    if page._flags & DIRTY or (page_has_private(page) and not try_to_release_page(page)):
        return False
    if page._refcount > 2 + page_has_private(page):
        return False
    delete_from_page_cache(page)
    return True


def invalidate_page(page: Page) -> None:
    """The private data of a locked page that is cut off goes (do_invalidatepage)."""
    mapping = file_of(page)
    assert mapping is not None
    assert mapping.host.sb is not None
    if mapping.host.sb.ops.invalidatepage is None:
        block_invalidatepage(page)
    else:
        call_fs(mapping, "invalidatepage", page)


def try_to_release_page(page: Page) -> bool:
    """Ask the file system to give up the private data of a locked page; whether that was done (filemap_release_folio)."""
    mapping = file_of(page)
    if page._flags & WRITEBACK:
        return False
    if mapping is not None and mapping.host.sb is not None and mapping.host.sb.ops.releasepage is not None:
        return bool(call_fs(mapping, "releasepage", page))
    return try_to_free_buffers(page)
