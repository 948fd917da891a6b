"""Getting at a process's pages from the kernel's side (mm/gup.c)."""

from __future__ import annotations

from errno import EFAULT, ENOENT, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.memory import MAX_FAULTS, OutOfMemory, entry_location, handle_mm_fault, still_faults
from movable.mm.mm_types import VM_ACCESS_FLAGS, VM_READ, VM_SHARED, VM_WRITE
from movable.mm.page import get_page_unless_zero, put_page
from movable.mm.page_flags import DIRTY, REFERENCED
from movable.mm.pgtable import PTE_DIRTY, PTE_PRESENT, PTE_RW, PTE_SHIFT, PTE_SPECIAL, PTE_THERE
from movable.mm.swap import mark_page_accessed
from movable.mm.util import page_mapping

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.mm_types import VMA, MmStruct
    from movable.mm.page import Page
    from movable.mm.process import Process
    from movable.mm.seam import Seam


def faultin_page(task: Process, vma: VMA, vpn: int, write: bool) -> bool:
    """Make a page present, for writing if ``write``; False beyond a file's end. The area's permissions count as given."""
    table = vma.mm.pgtable
    for _ in range(MAX_FAULTS):
        pte = table.get(vpn, 0)
        if pte & PTE_THERE and (not write or pte & PTE_RW):
            return True
        if handle_mm_fault(task, vma, vpn, write):
            return False
    raise still_faults(vma.mm, vpn)


def touch_page(vma: VMA, vpn: int, write: bool) -> None:
    """The page was reached through its entry: it counts as used, and as dirty where it will be written (FOLL_TOUCH)."""
    pte = vma.mm.pgtable[vpn]
    if pte & PTE_SPECIAL:
        return
    page = vma.mm.user.vm.pages[pte >> PTE_SHIFT]
    if write and not pte & PTE_DIRTY:
        page._flags |= DIRTY
    mark_page_accessed(page)


def get_user_pages(task: Process, address: int, count: int) -> list[Page] | int:
    """References on up to ``count`` pages from a byte address on, for reading (get_user_pages_fast).

    Missing ones are faulted in. Fewer come back where a later page cannot be read, or there is no memory for it; -EFAULT, or
    OutOfMemory, where that is the first.
    """
    mm = task.mm
    assert mm is not None
    pages: list[Page] = []
    for vpn in range(address >> PTE_SHIFT, (address >> PTE_SHIFT) + count):
        try:
            page = get_user_page_fast_only(mm, vpn) or _get_user_page(task, mm, vpn)
        except OutOfMemory:
            if not pages:
                raise
            page = None
        if page is None:
            break
        pages.append(page)
    return pages or -EFAULT


def get_user_page_fast_only(mm: MmStruct, vpn: int) -> Page | None:
    """A reference on a page that is mapped, without a lock and without a fault; else None (gup_pte_range).

    The page may move, or leave its file, at any time until the reference is there: so the entry is looked at once more after it.
    It may still leave its file later.
    """
    pte = _entry(mm, vpn)
    if not pte & PTE_PRESENT or pte & PTE_SPECIAL:
        return None
    page = mm.user.vm.pages[pte >> PTE_SHIFT]
    if not get_page_unless_zero(page):
        return None
    if page_is_secretmem(page) or _entry(mm, vpn) != pte:
        put_page(page)
        return None
    page._flags |= REFERENCED  # where the slow way calls mark_page_accessed, which may make the page active
    return page


def _entry(mm: MmStruct, vpn: int) -> int:
    """The entry of a page in the page table, read atomically ("ar"): another task may run before that."""
    seam = mm.user.vm.seam
    if seam is not None:
        seam.point("ar", entry_location(mm, vpn))
    return mm.pgtable.get(vpn, 0)


def page_is_secretmem(page: Page) -> bool:
    """Whether the page is of a file that nobody but those who map it may look into (memfd_secret); asked without a lock."""
    mapping = page_mapping(page)  # once: truncation may clear it at any time
    return mapping is not None and is_secret(mapping)


def is_secret(mapping: AddressSpace) -> bool:
    """Whether the pages of a mapping are for nobody but those who map them."""
    sb = getattr(mapping.host, "sb", None)
    return sb is not None and sb.secret


def _get_user_page(task: Process, mm: MmStruct, vpn: int) -> Page | None:
    """The slow way, with faults (__get_user_pages)."""
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or not vma.flags & VM_READ or (vma.file is not None and is_secret(vma.file.mapping)):
            return None
        for _ in range(MAX_FAULTS):
            if not faultin_page(task, vma, vpn, False):
                return None
            page = _follow_and_get(mm, vpn)
            if page is not None:
                return page
    raise still_faults(mm, vpn)


def _follow_and_get(mm: MmStruct, vpn: int) -> Page | None:
    """What an entry leads to, with a reference: both in one step, as under the lock of the table (follow_page_pte, FOLL_TOUCH)."""
    vm = mm.user.vm
    pte = _entry(mm, vpn)
    if not pte & PTE_THERE:
        return None
    page = vm.pages[pte >> PTE_SHIFT]
    if vm.seam is not None:
        vm.seam.change(page, "refs")
        if mm.pgtable.get(vpn, 0) >> PTE_SHIFT != page.pfn or not mm.pgtable[vpn] & PTE_THERE:
            return None
    page._refcount += 1
    if vm.seam is not None:
        vm.seam.event("get_page", page)
    if not pte & PTE_SPECIAL:
        mark_page_accessed(page)
    return page


def follow_page(vma: VMA, vpn: int) -> Page | int:
    """The page mapped at an address of an area, without faulting and without a reference (follow_page with FOLL_DUMP).

    -EFAULT for the zero page and, in 6.1, where an anonymous private page is missing; -ENOENT for others that are missing and,
    in 6.1, for pages of a PROT_NONE area.
    """
    era = vma.mm.user.era
    pte = vma.mm.pgtable.get(vpn, 0)
    if not pte:
        return -EFAULT if vma.file is None and not era.absent_anon_enoent else -ENOENT
    if pte & PTE_PRESENT or (pte & PTE_THERE and era.protnone_pages_seen):
        return -EFAULT if pte & PTE_SPECIAL else vma.mm.user.vm.pages[pte >> PTE_SHIFT]
    return -ENOENT


def follow_page_watched(vma: VMA, vpn: int, seam: Seam) -> Page | int:
    """The same as a step of its own: what the entry says after every change that came before."""
    seam.point("ar", vma.location(vpn))
    return follow_page(vma, vpn)


def mm_populate(task: Process, start: int, end: int) -> int:
    """Bring in the pages of every area in a range; 0, or -ENOMEM at the first that cannot be had (__mm_populate)."""
    assert task.mm is not None
    with task.mm.mmap_lock.read():
        return _populate(task, task.mm, start, end)


def _populate(task: Process, mm: MmStruct, start: int, end: int) -> int:
    while start < end:
        vma = mm.find_vma(start)
        if vma is None or vma.start >= end:
            break
        high = min(end, vma.end)
        if not populate_vma_page_range(task, vma, max(start, vma.start), high):
            return -ENOMEM
        start = high
    return 0


def populate_vma_page_range(task: Process, vma: VMA, start: int, end: int) -> bool:
    """Bring in a part of one area, writable private pages by a write; False at the first page that cannot be had."""
    if not vma.flags & VM_ACCESS_FLAGS:
        return False
    write = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE
    for vpn in range(start, end):
        if not faultin_page(task, vma, vpn, write):
            return False
        touch_page(vma, vpn, write)
    return True
