"""The system calls mlock and munlock: pages of a range stay in memory while their area says so (mm/mlock.c)."""

from __future__ import annotations

from errno import EINVAL, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.gup import mm_populate
from movable.mm.memory import vm_normal_page
from movable.mm.mlock import mlock_page, munlock_page
from movable.mm.mm_types import VM_LOCKED, VMA
from movable.mm.mmap import WORD, change_vma, page_align
from movable.mm.page import PAGE_SHIFT, PAGE_SIZE
from movable.mm.pgtable import PTE_THERE

if TYPE_CHECKING:
    from movable.mm.mm_types import MmStruct
    from movable.mm.process import Process

RLIMIT_MEMLOCK = 8 << 20
"""Bytes that a process without CAP_IPC_LOCK may lock."""


def do_mlock(task: Process, address: int, length: int) -> int:
    """Lock a range of bytes and bring its pages in (mlock).

    Returns 0; -ENOMEM beyond the limit, over a hole, or where a page cannot be had; -EINVAL where the range wraps.
    """
    mm = task.mm
    assert mm is not None
    start, size = _whole_pages(address, length)
    limit = RLIMIT_MEMLOCK >> PAGE_SHIFT
    wanted = (size >> PAGE_SHIFT) + mm.locked_vm
    if wanted > limit and not task.capable:
        wanted -= _locked_pages(mm, start >> PAGE_SHIFT, (start + size) >> PAGE_SHIFT)
    if wanted > limit and not task.capable:
        return -ENOMEM
    ret = _apply_vma_lock_flags(mm, start, size, VM_LOCKED)
    return ret or mm_populate(task, start >> PAGE_SHIFT, (start + size) >> PAGE_SHIFT)


def do_munlock(task: Process, address: int, length: int) -> int:
    """Unlock a range of bytes; 0, -ENOMEM over a hole, -EINVAL where the range wraps (munlock)."""
    assert task.mm is not None
    return _apply_vma_lock_flags(task.mm, *_whole_pages(address, length), 0)


def _whole_pages(address: int, length: int) -> tuple[int, int]:
    return address & -PAGE_SIZE, page_align((length + address % PAGE_SIZE) % WORD)


def _locked_pages(mm: MmStruct, start: int, end: int) -> int:
    locked = (vma for vma in mm.vmas if vma.flags & VM_LOCKED and vma.start < end and vma.end > start)
    return sum(min(vma.end, end) - max(vma.start, start) for vma in locked)


def _apply_vma_lock_flags(mm: MmStruct, address: int, size: int, lock: int) -> int:
    if address + size >= WORD:
        return -EINVAL
    start, end = address >> PAGE_SHIFT, (address + size) >> PAGE_SHIFT
    with mm.mmap_lock.write():
        return _lock_areas(mm, start, end, lock)


def _lock_areas(mm: MmStruct, start: int, end: int, lock: int) -> int:
    if start == end:
        return 0
    vma = mm.vma_lookup(start)
    while vma is not None and vma.start <= start:
        high = min(vma.end, end)
        mlock_fixup(vma, start, high, vma.flags & ~VM_LOCKED | lock)
        start = high
        if start >= end:
            return 0
        vma = mm.find_vma(start)
    return -ENOMEM


def mlock_fixup(vma: VMA, start: int, end: int, flags: int) -> None:
    """Lock or unlock one part of one area, and the pages that are there (mlock_fixup)."""
    if flags == vma.flags:
        return
    vma = change_vma(vma, start, end, flags, vma.policy)
    vma.flags = flags
    mm = vma.mm
    mm.locked_vm += end - start if flags & VM_LOCKED else start - end
    change = mlock_page if flags & VM_LOCKED else munlock_page
    for vpn in mm.present(start, end):
        pte = mm.pgtable[vpn]
        page = vm_normal_page(mm.user.vm, pte) if pte & PTE_THERE else None
        if page is not None:
            change(mm.user, page)
