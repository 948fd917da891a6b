"""Reverse mapping: from a page to the page table entries that map it (mm/rmap.c).

An anonymous page names an anon_vma in its mapping word, a file page an address space; either leads to the areas where the page
may be mapped, and the page's index says where in the area. Each mapping holds a reference and counts in the map count.
Lock order: page lock, then the areas' lock, then page table entries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING

from movable.mm.mlock import mlock_page, munlock_page
from movable.mm.mm_types import VM_ACCESS_FLAGS, VM_LOCKED, VM_SHARED, VM_WRITE, VMA
from movable.mm.page import put_page
from movable.mm.page_flags import (
    DIRTY,
    PAGE_MAPPING_ANON,
    PAGE_MAPPING_FLAGS,
    SWAPBACKED,
    PG_mappedtodisk,
)
from movable.mm.pgtable import PTE_ACCESSED, PTE_DIRTY, PTE_KEPT, PTE_MIGRATION, PTE_RW, PTE_SHIFT, PTE_SWAP, PTE_THERE
from movable.mm.rwsem import RWSem

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace

PG_anon_exclusive = PG_mappedtodisk
"""The page belongs to one process alone: it may write without a copy."""
EXCLUSIVE = 1 << PG_anon_exclusive
MANY_AREAS = 16
"""So many are looked at one by one."""
PTE_EXCLUSIVE = 0x004
"""In a migration entry: the page was exclusive."""


class AnonVma:
    """What anonymous pages of one area name (struct anon_vma).

    ``anon_word`` is what they hold in their mapping word, ``vmas`` are the areas where such pages may be mapped. ``root`` is that
    of the process that began the family, ``parent`` that of the area it was forked from. ``rwsem``, one for the family, is held by
    who walks and alone by who changes. ``num_children`` and ``num_active_vmas`` tell when a fork may use it again.
    """

    __slots__ = ("addr", "anon_word", "num_active_vmas", "num_children", "parent", "root", "rwsem", "vmas")

    def __init__(self, user: Userspace, parent: AnonVma | None) -> None:
        vm = user.vm
        self.addr = vm._next_address
        self.anon_word = self.addr | PAGE_MAPPING_ANON
        vm._next_address += 0x40
        user.anon_vmas[self.addr] = self
        self.vmas: list[VMA] = []
        self.num_active_vmas = 0
        self.num_children = 0
        self.parent = self if parent is None else parent
        self.root: AnonVma = self if parent is None else parent.root
        self.parent.num_children += 1
        self.rwsem: RWSem = RWSem(vm, f"anon_vma {self.addr:#x}") if parent is None else parent.root.rwsem

    def __repr__(self) -> str:
        return f"<anon_vma {self.addr:#x} of {len(self.vmas)} areas>"


def anon_vma_prepare(vma: VMA) -> AnonVma:
    """The area's anon_vma before its first anonymous page: a mergeable neighbour's if there is one, else a new one."""
    if vma.anon_vma is not None:
        return vma.anon_vma
    anon_vma = _find_mergeable_anon_vma(vma)
    if anon_vma is None:
        anon_vma = AnonVma(vma.mm.user, None)
    _link(vma, anon_vma)
    vma.anon_vma = anon_vma
    anon_vma.num_active_vmas += 1
    return anon_vma


def _find_mergeable_anon_vma(vma: VMA) -> AnonVma | None:
    vmas = vma.mm.vmas
    at = vmas.index(vma)
    if at + 1 < len(vmas):
        following = vmas[at + 1]
        if _anon_vma_compatible(vma, following) and len(following.anon_vma_chain) == 1:
            return following.anon_vma
    if at:
        before = vmas[at - 1]
        if _anon_vma_compatible(before, vma) and len(before.anon_vma_chain) == 1:
            return before.anon_vma
    return None


def _anon_vma_compatible(low: VMA, high: VMA) -> bool:
    """Whether two areas could become one if their protection were the same (anon_vma_compatible)."""
    return (
        low.end == high.start
        and low.policy == high.policy
        and low.file is high.file
        and not (low.flags ^ high.flags) & ~VM_ACCESS_FLAGS
        and high.pgoff == low.pgoff + high.start - low.start
    )


def _link(vma: VMA, anon_vma: AnonVma) -> None:
    with anon_vma.rwsem.write():
        vma.anon_vma_chain.append(anon_vma)
        anon_vma.vmas.append(vma)
        vma.mm.user.area_index.forget()


def anon_vma_clone(to: VMA, source: VMA) -> None:
    """Let ``to`` map all pages that ``source`` may map (anon_vma_clone).

    Where ``to`` has none of its own yet, it takes over one that no area owns any more and that has one child at most.
    """
    for anon_vma in source.anon_vma_chain:
        _link(to, anon_vma)
        unowned = anon_vma.num_children < 2 and anon_vma.num_active_vmas == 0
        if to.anon_vma is None and source.anon_vma is not None and unowned:
            to.anon_vma = anon_vma
    if to.anon_vma is not None:
        to.anon_vma.num_active_vmas += 1


def anon_vma_fork(child: VMA, parent: VMA) -> None:
    """Give a child's area the parent's pages, and an anon_vma for its own (anon_vma_fork)."""
    if parent.anon_vma is None:
        return
    child.anon_vma = None
    anon_vma_clone(child, parent)
    if child.anon_vma is None:
        anon_vma = AnonVma(child.mm.user, parent.anon_vma)
        _link(child, anon_vma)
        child.anon_vma = anon_vma
        anon_vma.num_active_vmas += 1


def unlink_anon_vmas(vma: VMA) -> None:
    """The area goes: an anon_vma that nobody needs any more goes with it (unlink_anon_vmas)."""
    if vma.anon_vma is not None:
        vma.anon_vma.num_active_vmas -= 1
        vma.anon_vma = None
    for anon_vma in vma.anon_vma_chain:
        with anon_vma.rwsem.write():
            anon_vma.vmas.remove(vma)
            vma.mm.user.area_index.forget()
    for anon_vma in vma.anon_vma_chain:
        if not anon_vma.vmas and anon_vma.parent is not anon_vma and anon_vma.addr in vma.mm.user.anon_vmas:
            anon_vma.parent.num_children -= 1
        if not anon_vma.vmas:
            vma.mm.user.anon_vmas.pop(anon_vma.addr, None)
    vma.anon_vma_chain = []


# --- counting ---


def PageAnon(page: Page) -> bool:
    """Whether the page belongs to a process and to no file."""
    return bool(page._mapping & PAGE_MAPPING_ANON)


def page_add_new_anon_rmap(page: Page, vma: VMA, vpn: int) -> None:
    """The first mapping of a fresh anonymous page: it is this process's alone. Takes over the caller's reference."""
    anon_vma = anon_vma_prepare(vma) if vma.anon_vma is None else vma.anon_vma
    page._mapcount = 0
    page._mapping = anon_vma.anon_word
    page._index = vpn if vma.pgoff == vma.start else vma.pgoff + vpn - vma.start
    page._flags |= SWAPBACKED | EXCLUSIVE
    if vma.flags & VM_LOCKED:
        mlock_page(vma.mm.user, page)


def page_add_rmap(page: Page, vma: VMA) -> None:
    """One more mapping of a page that has its place already; the caller has taken its reference."""
    page._mapcount += 1
    if vma.flags & VM_LOCKED:
        mlock_page(vma.mm.user, page)


def page_remove_rmap(page: Page, vma: VMA) -> None:
    """One mapping less; the caller drops its reference."""
    page._mapcount -= 1
    if vma.flags & VM_LOCKED:
        munlock_page(vma.mm.user, page)


def page_move_anon_rmap(page: Page, vma: VMA) -> None:
    """The page is left to one process: it names that one's own anon_vma from now on."""
    assert vma.anon_vma is not None
    page._mapping = vma.anon_vma.anon_word
    page._flags |= EXCLUSIVE


