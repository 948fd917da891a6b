"""The middle of one attempt for a page of the LRU lists: steps 4 to 16 of the kernel's document (mm/migrate.c).

Both pages are locked and writeback has ended (steps 1 to 3, in migrate.py); unlocking and the LRU lists come after (19, 20).

 4  every mapping becomes a migration entry; a fault that meets one waits for the page lock
 5  the mapping's tree is locked                      9  the tree's slot leads to the new page
 6  the reference count must be what is expected     10  the old page's references are let go
 7  the slot must still hold the page                11  the tree is unlocked
 8  the new page is prepared                         12  the content is copied, 13 the flags, 14 the old ones cleared
15  writeback of the new page ends                   16  migration entries become mappings, of the new page or the old one

An anonymous page outside the swap cache has no tree: then 5, 7, 9 and 11 are nothing, and one reference is expected. What is
expected otherwise: one for the isolation, one for the tree, one for private data. Of a page on a file system, the steps from 5 on
are that file system's to do (migrate_file.py).
"""

from __future__ import annotations

from errno import EAGAIN
from typing import TYPE_CHECKING

from movable.errors import VMBug
from movable.mm.fs import FileMapping, file_of
from movable.mm.page import copy_highpage
from movable.mm.page_flags import (
    ACTIVE,
    DIRTY,
    ERROR,
    IN_SWAP_CACHE,
    PAGE_MAPPING_ANON,
    PRIVATE,
    REFERENCED,
    SWAPBACKED,
    SWAPCACHE,
    UPTODATE,
    WRITEBACK,
    PG_private,
)
from movable.mm.rmap import remove_migration_ptes, try_to_migrate
from movable.mm.swap import count_isolated, lru_cache_add

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page

COPIED = ERROR | REFERENCED | UPTODATE | ACTIVE
"""Flags that go with the page, beside dirty, which moves with the mapping."""


def unmap_and_move_lru(newpage: Page, page: Page, mode: int) -> int:
    """Move one locked page into the locked ``newpage``; 0, or -EAGAIN, and nothing has changed (__unmap_and_move)."""
    user = page.vm.userspace
    assert user is not None
    seam = page.seam
    if seam is not None:
        seam.peek(page, "refs")
    mapped = page._mapcount >= 0
    if not page._mapping and page._flags & PRIVATE:  # cut off, and its private data is in use: it will be free soon
        user.move_file_page(None, newpage, page, mode)
        return -EAGAIN
    if mapped:
        try_to_migrate(user, page)  # 4
    rc = -EAGAIN if page._mapcount >= 0 else move_to_new_page(newpage, page, mode)
    if mapped:
        remove_migration_ptes(user, page, newpage if rc == 0 else page)  # 16
    if seam is not None:
        seam.event("move_lru_page_ret", page, newpage=newpage.pfn, ret=rc, mapcount=newpage._mapcount + 1)
    if rc == 0:
        user.lru_tally["migrated"] += 1
        count_isolated(page, -1)
        lru_cache_add(user, newpage, user.cpu)
    else:
        user.lru_tally["eagain" if rc == -EAGAIN else "failed"] += 1
    return rc


def move_to_new_page(newpage: Page, page: Page, mode: int) -> int:
    """Steps 5 to 15; 0 or a negative errno, and the page is where it was (move_to_new_page)."""
    mapping = file_of(page)
    if mapping is not None and mapping.host.sb is not None:
        user = page.vm.userspace
        assert user is not None
        rc = user.move_file_page(mapping, newpage, page, mode)
    else:
        rc = migrate_page(mapping, newpage, page, mode)
    if rc == 0 and not page._mapping & PAGE_MAPPING_ANON:
        page._mapping = 0
    return rc


def migrate_page(mapping: AddressSpace | None, newpage: Page, page: Page, mode: int) -> int:
    """Move a page without private data: place, content and flags. 0 or -EAGAIN (mm/migrate.c, migrate_page).

    Raises VMBug for a page under writeback: the loop has waited for its end, and whoever writes since then owes another wait.
    """
    if page._flags & WRITEBACK:
        raise VMBug("F10", "migrate_page of a page under writeback", "a page that nobody writes", page)
    rc = migrate_page_move_mapping(mapping, newpage, page)  # 5 to 11
    if rc == 0:
        migrate_page_copy(newpage, page)
    return rc


