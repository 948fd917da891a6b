"""Reclaim of pages of processes and files from the LRU lists (mm/vmscan.c, from shrink_node down).

A page that was used since the last look gets a second chance; others are written out where they are dirty, to the swap device or by
their file system, and their frame is free. Pages of files in memory go to the swap device too; locked ones stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.buffer import try_to_release_page
from movable.mm.filemap import lock_page, trylock_page, unlock_page, wait_on_page_writeback
from movable.mm.filemap_cache import call_fs, page_has_private, remove_from_page_cache
from movable.mm.fs import file_of
from movable.mm.list import list_del
from movable.mm.page import Page, put_page
from movable.mm.page_flags import ACTIVE, DIRTY, REFERENCED, SWAPBACKED, UNEVICTABLE, WRITEBACK, PageMovableHint
from movable.mm.page_writeback import clear_page_dirty_for_io
from movable.mm.rmap import PageAnon, page_referenced, try_to_unmap
from movable.mm.shmem import shmem_writepage
from movable.mm.swap import (
    LRU_ACTIVE_ANON,
    LRU_ACTIVE_FILE,
    LRU_INACTIVE_ANON,
    LRU_INACTIVE_FILE,
    add_page_to_lru_list,
    del_page_from_lru_list,
    lruvec,
)
from movable.mm.swapfile import PageSwapCache, add_to_swap, delete_from_swap_cache, remove_from_swap_cache, swap_writepage
from movable.mm.vmscan import SWAP_CLUSTER_MAX
from movable.mm.vmscan_isolate import count_isolated, end_lru_isolation, isolate_lru_page, release_isolated_lru_page

if TYPE_CHECKING:
    from movable.mm.list import ListHead
    from movable.mm.mmzone import Node
    from movable.mm.userspace import Userspace


def shrink_node(user: Userspace, node: Node, priority: int) -> int:
    """Reclaim from the lists of a node, a part of them that doubles with each lower priority; how many pages came free."""
    user.lru_add_drain_all()
    freed = 0
    lists = [(LRU_INACTIVE_FILE, LRU_ACTIVE_FILE)]
    if user.swap is not None and user.swap.free:
        lists.append((LRU_INACTIVE_ANON, LRU_ACTIVE_ANON))
    vec = lruvec(node)
    for inactive, active in lists:
        if vec.size[active] >= vec.size[inactive]:
            shrink_active_list(user, node, active, max(1, vec.size[active] >> priority))
        todo = vec.size[inactive] >> priority
        while todo > 0:
            freed += shrink_inactive_list(user, node, inactive, min(todo, SWAP_CLUSTER_MAX))
            todo -= SWAP_CLUSTER_MAX
    return freed


def too_many_isolated(node: Node, which: int) -> bool:
    """Whether more pages are isolated than are on the inactive list: whoever reclaims now would find none (too_many_isolated)."""
    vec = lruvec(node)
    return vec.nr_isolated[which >= LRU_INACTIVE_FILE] > vec.size[which]


def _tail(node: Node, which: int, count: int) -> list[Page]:
    """The pages that came to a list first."""
    head = lruvec(node).lists[which]
    pages: list[Page] = []
    entry = head._prev
    while entry is not head and len(pages) < count:
        assert entry.owner is not None
        pages.append(entry.owner)
        entry = entry._prev
    return pages


def shrink_active_list(user: Userspace, node: Node, which: int, count: int) -> None:
    """Move pages from the end of an active list to the inactive one, where the next look decides (shrink_active_list)."""
    for page in _tail(node, which, min(count, SWAP_CLUSTER_MAX)):
        page_referenced(user, page)
        del_page_from_lru_list(page)
        page._flags &= ~ACTIVE
        add_page_to_lru_list(page)
        user.vm.vmstat["pgdeactivate"] += 1


def shrink_inactive_list(user: Userspace, node: Node, which: int, count: int) -> int:
    """Isolate pages from the end of an inactive list, free those that can go, and put the others back; how many are free."""
    if too_many_isolated(node, which):
        return 0
    freed = 0
    for page in _tail(node, which, count):
        if isolate_lru_page(page):
            continue
        count_isolated(page, 1)
        user.vm.vmstat["pgscan_direct"] += 1
        if shrink_page(user, page):
            freed += 1
            user.vm.vmstat["pgsteal_direct"] += 1
        else:
            end_lru_isolation(page, moving=False)
    user.lru_add_drain_all()
    return freed


def shrink_page(user: Userspace, page: Page) -> bool:
    """Free one isolated page, if it can go; else it is as before, or active (shrink_page_list)."""
    if not trylock_page(page):
        return False
    mapping = file_of(page)
    if mapping is not None and page._flags & SWAPBACKED:
        gone = _may_go(user, page) and shmem_writepage(mapping, page)
    else:
        gone = _may_go(user, page) and _write_out(user, page) and remove_mapping(user, page)
    if not gone and user.swap is not None and PageSwapCache(page) and not user.swap.swap_map[page._private]:
        delete_from_swap_cache(user.swap, page)  # no entry holds the slot: it was in vain
    unlock_page(page)
    if gone:
        release_isolated_lru_page(page, moving=False)
        put_page(page)
    return gone


def _may_go(user: Userspace, page: Page) -> bool:
    """Whether nobody has used the page lately, and no process maps it any more (page_check_references, try_to_unmap)."""
    if page._flags & UNEVICTABLE:
        return False
    if page._flags & WRITEBACK:
        wait_on_page_writeback(page)
    used = page_referenced(user, page)
    before, page._flags = page._flags & REFERENCED, page._flags & ~REFERENCED
    if used:
        page._flags |= REFERENCED
        if before or used > 1 or page._flags & SWAPBACKED:
            page._flags |= ACTIVE
        return False
    if PageAnon(page):
        swap = user.swap
        if not PageSwapCache(page) and (swap is None or not add_to_swap(swap, page)):
            return False
    elif file_of(page) is None or (page._flags & SWAPBACKED and (user.swap is None or not user.swap.free)):
        return False  # nobody's any more, or of a file in memory without a place to go
    if page._mapcount >= 0:
        try_to_unmap(user, page)
    return page._mapcount < 0


def _write_out(user: Userspace, page: Page) -> bool:
    """A dirty page goes to its device; True when it is clean, and locked again (pageout)."""
    if not page._flags & DIRTY:
        return True
    if PageAnon(page):
        if user.swap is not None and swap_writepage(user.swap, page, page._private):
            return True
        page._flags |= ACTIVE
        return False
    mapping = file_of(page)
    if mapping is None or mapping.host.sb is None or mapping.host.sb.ops.writepage is None:
        return False
    clear_page_dirty_for_io(page)
    call_fs(mapping, "writepage", page)
    lock_page(page)
    if page._flags & WRITEBACK:
        wait_on_page_writeback(page)
    return page._mapping == mapping.addr and not page._flags & DIRTY and page._mapcount < 0


def remove_mapping(user: Userspace, page: Page) -> bool:
    """Take a clean page that nobody holds out of its file, or out of the swap cache (__remove_mapping)."""
    if page_has_private(page) and not PageAnon(page) and not try_to_release_page(page):
        return False
    mapping, seam = file_of(page), page.seam
    if seam is not None:
        seam.remove_mapping(page, ("i_pages", mapping.name) if mapping is not None else ("swap", page._private))
    if page._refcount != 2 or page._flags & DIRTY:
        return False
    if mapping is not None:
        remove_from_page_cache(mapping, page)
    elif user.swap is not None:
        remove_from_swap_cache(user.swap, page)
    page._refcount = 1  # one step: nobody can look it up and take another
    return True


def reclaim_clean_pages_from_list(user: Userspace, pages: ListHead) -> None:
    """Of isolated pages that are to move, free those that can be read again: clean ones of files (reclaim_clean_pages_from_list).

    Whether they were used lately does not matter, and processes lose them; one that stays counts as used no more.
    """
    for page in pages:
        if page._flags & (DIRTY | SWAPBACKED | UNEVICTABLE) or PageMovableHint(page):
            continue
        page._flags &= ~ACTIVE
        if _drop_clean(user, page):
            list_del(page._lru)
            release_isolated_lru_page(page)
            put_page(page)


def _drop_clean(user: Userspace, page: Page) -> bool:
    if not trylock_page(page):
        return False
    ours = file_of(page) is not None and not page._flags & WRITEBACK
    if ours and page._mapcount >= 0:
        try_to_unmap(user, page)
    gone = ours and page._mapcount < 0 and not page._flags & DIRTY and remove_mapping(user, page)
    unlock_page(page)
    return gone
