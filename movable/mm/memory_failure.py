"""Soft offline: a frame whose hardware has begun to err is emptied and never used again (mm/memory-failure.c)."""

from __future__ import annotations

from errno import EBUSY, EIO, EOPNOTSUPP
from typing import TYPE_CHECKING

from movable.mm.buddy import take_part
from movable.mm.filemap import lock_page, unlock_page, wait_on_page_writeback
from movable.mm.list import ListHead, list_add
from movable.mm.migrate import (
    ISOLATE_UNEVICTABLE,
    MIGRATE_SYNC,
    MR_MEMORY_FAILURE,
    isolate_movable_page,
    migrate_pages,
    putback_movable_pages,
)
from movable.mm.page import get_page_unless_zero, put_page
from movable.mm.page_flags import HWPOISON, LRU, PageMovableHint, PG_hwpoison
from movable.mm.page_isolation import alloc_migrate_target, covering_free_block, zone_lock_point
from movable.mm.truncate import invalidate_inode_page
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.vm import VM

POISONED = "hardware poison"
"""The reason in ``vm.bad_pages`` of a frame that was soft-offlined."""


def soft_offline_page(vm: VM, pfn: int) -> int:
    """Move what is in the frame elsewhere and retire the frame; a free one is retired at once.

    A clean page of a file that no process maps is dropped, since its file system can read it again; in kernels from 5.18 on one of
    the swap cache too.

    Returns 0; -EBUSY when its owner does not let go; -EIO when it is nothing that can move; -ENOMEM when there is no room. When it
    did not move: -EIO in 4.19, -EBUSY later. When it is retired already: -EBUSY in 4.19, 0 later. Raises UsageError for a frame
    outside the machine. Mirrors mm/memory-failure.c, soft_offline_page.
    """
    if not vm.enable_soft_offline:
        return -EOPNOTSUPP
    page = vm.page(pfn)
    if page._flags >> PG_hwpoison & 1:
        return vm.era.soft_offline_again
    if not get_page_unless_zero(page):
        return 0 if set_hwpoison_free_buddy_page(page) else -EIO
    if page.vm.userspace is not None and not page._flags & LRU:
        page.vm.userspace.lru_add_drain_all()
    if not PageMovableHint(page) and not page._flags & LRU:
        put_page(page)
        return -EIO
    return _soft_offline_in_use(page)


def _soft_offline_in_use(page: Page) -> int:
    """The caller's reference is dropped once the page is isolated, or will not be; a page that can be read again needs no move."""
    lock_page(page)
    wait_on_page_writeback(page)
    dropped = page.vm.userspace is not None and invalidate_inode_page(page)
    unlock_page(page)
    if dropped:
        _retire(page, held=True)
        return 0
    if page._flags & LRU:
        ret = isolate_lru_page(page)
        count_isolated(page, int(not ret))
    else:
        ret = isolate_movable_page(page, ISOLATE_UNEVICTABLE)
    put_page(page)
    if ret:
        return ret
    failure = EBUSY if page.vm.era.soft_offline_busy else EIO
    pages = ListHead(f"page to retire by {page.vm.current.name}")
    list_add(page._lru, pages)
    ret = migrate_pages(pages, alloc_migrate_target, None, None, MIGRATE_SYNC, MR_MEMORY_FAILURE)
    if ret:
        putback_movable_pages(pages)
        return -failure if ret > 0 else ret
    _retire(page, held=page.vm.era.keeps_poisoned_source)
    return 0


def _retire(page: Page, held: bool) -> None:
    """Retire a frame whose content is elsewhere; ``held`` says that the last reference is ours, and else it is free already."""
    if page.vm.era.keeps_poisoned_source:
        _keep_poisoned(page)
        return
    if held:
        put_page(page)
    set_hwpoison_free_buddy_page(page)


def _keep_poisoned(page: Page) -> None:
    """Retire the source of a migration, which left its last reference to us (mm/memory-failure.c, page_handle_poison).

    The flag comes first, so that the allocator does not take the page; then the reference of who retires it is there for good.
    """
    page._flags |= HWPOISON
    put_page(page)
    page._refcount += 1


def set_hwpoison_free_buddy_page(page: Page) -> bool:
    """Poison a frame that is free, and take it from the allocator; False when it is not free.

    A 4.19 kernel leaves it on the free list and refuses it when it comes up for allocation. Here it goes at once, and is
    counted with the frames lost as bad pages.
    """
    zone_lock_point(page.vm)
    head = covering_free_block(page.zone, page.pfn)
    if head < 0:
        return False
    take_part(page.zone, head, page.pfn, 0)
    page._flags |= HWPOISON
    page.vm.bad_pages.append((page.pfn, POISONED))
    return True


def keep_poisoned_pages_out(vm: VM, start: int, end: int) -> None:
    """A range came back online: its poisoned frames are lost again."""
    for pfn in range(start, end):
        page = vm.pages.get(pfn)
        if page is not None and page._flags >> PG_hwpoison & 1:
            set_hwpoison_free_buddy_page(page)


__all__ = ["POISONED", "set_hwpoison_free_buddy_page", "soft_offline_page"]
