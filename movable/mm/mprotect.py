"""mprotect: other permissions for a range of addresses (mm/mprotect.c)."""

from __future__ import annotations

from errno import EINVAL, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.gup import populate_vma_page_range
from movable.mm.memory import vm_normal_page
from movable.mm.mm_types import VM_ACCESS_FLAGS, VM_ACCOUNT, VM_LOCKED, VM_SHARED, VM_WRITE, VMA
from movable.mm.mmap import WORD, change_vma, page_align
from movable.mm.page import PAGE_SHIFT, PAGE_SIZE
from movable.mm.pgtable import PTE_ACCESSED, PTE_DIRTY, PTE_MIGRATION, PTE_RW, PTE_SHIFT, PTE_SPECIAL, PTE_THERE
from movable.mm.rmap import EXCLUSIVE, PageAnon

if TYPE_CHECKING:
    from movable.mm.mm_types import MmStruct
    from movable.mm.process import Process


def do_mprotect(task: Process, address: int, length: int, prot: int) -> int:
    """Give a range of bytes the permissions ``prot`` (VM_READ, VM_WRITE).

    Returns 0, -EINVAL for an address inside a page, or -ENOMEM where nothing is mapped; what lies before the hole is changed.
    """
    mm = task.mm
    assert mm is not None
    if address % PAGE_SIZE:
        return -EINVAL
    if not length:
        return 0
    size = page_align(length)
    if not size or address + size >= WORD:
        return -ENOMEM
    start, end = address >> PAGE_SHIFT, (address + size) >> PAGE_SHIFT
    with mm.mmap_lock.write():
        return _mprotect(task, mm, start, end, prot)


def _mprotect(task: Process, mm: MmStruct, start: int, end: int, prot: int) -> int:
    vma = mm.find_vma(start)
    if vma is None or vma.start > start:
        return -ENOMEM
    while True:
        high = min(vma.end, end)
        mprotect_fixup(task, vma, start, high, vma.flags & ~VM_ACCESS_FLAGS | prot)
        start = high
        if start >= end:
            return 0
        vma = mm.find_vma(start)
        if vma is None or vma.start > start:
            return -ENOMEM


def mprotect_fixup(task: Process, vma: VMA, start: int, end: int, flags: int) -> None:
    """Change one part of one area; a locked private part that becomes writable gets pages of its own at once."""
    old = vma.flags
    if old == flags:
        return
    if flags & VM_WRITE and not old & (VM_ACCOUNT | VM_WRITE | VM_SHARED):
        flags |= VM_ACCOUNT
    elif not flags & VM_WRITE and vma.file is None and vma.anon_vma is None and task.user.era.unaccounts_unused:
        flags &= ~VM_ACCOUNT
    vma = change_vma(vma, start, end, flags, vma.policy)
    vma.flags = flags
    change_protection(vma, start, end)
    if old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED and flags & VM_WRITE:
        populate_vma_page_range(task, vma, start, end)


def change_protection(vma: VMA, start: int, end: int) -> None:
    """Give the entries of a range the area's permissions; a private page stays writable only where no copy is due."""
    table = vma.mm.pgtable
    prot = vma.page_prot & ~PTE_ACCESSED
    for vpn in vma.mm.present(start, end):
        pte = table[vpn]
        if not pte & PTE_THERE:
            if not vma.flags & VM_WRITE:
                table[vpn] = pte & ~PTE_RW
                _tell(vma, vpn, pte)
            continue
        fresh = pte & ~(PTE_THERE | PTE_RW) | prot
        if vma.flags & VM_WRITE and pte & PTE_DIRTY and not pte & PTE_SPECIAL:
            page = vm_normal_page(vma.mm.user.vm, pte)
            if page is not None and PageAnon(page) and page._flags & EXCLUSIVE:
                fresh |= PTE_RW
        table[vpn] = fresh


def _tell(vma: VMA, vpn: int, pte: int) -> None:
    """A migration entry lost the right to write, for whoever watches."""
    vm = vma.mm.user.vm
    if vm.seam is not None and pte & PTE_MIGRATION:
        vm.seam.event("protect_migration_pte", vm.pages[pte >> PTE_SHIFT], mm=vma.mm.name, vpn=vpn)


__all__ = ["change_protection", "do_mprotect", "mprotect_fixup"]