# --- walking ---


class AreaIndex:
    """Areas sorted by their first page, where a family or a file has so many that looking at each for every page is dear.

    The trees of i_mmap and anon_vma in the kernel. Here an index is made when it is asked for a second time, and thrown away with
    the next change of any area.
    """

    __slots__ = ("_asked", "_sorted")

    def __init__(self) -> None:
        self._asked: set[int] = set()
        self._sorted: dict[int, tuple[list[int], list[int], list[tuple[int, VMA]]]] = {}

    def forget(self) -> None:
        """An area came or went, or one grew; to be called with no step behind the change, under the lock of the areas."""
        if self._asked:
            self._asked.clear()
            self._sorted.clear()

    def holding(self, word: int, areas: list[VMA], index: int) -> list[VMA]:
        """Those of the ``areas`` of a mapping word that have page ``index``, in the order given; at the first time all of them."""
        if word not in self._sorted:
            if word not in self._asked:
                self._asked.add(word)
                return areas
            order = sorted(enumerate(areas), key=lambda each: each[1].pgoff)
            ends = accumulate((vma.pgoff + vma.end - vma.start for _, vma in order), max)
            self._sorted[word] = [vma.pgoff for _, vma in order], list(ends), order
        starts, reach, order = self._sorted[word]
        at = bisect_right(starts, index)
        found = []
        while at and reach[at - 1] > index:
            at -= 1
            vma = order[at][1]
            if index < vma.pgoff + vma.end - vma.start:
                found.append(order[at])
        return [vma for _, vma in sorted(found, key=itemgetter(0))]


