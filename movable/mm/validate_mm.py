"""Counts the memory of processes again: page tables against map counts, references, LRU lists, page cache, locked pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable.mm.fs import FileMapping
from movable.mm.mm_types import VM_LOCKED, VM_SHARED
from movable.mm.page_flags import LRU, PAGE_MAPPING_ANON, UNEVICTABLE, PG_private, PG_reserved
from movable.mm.pgtable import PTE_MIGRATION, PTE_PRESENT, PTE_RW, PTE_SHIFT, PTE_SPECIAL, PTE_SWAP, PTE_THERE, pte_words
from movable.mm.rmap import EXCLUSIVE, mappings
from movable.mm.swap import LRU_NAMES, page_lru
from movable.mm.swapfile import PageSwapCache

if TYPE_CHECKING:
    from movable.mm.mm_types import MmStruct
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace


def findings(user: Userspace, quiescent: bool) -> Iterator[str]:
    """Everything about processes that disagrees. ``quiescent``: nobody is at work, so no page is on its way."""
    maps: Counter[int] = Counter()
    locked: Counter[int] = Counter()
    mms = [task.mm for task in user.tasks.values() if task.mm is not None]
    for mm in mms:
        yield from _areas(mm)
        yield from _entries(mm, quiescent, maps, locked)
    yield from _cache(user)
    yield from _swap(user, mms)
    yield from _lists(user, quiescent)
    yield from _mlock(user, locked)
    known = _references(user, maps)
    for pfn in {*maps, *known}:
        yield from _page(user, user.vm.pages[pfn], maps[pfn], known[pfn], quiescent)


def _areas(mm: MmStruct) -> Iterator[str]:
    """Areas are in order, do not overlap, and are known to what their pages name."""
    before = -1
    for vma in mm.vmas:
        if vma.start < before or vma.end <= vma.start:
            yield f"{vma!r} of {mm!r} overlaps another, or is empty"
        before = vma.end
        if vma.anon_vma is not None and vma.anon_vma not in vma.anon_vma_chain:
            yield f"{vma!r} of {mm!r} is not on the chain of its own {vma.anon_vma!r}"
        if any(vma not in anon_vma.vmas for anon_vma in vma.anon_vma_chain):
            yield f"an anon_vma of {vma!r} of {mm!r} does not know it"
        if vma.file is not None and vma not in vma.file.mapping.i_mmap:
            yield f"{vma!r} of {mm!r} is unknown to its file"
    locked = sum(vma.end - vma.start for vma in mm.vmas if vma.flags & VM_LOCKED)
    if locked != mm.locked_vm:
        yield f"{mm!r}: locked_vm says {mm.locked_vm}, its locked areas have {locked} pages"


def _entries(mm: MmStruct, quiescent: bool, maps: Counter[int], locked: Counter[int]) -> Iterator[str]:
    """Every entry lies in an area and leads to a page that can be found back from there."""
    user = mm.user
    for vpn, pte in mm.pgtable.items():
        where = f"page {vpn:#x} of {mm!r} ({pte_words(pte)})"
        vma = mm.vma_lookup(vpn)
        if vma is None:
            yield f"{where} lies in no area"
            continue
        if pte & PTE_MIGRATION:
            if quiescent:
                yield f"{where} is a migration entry and nobody migrates"
            continue
        if not pte & PTE_THERE or pte & PTE_SPECIAL:
            continue
        page = user.vm.pages.get(pte >> PTE_SHIFT)
        if page is None or page._refcount <= 0:
            yield f"{where} maps a page that is free"
            continue
        maps[page.pfn] += 1
        locked[page.pfn] += bool(vma.flags & VM_LOCKED)
        if (vma, vpn) not in mappings(user, page):
            yield f"{where}: the reverse map of {page!r} does not lead back here"
        own = page._mapping & PAGE_MAPPING_ANON and page._flags & EXCLUSIVE
        if pte & PTE_PRESENT and pte & PTE_RW and not vma.flags & VM_SHARED and not own:
            yield f"{where} can be written, and {page!r} is not this process's alone"


def _swap(user: Userspace, mms: list[MmStruct]) -> Iterator[str]:
    """Slots count the entries that hold them, and the cache leads to pages that know it."""
    space = user.swap
    held = Counter(pte >> PTE_SHIFT for mm in mms for pte in mm.pgtable.values() if pte & PTE_SWAP)
    for mapping in user.vm.address_spaces.values():
        if isinstance(mapping, FileMapping):
            held.update(mapping.swapped.values())
    if space is None:
        if held:
            yield f"entries hold {len(held)} slots, and there is no swap device"
        return
    for slot in sorted({*held, *space.swap_map}):
        if held[slot] != space.swap_map.get(slot, 0):
            yield f"slot {slot} is held by {held[slot]} entries and counts {space.swap_map.get(slot, 0)}"
    if sorted({*space.free, *space.swap_map}) != list(range(space.nr_slots)):
        yield "a slot is neither free nor in use, or both"
    for slot, page in space.i_pages.items():
        if page._private != slot or not PageSwapCache(page) or page._refcount <= 0:
            yield f"the swap cache leads from slot {slot} to {page!r}, which does not belong there"


def _cache(user: Userspace) -> Iterator[str]:
    for mapping in user.vm.address_spaces.values():
        if not isinstance(mapping, FileMapping):
            continue
        for index, page in mapping.i_pages.items():
            if page._mapping != mapping.addr or page._index != index or page._refcount <= 0:
                yield f"slot {index} of {mapping.host!r} leads to {page!r}, which does not belong there"


def _lists(user: Userspace, quiescent: bool) -> Iterator[str]:
    """Pages on the LRU lists have PG_lru, those with PG_lru are on the right list, and the sizes are true."""
    for node in user.vm.nodes:
        vec = node.lruvec
        if vec is None:
            continue
        for which, head in enumerate(vec.lists):
            pages = list(head)
            if len(pages) != vec.size[which]:
                yield f"node {node.nid}: {LRU_NAMES[which]} has {len(pages)} pages and counts {vec.size[which]}"
            for page in pages:
                if not page._flags & LRU or page_lru(page) != which or page.zone.node is not node:
                    yield f"{page!r} is on list {LRU_NAMES[which]} of node {node.nid}, where it does not belong"
        if quiescent and any(vec.nr_isolated):
            yield f"node {node.nid}: {vec.nr_isolated} pages count as isolated and nobody is at work"
    heads = {head for node in user.vm.nodes if node.lruvec is not None for head in node.lruvec.lists}
    for page in user.vm.pages.values():
        if page._flags & LRU and page._refcount > 0 and page._lru._list not in heads:
            yield f"{page!r} has PG_lru and is on no LRU list"


def _mlock(user: Userspace, locked: Counter[int]) -> Iterator[str]:
    for pfn in {*locked, *user.mlock_count}:
        page = user.vm.pages[pfn]
        if locked[pfn] != user.mlock_count.get(pfn, 0):
            yield f"{page!r} is mapped by {locked[pfn]} locked areas and counts {user.mlock_count.get(pfn, 0)}"
        if bool(locked[pfn]) != bool(page._flags & UNEVICTABLE):
            yield f"{page!r} is mapped by {locked[pfn]} locked areas and is {'' if locked[pfn] else 'un'}evictable"


def _references(user: Userspace, maps: Counter[int]) -> Counter[int]:
    """The references that each page of a process must have: mappings, page cache, private data, batches, pins."""
    known: Counter[int] = Counter()
    for mapping in user.vm.address_spaces.values():
        if isinstance(mapping, FileMapping):
            known.update(page.pfn for page in mapping.i_pages.values())
            known.update(page.pfn for page in mapping.i_pages.values() if page._flags >> PG_private & 1)
    if user.swap is not None:
        known.update(page.pfn for page in user.swap.i_pages.values())
    for batch in user.lru_add:
        known.update(page.pfn for page in batch)
    for task in user.tasks.values():
        known.update(page.pfn for page in task.pins if not page._flags >> PG_reserved & 1)
    for pfn, count in maps.items():
        known[pfn] += count
    return known


def _page(user: Userspace, page: Page, maps: int, references: int, quiescent: bool) -> Iterator[str]:
    if page._mapcount + 1 != maps:
        yield f"{page!r} counts {page._mapcount + 1} mappings, {maps} entries map it"
    if quiescent and page._refcount != references:
        yield f"{page!r} should have {references} references: {maps} mappings and {references - maps} others"
    if page._mapping & PAGE_MAPPING_ANON and page._flags & EXCLUSIVE and maps > 1:
        yield f"{page!r} is one process's alone and mapped {maps} times"
