"""Cutting a file off: its pages go, wherever they are in use (mm/truncate.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from movable.mm.buffer import block_invalidatepage
from movable.mm.filemap import unlock_page, wait_on_page_writeback
from movable.mm.filemap_cache import call_fs, delete_from_page_cache, find_lock_page, page_has_private
from movable.mm.fs import file_of
from movable.mm.memory import unmap_mapping_page, unmap_mapping_range
from movable.mm.page import put_page
from movable.mm.page_flags import DIRTY, WRITEBACK
from movable.mm.swapfile import PageSwapCache, swap_forget
from movable.mm.vmscan_lru import remove_mapping

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

    The size is lower already, so that nobody makes new ones. Mirrors mm/truncate.c, truncate_inode_pages.
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
    """Forget the pages of a file that are clean and that nobody uses; those that a process maps stay. How many are gone.

    Mirrors mm/truncate.c, invalidate_mapping_pages.
    """
    return _each_page(inode, invalidate_inode_page)


def invalidate_inode_pages2(inode: Inode) -> int:
    """The same where processes lose the pages that they map; one that is dirty then, or that somebody else holds, stays.

    Mirrors mm/truncate.c, invalidate_inode_pages2.
    """
    return _each_page(inode, _unmap_and_invalidate)


def _each_page(inode: Inode, drop: Callable[[Page], bool]) -> int:
    mapping = inode.mapping
    gone = 0
    for index in sorted(mapping.i_pages):
        page = find_lock_page(mapping, index)
        if page is None:
            continue
        gone += drop(page)
        unlock_page(page)
        put_page(page)
    return gone


def _unmap_and_invalidate(page: Page) -> bool:
    if page._flags & (DIRTY | WRITEBACK):
        return False
    if page._mapcount >= 0:
        unmap_mapping_page(page)
    return invalidate_inode_page(page)


def invalidate_inode_page(page: Page) -> bool:
    """Drop a locked page that is clean, that no process maps, and that only its file, its private data and the caller hold.

    Its file system can read it again. Kernels from 5.18 on drop a page of the swap cache too, whose slot is read again. mirrors
    mm/truncate.c, invalidate_inode_page; mapping_evict_folio there.
    """
    if page.seam is not None:
        page.seam.peek(page, "refs")
    if page._mapcount >= 0 or page._flags & (DIRTY | WRITEBACK):
        return False
    if file_of(page) is None and not (page.vm.era.evicts_swap_cache and PageSwapCache(page)):
        return False
    user = page.vm.userspace
    assert user is not None
    return page._refcount <= 2 + page_has_private(page) and remove_mapping(user, page)


def invalidate_page(page: Page) -> None:
    """The private data of a locked page that is cut off goes (do_invalidatepage)."""
    mapping = file_of(page)
    assert mapping is not None
    assert mapping.host.sb is not None
    if mapping.host.sb.ops.invalidatepage is None:
        block_invalidatepage(page)
    else:
        call_fs(mapping, "invalidatepage", page)