def rmap_areas(user: Userspace, page: Page) -> list[VMA]:
    """The areas where the page may be mapped; [] for a page that belongs to nobody."""
    word = page._mapping
    if word & PAGE_MAPPING_ANON:
        anon_vma = user.anon_vmas.get(word - PAGE_MAPPING_ANON)
        areas: list[VMA] = [] if anon_vma is None else anon_vma.vmas
    else:
        areas = getattr(user.vm.address_spaces.get(word & ~PAGE_MAPPING_FLAGS), "i_mmap", [])
    return areas if len(areas) <= MANY_AREAS else user.area_index.holding(word, areas, page._index)


def rmap_lock(user: Userspace, page: Page) -> RWSem | None:
    """The lock under which the areas of a page are walked; None for a page that belongs to nobody."""
    word = page._mapping
    if word & PAGE_MAPPING_ANON:
        anon_vma = user.anon_vmas.get(word - PAGE_MAPPING_ANON)
        return None if anon_vma is None else anon_vma.rwsem
    return getattr(user.vm.address_spaces.get(word & ~PAGE_MAPPING_FLAGS), "i_mmap_rwsem", None)


def vma_address(page: Page, vma: VMA) -> int:
    """The page number in an area at which the page would be, -1 when it lies outside (vma_address)."""
    vpn: int = vma.start + page._index - vma.pgoff
    return vpn if vma.start <= vpn < vma.end else -1


def page_address_in_vma(page: Page, vma: VMA) -> int:
    """The page number at which the page belongs in an area, -1 where it cannot be there (page_address_in_vma)."""
    word = page._mapping
    if word & PAGE_MAPPING_ANON:
        anon_vma = vma.mm.user.anon_vmas.get(word - PAGE_MAPPING_ANON)
        if anon_vma is None or vma.anon_vma is None or vma.anon_vma.root is not anon_vma.root:
            return -1
    elif vma.file is None or vma.file.mapping.addr != word:
        return -1
    return vma_address(page, vma)


def mappings(user: Userspace, page: Page) -> Iterator[tuple[VMA, int]]:
    """(area, page number) of every entry that maps the page, without a step (rmap_walk)."""
    for vma in rmap_areas(user, page):
        vpn = vma_address(page, vma)
        pte = vma.mm.pgtable.get(vpn, 0) if vpn >= 0 else 0
        if pte & PTE_THERE and pte >> PTE_SHIFT == page.pfn:
            yield vma, vpn


def _rmap_walk(user: Userspace, page: Page, one: Callable[[VMA, int, int], None], mask: int = 0, flags: int = 0) -> None:
    """Call ``one(area, page number, entry)`` for every entry that maps the page, each in a step, under the lock of the areas.

    Only areas whose flags under ``mask`` are ``flags`` (rmap_walk).
    """
    lock = rmap_lock(user, page)
    with nullcontext() if lock is None else lock.read():
        for vma in rmap_areas(user, page):
            vpn = vma_address(page, vma)
            if vpn < 0 or vma.flags & mask != flags:
                continue
            if page.seam is not None:
                page.seam.point("aw", vma.location(vpn))
            pte = vma.mm.pgtable.get(vpn, 0)
            if pte & PTE_THERE and pte >> PTE_SHIFT == page.pfn:
                one(vma, vpn, pte)


def page_mkclean(user: Userspace, page: Page) -> bool:
    """Take the right to write from every mapping of a locked page of a file; whether one of them had written (page_mkclean)."""
    written = False

    def clean(vma: VMA, vpn: int, pte: int) -> None:
        nonlocal written
        if pte & (PTE_DIRTY | PTE_RW):
            written = written or bool(pte & PTE_DIRTY)
            vma.mm.pgtable[vpn] = pte & ~(PTE_DIRTY | PTE_RW)

    _rmap_walk(user, page, clean, VM_SHARED, VM_SHARED)
    return written


def page_referenced(user: Userspace, page: Page) -> int:
    """How many mappings were used since the last call, which forgets it (page_referenced)."""
    used = 0

    def forget(vma: VMA, vpn: int, pte: int) -> None:
        nonlocal used
        if pte & PTE_ACCESSED:
            vma.mm.pgtable[vpn] = pte & ~PTE_ACCESSED
            used += 1

    _rmap_walk(user, page, forget)
    return used


def try_to_unmap(user: Userspace, page: Page) -> None:
    """Take a locked page out of every process: entries of an anonymous page hold its slot from now on, others nothing.

    Locked areas keep it. Mirrors mm/rmap.c, try_to_unmap.
    """
    _rmap_walk(user, page, lambda vma, vpn, pte: _unmap_one(user, page, vma, vpn, pte), VM_LOCKED, 0)


