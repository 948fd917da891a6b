"""The middle of one attempt for a page of the LRU lists: steps 4 to 16 of the kernel's document (mm/migrate.c).

`movable.mm.migrate.STEPS` has all the steps by number, and the order that each era has them in. Both pages are locked and writeback
has ended (1 to 3, in migrate.py); unlocking comes after (19). Each step says so when it begins, if anybody watches.

An anonymous page outside the swap cache has no tree: then 5, 7 and 9 to 11 are nothing, and one reference is expected. What is
expected otherwise: one for the isolation, one for the tree, one for private data. Of a page on a file system, the steps from 5 on
are that file system's to do (migrate_file.py).
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN
from typing import TYPE_CHECKING

from movable.errors import VMBug
from movable.mm.filemap import end_page_writeback
from movable.mm.fs import FileMapping, file_of
from movable.mm.highmem import copy_highpage
from movable.mm.page_flags import (
    ACTIVE,
    DIRTY,
    ERROR,
    IN_SWAP_CACHE,
    MLOCKED,
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
from movable.mm.swap import add_moved_page, lru_add_drain_cpu
from movable.mm.vmscan_isolate import count_isolated

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
    locked = page._flags & MLOCKED
    if mapped:
        if seam is not None:
            seam.migration_step(4, page, newpage)
        try_to_migrate(user, page)
    rc = -EAGAIN if page._mapcount >= 0 else move_to_new_page(newpage, page, mode)
    if rc == 0 and page.vm.era.lru_add_first:
        add_moved_page(newpage, page)  # 20
        if locked:  # each mapping that comes back then counts it as locked, on its list
            lru_add_drain_cpu(user, user.cpu)
    if mapped:
        if seam is not None:
            seam.migration_step(16, page, newpage)
        remove_migration_ptes(user, page, newpage if rc == 0 else page)
    if seam is not None:
        seam.event("move_lru_page_ret", page, newpage=newpage.pfn, ret=rc, mapcount=newpage._mapcount + 1)
    if rc == 0:
        user.lru_tally["migrated"] += 1
        count_isolated(page, -1)
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
    return move_page(mapping, newpage, page)


def move_page(
    mapping: AddressSpace | None, newpage: Page, page: Page, take_along: Callable[[Page, Page], None] | None = None
) -> int:
    """Place, content and flags go over in the order of the era; ``take_along(newpage, page)`` then moves private data.

    Kernels from 6.12 on copy first: nobody who holds a reference may be there then, which is asked before and again with the place.
    """
    copies_first = page.vm.era.copies_first
    if copies_first:
        if page.seam is not None:
            page.seam.migration_step(6, page, newpage, "refs")
        if page._refcount != expected_references(mapping, page):
            return -EAGAIN
        copy_content(newpage, page)
    rc = migrate_page_move_mapping(mapping, newpage, page)
    if rc:
        return rc
    if take_along is not None:
        take_along(newpage, page)
    if not copies_first:
        copy_content(newpage, page)
    migrate_page_states(newpage, page)
    return 0


def migrate_page_copy(newpage: Page, page: Page) -> None:
    """The content of the old page, and what is known of it, go to the new one (steps 12 to 15)."""
    copy_content(newpage, page)
    migrate_page_states(newpage, page)


def copy_content(newpage: Page, page: Page) -> None:
    """The content of the old page goes to the new one (step 12)."""
    if page.seam is not None:
        page.seam.copy_lru_page(newpage, page)
    copy_user_page(newpage, page)


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


def expected_references(mapping: AddressSpace | None, page: Page) -> int:
    """How many references an unmapped page has that may move: the isolation's, its tree's, and one for private data."""
    if mapping is None:
        return 2 if page._flags & IN_SWAP_CACHE == IN_SWAP_CACHE else 1
    return 2 + (page._flags >> PG_private & 1)


def migrate_page_move_mapping(mapping: AddressSpace | None, newpage: Page, page: Page, extra_count: int = 0) -> int:
    """Hand the page's place to ``newpage``, unless somebody holds a reference that is not expected: then -EAGAIN (steps 5 to 11).

    Expected are `expected_references` and ``extra_count``. While the count is frozen at 0 nobody can take a reference. mirrors
    mm/migrate.c, migrate_page_move_mapping.
    """
    tree, index = tree_of(mapping, page)
    expected = extra_count + expected_references(mapping, page)
    if not may_move_mapping(tree, index, newpage, page, expected):
        return -EAGAIN
    seam = page.seam
    if mapping is not None:
        assert isinstance(mapping, FileMapping)
        if seam is not None:
            seam.point("aw", ("i_pages", mapping.name))
        if page._refcount != expected:  # as it was, unless somebody came in between
            return -EAGAIN
        if mapping.watch is not None:
            mapping.watch("move", page)
    if tree is not None:
        page._refcount = 0
    if seam is not None:
        seam.migration_step(8, page, newpage)
    newpage._index, newpage._mapping = page._index, page._mapping
    newpage._flags |= page._flags & SWAPBACKED
    if tree is not None:
        if mapping is None:
            newpage._flags |= IN_SWAP_CACHE
            newpage._private, page._private = page._private, 0
        newpage._flags |= page._flags & DIRTY
        page._flags &= ~DIRTY
        replace_in_tree(tree, index, newpage, page, expected)
    return 0


def tree_of(mapping: AddressSpace | None, page: Page) -> tuple[dict[int, Page] | None, int]:
    """The tree that a page is in, that of its file or the swap cache, and its slot there; None where it is in no tree."""
    if mapping is not None:
        assert isinstance(mapping, FileMapping)
        return mapping.i_pages, page._index
    if page._flags & IN_SWAP_CACHE != IN_SWAP_CACHE:
        return None, 0
    user = page.vm.userspace
    assert user is not None
    assert user.swap is not None
    return user.swap.i_pages, page._private


def may_move_mapping(tree: dict[int, Page] | None, index: int, newpage: Page, page: Page, expected: int) -> bool:
    """Whether nobody holds a reference that is not expected, and the slot still holds the page (steps 5 to 7)."""
    seam = page.seam
    if seam is None:
        return page._refcount == expected and (tree is None or tree.get(index) is page)
    seam.change(page, "refs")
    if tree is not None:
        seam.migration_step(5, page, newpage)
    seam.migration_step(6, page, newpage)
    may = page._refcount == expected
    if may and tree is not None:
        seam.migration_step(7, page, newpage)
        may = tree.get(index) is page
    seam.event("move_mapping", page, newpage=newpage.pfn, expected=expected, ret=0 if may else -EAGAIN)
    return may


def replace_in_tree(tree: dict[int, Page], index: int, newpage: Page, page: Page, expected: int) -> None:
    """The slot leads to the new page, which has the tree's reference from now on (steps 9 to 11)."""
    seam = page.seam
    if seam is not None:
        seam.migration_step(9, page, newpage)
    tree[index] = newpage
    if seam is not None:
        seam.migration_step(10, page, newpage)
    newpage._refcount += 1
    page._refcount = expected - 1
    if seam is not None:
        seam.migration_step(11, page, newpage)


def migrate_page_states(newpage: Page, page: Page) -> None:
    """What is known of the page goes with it: flags that say what it holds and how it is used (steps 13 to 15)."""
    seam = page.seam
    if seam is not None:
        seam.migration_step(13, page, newpage)
    newpage._flags |= page._flags & (COPIED | DIRTY)
    if seam is not None:
        seam.migration_step(14, page, newpage)
    page._flags &= ~(ACTIVE | SWAPCACHE)
    if seam is not None:
        seam.migration_step(15, page, newpage)
    if newpage._flags & WRITEBACK:
        end_page_writeback(newpage)


__all__ = [
    "migrate_page",
    "migrate_page_copy",
    "migrate_page_move_mapping",
    "migrate_page_states",
    "move_page",
    "move_to_new_page",
    "unmap_and_move_lru",
]
