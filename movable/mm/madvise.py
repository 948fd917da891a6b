"""madvise(MADV_DONTNEED): forget the pages of a range (mm/madvise.c)."""

from __future__ import annotations

from errno import EINVAL, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.memory import zap_page_range
from movable.mm.mm_types import VM_LOCKED
from movable.mm.mmap import WORD, page_align
from movable.mm.page import PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from movable.mm.mm_types import MmStruct
    from movable.mm.process import Process


def madvise_dontneed(task: Process, address: int, length: int) -> int:
    """Drop the pages of a range of bytes from the page table.

    Returns 0; -EINVAL for an address inside a page, a range that wraps, or at the first locked area; -ENOMEM where there was a
    hole, after everything else was done.
    """
    mm = task.mm
    assert mm is not None
    size = page_align(length)
    if address % PAGE_SIZE or (length and not size) or address + size >= WORD:
        return -EINVAL
    start, end = address >> PAGE_SHIFT, (address + size) >> PAGE_SHIFT
    with mm.mmap_lock.read():
        return _walk(mm, start, end)


def _walk(mm: MmStruct, start: int, end: int) -> int:
    ret = 0
    while start < end:
        vma = mm.find_vma(start)
        if vma is None:
            return -ENOMEM
        if start < vma.start:
            ret = -ENOMEM
            start = vma.start
            continue
        high = min(vma.end, end)
        if vma.flags & VM_LOCKED:
            return -EINVAL
        zap_page_range(vma, start, high)
        start = high
    return ret