def _unmap_one(user: Userspace, page: Page, vma: VMA, vpn: int, pte: int) -> None:
    if page.seam is not None:
        page.seam.event("zap_pte", page, mm=vma.mm.name, vpn=vpn, pte=pte)
    if pte & PTE_DIRTY:
        page._flags |= DIRTY
    if page._mapping & PAGE_MAPPING_ANON:
        assert user.swap is not None
        own = PTE_EXCLUSIVE if page._flags & EXCLUSIVE else 0
        user.swap.swap_map[page._private] += 1
        vma.mm.pgtable[vpn] = page._private << PTE_SHIFT | PTE_SWAP | own
        page._flags &= ~EXCLUSIVE
    else:
        del vma.mm.pgtable[vpn]
    page_remove_rmap(page, vma)
    put_page(page)


# --- migration entries ---


def try_to_migrate(user: Userspace, page: Page) -> None:
    """Replace every mapping of a locked page by a migration entry (step 4 of the migration of a page).

    Each entry remembers the frame and whether it could be written, was written and was used. Its reference and its count in the
    map count go. Mirrors mm/rmap.c, try_to_migrate.
    """
    if page.seam is None:
        _try_to_migrate(user, page)
        return
    lock = rmap_lock(user, page)
    with nullcontext() if lock is None else lock.read():
        _try_to_migrate(user, page)


def _try_to_migrate(user: Userspace, page: Page) -> None:
    seam = page.seam
    anon = page._mapping & PAGE_MAPPING_ANON
    pfn, index = page.pfn, page._index
    for vma in rmap_areas(user, page):
        vpn = vma.start + index - vma.pgoff
        if not vma.start <= vpn < vma.end:
            continue
        table = vma.mm.pgtable
        pte = table.get(vpn, 0)
        if not pte & PTE_THERE or pte >> PTE_SHIFT != pfn:
            continue
        if seam is not None and not (pte := seam.set_migration_pte(page, vma, vpn)):
            continue
        keep = PTE_EXCLUSIVE if anon and page._flags & EXCLUSIVE else 0  # only now: a fork may have shared it since
        if keep:
            page._flags &= ~EXCLUSIVE
        table[vpn] = pfn << PTE_SHIFT | PTE_MIGRATION | pte & PTE_KEPT | keep
        if pte & PTE_DIRTY:
            page._flags |= DIRTY
        page._mapcount -= 1
        if vma.flags & VM_LOCKED:
            munlock_page(user, page)
        put_page(page)


def remove_migration_ptes(user: Userspace, old: Page, new: Page) -> None:
    """Turn the migration entries of ``old`` into mappings of ``new``, or of ``old`` itself when it stays (step 16).

    Each takes a reference and counts in the map count. Permission, dirty and young bits come from the entry. mirrors
    mm/migrate.c, remove_migration_ptes.
    """
    if new.seam is None:
        _remove_migration_ptes(user, old, new)
        return
    lock = rmap_lock(user, new)
    with nullcontext() if lock is None else lock.read():
        _remove_migration_ptes(user, old, new)


def _remove_migration_ptes(user: Userspace, old: Page, new: Page) -> None:
    seam = new.seam
    pfn, index = old.pfn, new._index
    for vma in rmap_areas(user, new):
        vpn = vma.start + index - vma.pgoff
        if not vma.start <= vpn < vma.end:
            continue
        entry = vma.mm.pgtable.get(vpn, 0)
        if not entry & PTE_MIGRATION or entry >> PTE_SHIFT != pfn:
            continue
        if seam is not None and not (entry := seam.migration_pte(vma, vpn, pfn)):
            continue
        pte = _restored(vma, entry, new)
        new._refcount += 1  # the same step, so no get_page()
        if seam is not None:
            seam.event("remove_migration_pte", new, mm=vma.mm.name, vpn=vpn, pte=pte, old=old.pfn)
        new._mapcount += 1
        if entry & PTE_EXCLUSIVE:
            new._flags |= EXCLUSIVE
        vma.mm.pgtable[vpn] = pte
        if vma.flags & VM_LOCKED:
            mlock_page(user, new)


def _restored(vma: VMA, entry: int, new: Page) -> int:
    pte = new.pfn << PTE_SHIFT | (vma.page_prot & ~PTE_KEPT) | entry & (PTE_KEPT & ~(PTE_RW | PTE_DIRTY))
    if vma.page_prot & PTE_RW or (entry & PTE_RW and vma.flags & VM_WRITE):
        pte |= PTE_RW
    if entry & PTE_DIRTY and new._flags & DIRTY:
        pte |= PTE_DIRTY
    return pte
