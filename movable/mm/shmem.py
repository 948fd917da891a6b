"""Files in memory: tmpfs, and what lies behind shared anonymous areas (mm/shmem.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.filemap import lock_page, unlock_page
from movable.mm.fs import Inode
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_ZERO
from movable.mm.mempolicy import alloc_page_mpol
from movable.mm.page import get_page, get_page_unless_zero, put_page
from movable.mm.page_flags import PG_swapbacked, PG_uptodate
from movable.mm.swap import lru_cache_add

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.process import Process
    from movable.mm.seam import Seam
    from movable.mm.userspace import Userspace

FRESH = 1 << PG_swapbacked | 1 << PG_uptodate


def shmem_file(user: Userspace, pages: int, ino: int = 0) -> Inode:
    """The hidden file behind a shared anonymous area (shmem_zero_setup)."""
    return Inode(user, "/dev/zero (deleted)", pages, ino=ino, linked=False)


def shmem_get_page(task: Process, inode: Inode, index: int) -> Page | None:
    """A page of the file with a reference for the caller, allocated by the file's policy or the task's where it is missing.

    The interleave index counts the inode's number. None when there is no memory. mirrors mm/shmem.c, shmem_get_folio.
    """
    mapping = inode.mapping
    seam = inode.user.vm.seam
    if seam is not None:
        return _get_locked(task, inode, index, seam)
    page = mapping.i_pages.get(index)
    if page is not None:
        get_page(page)
        return page
    return _add_page(task, inode, index)


def _get_locked(task: Process, inode: Inode, index: int, seam: Seam) -> Page | None:
    """The page, locked and with a reference: what is looked up may be on its way, or gone, until its lock is held."""
    pages = inode.mapping.i_pages
    while True:
        seam.point("ar", ("i_pages", inode.path))
        page = pages.get(index)
        if page is None:
            with inode.mapping.i_mmap_rwsem.write():
                if index in pages:
                    continue
                page = _add_page(task, inode, index)
        elif not get_page_unless_zero(page):
            continue
        if page is None:
            return None
        lock_page(page)
        if page._mapping == inode.mapping.addr and pages.get(index) is page:
            return page
        unlock_page(page)
        put_page(page)


def _add_page(task: Process, inode: Inode, index: int) -> Page | None:
    mapping = inode.mapping
    policy = inode.policy.lookup(index) or task.mempolicy
    page = alloc_page_mpol(task, policy, index + inode.ino, GFP_HIGHUSER_MOVABLE | GFP_ZERO)
    if page is None:
        return None
    page._mapping = mapping.addr
    page._index = index
    page._flags |= FRESH
    mapping.i_pages[index] = page
    get_page(page)
    lru_cache_add(task.user, page, task.cpu)
    return page