def migrate_page_copy(newpage: Page, page: Page) -> None:
    """The content of the old page, and what is known of it, go to the new one (steps 12 to 14)."""
    if page.seam is not None:
        page.seam.event("copy_lru_page", newpage, source=page.pfn, mapcount=page._mapcount + 1)
    copy_user_page(newpage, page)
    migrate_page_states(newpage, page)


def copy_user_page(to: Page, source: Page) -> None:
    """Copy the content of a page of a process; who writes to it does so through a mapping, in steps that are the mapping's."""
    seam = to.seam
    if seam is None:
        copy_highpage(to, source)
        return
    mapping = file_of(source)
    if mapping is not None:
        seam.point("ar", ("file page", mapping.name, source._index))
    seam.event("copy_page", to, source=source.pfn)
    to.vm.copy_frame(to, source)


def migrate_page_move_mapping(mapping: AddressSpace | None, newpage: Page, page: Page, extra_count: int = 0) -> int:
    """Hand the page's place to ``newpage``, unless somebody holds a reference that is not expected: then -EAGAIN.

    Expected are one for the isolation and, for a page of a file, one for the tree and one for private data, and ``extra_count``.
    While the count is frozen at 0 nobody can take a reference. mirrors mm/migrate.c, migrate_page_move_mapping.
    """
    swapped = mapping is None and page._flags & IN_SWAP_CACHE == IN_SWAP_CACHE
    expected = extra_count + (1 + swapped if mapping is None else 2 + (page._flags >> PG_private & 1))
    assert mapping is None or isinstance(mapping, FileMapping)
    seam = page.seam
    if seam is not None:
        seam.change(page, "refs")
    held = mapping is None or mapping.i_pages.get(page._index) is page  # 7
    refused = page._refcount != expected or not held  # 6
    if seam is not None:
        seam.event("move_mapping", page, newpage=newpage.pfn, expected=expected, ret=-EAGAIN if refused else 0)
    if refused:
        return -EAGAIN
    if mapping is None:
        newpage._index, newpage._mapping = page._index, page._mapping
        newpage._flags |= page._flags & SWAPBACKED
        if swapped:
            _move_swap_cache(newpage, page)
        return 0
    if seam is not None:
        seam.point("aw", ("i_pages", mapping.name))
    if page._refcount != expected:  # as it was, unless somebody came in between
        return -EAGAIN
    if mapping.watch is not None:
        mapping.watch("move", page)
    page._refcount = 0
    newpage._index, newpage._mapping = page._index, page._mapping  # 8
    newpage._flags |= page._flags & (SWAPBACKED | DIRTY)
    newpage._refcount += 1
    page._flags &= ~DIRTY
    mapping.i_pages[page._index] = newpage  # 9
    page._refcount = expected - 1  # 10
    return 0


def _move_swap_cache(newpage: Page, page: Page) -> None:
    """The cache leads to the new page, with its reference."""
    user = page.vm.userspace
    assert user is not None
    assert user.swap is not None
    user.swap.i_pages[page._private] = newpage
    newpage._private, page._private = page._private, 0
    newpage._flags |= page._flags & (IN_SWAP_CACHE | DIRTY)
    page._flags &= ~(SWAPCACHE | DIRTY)
    newpage._refcount += 1
    page._refcount -= 1


def migrate_page_states(newpage: Page, page: Page) -> None:
    """What is known of the page goes with it: flags that say what it holds and how it is used."""
    flags = page._flags
    newpage._flags |= flags & (COPIED | DIRTY)
    page._flags = flags & ~ACTIVE


__all__ = [
    "migrate_page",
    "migrate_page_copy",
    "migrate_page_move_mapping",
    "migrate_page_states",
    "move_to_new_page",
    "unmap_and_move_lru",
]
