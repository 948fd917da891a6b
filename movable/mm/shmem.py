"""Files in memory: tmpfs, and what lies behind shared anonymous areas (mm/shmem.c)."""

from __future__ import annotations

from errno import EIO, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.filemap import lock_page, unlock_page
from movable.mm.filemap_cache import remove_from_page_cache
from movable.mm.fs import FileMapping, Inode
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_ZERO
from movable.mm.mempolicy import alloc_page_mpol
from movable.mm.page import get_page, get_page_unless_zero, put_page
from movable.mm.page_flags import DIRTY, SWAPBACKED, UPTODATE
from movable.mm.swap import lru_cache_add
from movable.mm.swapfile import swap_free, swap_readpage, swap_writepage

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.process import Process
    from movable.mm.seam import Seam
    from movable.mm.userspace import Userspace

FRESH = SWAPBACKED | UPTODATE


def shmem_file(user: Userspace, pages: int, ino: int = 0) -> Inode:
    """The hidden file behind a shared anonymous area (shmem_zero_setup)."""
    return Inode(user, "/dev/zero (deleted)", pages, ino=ino, linked=False)


def shmem_get_page(task: Process, inode: Inode, index: int) -> Page | int:
    """A page of the file with a reference for the caller, allocated by the file's policy or the task's where it is missing.

    The interleave index counts the inode's number. A page that is swapped out is read back. -ENOMEM when there is no memory, -EIO
    when the swap device cannot give the page. Mirrors mm/shmem.c, shmem_get_folio.
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


def _get_locked(task: Process, inode: Inode, index: int, seam: Seam) -> Page | int:
    """The page, locked and with a reference: what is looked up may be on its way, or gone, until its lock is held."""
    pages = inode.mapping.i_pages
    while True:
        seam.point("ar", ("i_pages", inode.path))
        page = pages.get(index)
        if page is None:
            with inode.mapping.i_mmap_rwsem.write():
                if index in pages:
                    continue
                added = _add_page(task, inode, index)
            if isinstance(added, int):
                return added
            page = added
        elif not get_page_unless_zero(page):
            continue
        lock_page(page)
        if page._mapping == inode.mapping.addr and pages.get(index) is page:
            return page
        unlock_page(page)
        put_page(page)


def _add_page(task: Process, inode: Inode, index: int) -> Page | int:
    mapping = inode.mapping
    policy = inode.policy.lookup(index) or task.mempolicy
    page = alloc_page_mpol(task, policy, index + inode.ino, GFP_HIGHUSER_MOVABLE | GFP_ZERO)
    if page is None:
        return -ENOMEM
    if index in mapping.swapped and not _swap_in(mapping, page, index):
        put_page(page)
        return -EIO
    page._mapping = mapping.addr
    page._index = index
    page._flags |= FRESH
    mapping.i_pages[index] = page
    get_page(page)
    lru_cache_add(task.user, page, task.cpu)
    return page


def _swap_in(mapping: FileMapping, page: Page, index: int) -> bool:
    """Fill a fresh page from its slot, which is free then: nothing else holds what the page holds (shmem_swapin_folio)."""
    space = mapping.host.user.swap
    assert space is not None
    if not swap_readpage(space, page, mapping.swapped[index]):
        return False
    swap_free(space, mapping.swapped.pop(index))
    page._flags |= DIRTY
    return True


def shmem_writepage(mapping: FileMapping, page: Page) -> bool:
    """A locked and isolated page that nobody maps goes to a slot of the swap device, and out of its file (shmem_writepage).

    False where there is no slot, where the device cannot take it, or where somebody holds the page: then it stays.
    """
    space, seam = mapping.host.user.swap, page.seam
    if space is None or not space.free:
        return False
    slot = space.free.pop()
    space.swap_map[slot] = 1
    written = swap_writepage(space, page, slot)
    if seam is not None:
        seam.remove_mapping(page, ("i_pages", mapping.host.path))
    if not written or page._refcount != 2 or mapping.i_pages.get(page._index) is not page:
        page._flags |= DIRTY
        swap_free(space, slot)
        return False
    mapping.swapped[page._index] = slot
    remove_from_page_cache(mapping, page)
    page._refcount = 1  # one step: nobody can look it up and take another
    return True
