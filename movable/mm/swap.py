"""The LRU lists of each node, and the per-CPU batches in front of them (mm/swap.c, include/linux/mm_inline.h).

A page that becomes reclaimable waits in a batch of its CPU, which holds a reference, until the batch is full or drained; only
then does it get PG_lru and a place on a list. So a page in a batch cannot be isolated (vmscan_isolate.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.list import ListHead, list_add, list_del
from movable.mm.page import FROZEN, get_page, put_page
from movable.mm.page_flags import ACTIVE, LRU, MLOCKED, REFERENCED, SWAPBACKED, UNEVICTABLE

if TYPE_CHECKING:
    from movable.mm.mmzone import Node
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace
    from movable.mm.vm import VM

LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE, LRU_UNEVICTABLE = range(5)
LRU_NAMES = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
PAGEVEC_SIZE = 15
"""How many pages a batch holds before it is drained."""


class LruVec:
    """The lists of one node: ``lists`` by LRU_*, ``size`` how many pages are on each, ``nr_isolated`` anonymous and file pages
    that somebody has taken off them, ``lock`` guards the lists (struct lruvec, NR_ISOLATED_ANON, NR_ISOLATED_FILE)."""

    __slots__ = ("lists", "lock", "nr_isolated", "size")

    def __init__(self, vm: VM, nid: int) -> None:
        self.lock = vm.spinlock(f"lru_lock of node {nid}")
        self.lists = tuple(ListHead(f"{name} of node {nid}") for name in LRU_NAMES)
        self.size = [0] * len(LRU_NAMES)
        self.nr_isolated = [0, 0]


def lruvec(node: Node) -> LruVec:
    """The lists of a node, made on first use."""
    vec = node.lruvec
    if vec is None:
        vec = node.lruvec = LruVec(node.vm, node.nid)
    return vec


def page_is_file_lru(page: Page) -> int:
    """1 for a page of the file lists, 0 for an anonymous or tmpfs page: an index of ``nr_isolated``."""
    return 0 if page._flags & SWAPBACKED else 1


def page_lru(page: Page) -> int:
    """The number of the list that the page belongs on (folio_lru_list)."""
    flags = page._flags
    if flags & UNEVICTABLE:
        return LRU_UNEVICTABLE
    return (0 if flags & SWAPBACKED else 2) + (1 if flags & ACTIVE else 0)


def add_page_to_lru_list(page: Page) -> None:
    """Put the page at the head of its list and set PG_lru; takes no reference."""
    vec = lruvec(page.zone.node)
    which = page_lru(page)
    if page.seam is not None:
        with vec.lock:
            page.seam.change(page, "flags")
            which = page_lru(page)
            list_add(page._lru, vec.lists[which])
            page._flags |= LRU
    else:
        page._flags |= LRU
        list_add(page._lru, vec.lists[which])
    vec.size[which] += 1


def del_page_from_lru_list(page: Page) -> None:
    """Take the page off its list and clear PG_lru; drops no reference."""
    vec = lruvec(page.zone.node)
    vec.size[page_lru(page)] -= 1
    page._flags &= ~LRU
    if page.seam is not None:
        with vec.lock:
            list_del(page._lru)
    else:
        list_del(page._lru)


# --- batches ---


def lru_cache_add(user: Userspace, page: Page, cpu: int) -> None:
    """Send a page to the LRU lists through the batch of ``cpu``, which takes a reference (folio_add_lru)."""
    get_page(page)
    if page.seam is not None:
        page.seam.lru_cache_add(cpu)
    batch = user.lru_add[cpu]
    batch.append(page)
    if len(batch) >= PAGEVEC_SIZE or user.lru_disabled:
        lru_add_drain_cpu(user, cpu)


def add_moved_page(newpage: Page, page: Page) -> None:
    """The new page of a move goes to the LRU lists (step 20): behind its lock until 5.19, before its mappings come back since."""
    user = newpage.vm.userspace
    assert user is not None
    if newpage.seam is not None:
        newpage.seam.migration_step(20, page, newpage)
    lru_cache_add(user, newpage, user.cpu)


def lru_add_drain_cpu(user: Userspace, cpu: int) -> None:
    """Empty the batch of one CPU onto the lists (lru_add_drain_cpu)."""
    if user.vm.seam is not None:
        user.vm.seam.point("aw", ("lru_add", cpu))
    batch = user.lru_add[cpu]
    if not batch:
        return
    user.lru_add[cpu] = []
    watched = user.vm.seam is not None
    for page in batch:
        if watched or page._refcount < 2 or page._state & FROZEN:
            add_page_to_lru_list(page)
            put_page(page)
            continue
        # Nobody watches, and the page stays: the same, unrolled.
        flags = page._flags
        vec = page.zone.node.lruvec or lruvec(page.zone.node)
        which = LRU_UNEVICTABLE if flags & UNEVICTABLE else (0 if flags & SWAPBACKED else 2) + (1 if flags & ACTIVE else 0)
        page._flags = flags | LRU
        list_add(page._lru, vec.lists[which])
        vec.size[which] += 1
        page._refcount -= 1


def lru_add_drain_all(user: Userspace) -> None:
    """Empty the batches of all CPUs, so that every page is where it can be isolated (lru_add_drain_all)."""
    for cpu in range(len(user.lru_add)):
        lru_add_drain_cpu(user, cpu)


def lru_cache_disable(user: Userspace) -> None:
    """No batches until ``lru_cache_enable``: pages go straight to the lists; nests."""
    if user.vm.seam is not None:
        user.vm.seam.point("aw", ("lru_disable",))
    user.lru_disabled += 1
    lru_add_drain_all(user)


def lru_cache_enable(user: Userspace) -> None:
    """Batches again."""
    if user.vm.seam is not None:
        user.vm.seam.point("aw", ("lru_disable",))
    user.lru_disabled -= 1


def release_lru_page(page: Page) -> None:
    """The last reference is gone: off the list, with the flags that belong to it (mm/swap.c, __page_cache_release)."""
    flags = page._flags
    if flags & LRU:
        vec = page.zone.node.lruvec
        if vec is None or page._lru._list not in vec.lists:
            return  # a bad page, as the allocator will say
        if page.seam is not None:
            del_page_from_lru_list(page)
        else:
            vec.size[page_lru(page)] -= 1
            page._flags = flags & ~LRU
            list_del(page._lru)
    page._flags &= ~(ACTIVE | UNEVICTABLE | MLOCKED)


# --- age, and the list that goes with it ---


def mark_page_accessed(page: Page) -> None:
    """A use of the page: the first marks it referenced, the second makes it active (folio_mark_accessed). One that is on no list
    becomes active only in the batch of this CPU (__lru_cache_activate_folio).

    Where the lists have generations it counts for reclaim only, and PG_active does not show (lru_gen_inc_refs).
    """
    flags = page._flags
    if not flags & REFERENCED:
        page._flags = flags | REFERENCED
    elif not flags & (UNEVICTABLE | ACTIVE) and page.vm.era.second_use_activates:
        user = page.vm.userspace
        if flags & LRU:
            del_page_from_lru_list(page)
            page._flags = (page._flags | ACTIVE) & ~REFERENCED
            add_page_to_lru_list(page)
        elif user is not None and page in user.lru_add[user.cpu]:
            page._flags = (flags | ACTIVE) & ~REFERENCED
        else:  # whoever has it on the way to a list or off one is not disturbed
            page._flags = flags & ~REFERENCED


def set_lru_flags(page: Page, flags: int) -> None:
    """Change the flags that say which list the page is on, and its list with them."""
    if not page._flags & LRU:
        page._flags = flags
        return
    del_page_from_lru_list(page)
    page._flags = flags & ~LRU
    add_page_to_lru_list(page)
