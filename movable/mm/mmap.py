"""Areas: making, splitting, merging and removing them (mm/mmap.c)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EEXIST, EINVAL, ENOMEM
from typing import TYPE_CHECKING

from movable.mm.memory import zap_page_range
from movable.mm.mm_types import (
    TASK_PAGES,
    TASK_SIZE,
    VM_ACCOUNT,
    VM_LOCKED,
    VM_SHARED,
    VM_WRITE,
    VMA,
    MmStruct,
)
from movable.mm.page import PAGE_SHIFT, PAGE_SIZE
from movable.mm.rmap import AnonVma, anon_vma_clone, unlink_anon_vmas

if TYPE_CHECKING:
    from movable.mm.fs import File, Inode
    from movable.mm.mempolicy import Mempolicy
    from movable.mm.process import Process

WORD = 1 << 64


def page_align(length: int) -> int:
    """Bytes rounded up to whole pages, as a 64-bit word (PAGE_ALIGN)."""
    return (length + PAGE_SIZE - 1) % WORD & -PAGE_SIZE


# --- making ---


def do_mmap(task: Process, address: int, length: int, flags: int, inode: Inode | None = None, pgoff: int = 0) -> int:
    """Map ``length`` bytes at exactly ``address``, which nothing may cover (mmap with MAP_FIXED_NOREPLACE).

    ``flags`` are VM_READ, VM_WRITE and VM_SHARED; ``inode`` a file, else the area is anonymous: private, or shared through a
    hidden file. Returns 0, -EINVAL, -ENOMEM or -EEXIST.
    """
    mm = task.mm
    assert mm is not None
    size = page_align(length)
    if length and (not size or size > TASK_SIZE or address > TASK_SIZE - size):
        return -ENOMEM
    if not length or address % PAGE_SIZE:
        return -EINVAL
    start, end = address >> PAGE_SHIFT, (address + size) >> PAGE_SHIFT
    with mm.mmap_lock.write():
        return _map(task, start, end, flags, inode, pgoff)


def _map(task: Process, start: int, end: int, flags: int, inode: Inode | None, pgoff: int) -> int:
    mm = task.mm
    assert mm is not None
    after = mm.find_vma(start)
    if after is not None and after.start < end:
        return -EEXIST
    file = _open(task, flags, inode, end - start)
    if file is None:
        pgoff = start
    if flags & (VM_WRITE | VM_SHARED) == VM_WRITE:
        flags |= VM_ACCOUNT
    at = mm.index_of(start)
    before = mm.vmas[at - 1] if at else None
    if vma_merge(mm, before, start, end, flags, None, file, pgoff, None) is None:
        insert_vma(VMA(mm, start, end, flags, file, pgoff))
    return 0


def _open(task: Process, flags: int, inode: Inode | None, pages: int) -> File | None:
    from movable.mm.fs import File
    from movable.mm.shmem import shmem_file

    if inode is None and flags & VM_SHARED:
        inode = shmem_file(task.user, pages)
    return None if inode is None else File(inode)


def insert_vma(vma: VMA) -> None:
    """Put an area in its place among the others."""
    vma.mm.vmas.insert(vma.mm.index_of(vma.start), vma)
    if vma.file is not None:
        vma.file.mapped(vma)


def remove_vma(vma: VMA) -> None:
    """Take an area away; its pages are gone from the page table already, or belong to another area now."""
    del vma.mm.vmas[vma.mm.index_of(vma.start)]
    unlink_anon_vmas(vma)
    if vma.file is not None:
        vma.file.unmapped(vma)


# --- splitting and merging ---


def split_vma(vma: VMA, vpn: int) -> VMA:
    """Cut an area in two at a page; returns the upper half (split_vma)."""
    upper = VMA(vma.mm, vpn, vma.end, vma.flags, vma.file, vma.pgoff + vpn - vma.start)
    upper.name = vma.name
    upper.policy = vma.policy.dup() if vma.policy is not None else None
    upper.anon_vma = vma.anon_vma
    anon_vma_clone(upper, vma)
    vma.end = vpn
    insert_vma(upper)
    return upper


def isolate_range(vma: VMA, start: int, end: int) -> VMA:
    """The part of an area from ``start`` to ``end`` as an area of its own, splitting at both ends."""
    if vma.start != start:
        vma = split_vma(vma, start)
    if vma.end != end:
        split_vma(vma, end)
    return vma


def _mergeable_anon(changed: AnonVma | None, neighbour: AnonVma | None, vma: VMA | None, into_fresh: VMA | None) -> bool:
    """Whether anonymous pages allow it (is_mergeable_anon_vma); ``vma`` is the neighbour, whose own must not come from a fork.

    ``into_fresh`` is the changed area where its pages may come into a neighbour that has none.
    """
    if changed is neighbour:
        return True
    if changed is None:
        return vma is None or len(vma.anon_vma_chain) == 1
    if neighbour is None:
        return vma is None or (into_fresh is not None and len(into_fresh.anon_vma_chain) == 1)
    return False


def vma_merge(  # long: the eight cases of one function of the kernel
    mm: MmStruct,
    prev: VMA | None,
    start: int,
    end: int,
    flags: int,
    anon_vma: AnonVma | None,
    file: File | None,
    pgoff: int,
    policy: Mempolicy | None,
    changed: VMA | None = None,
) -> VMA | None:
    """Give the pages ``start`` up to ``end``, with these attributes, to a neighbour that has the same ones (vma_merge).

    ``prev`` is the area that ends at ``start``, or the one that is to be split there. ``changed`` is the area that the range is
    a part of now, None for a new one. Returns the area that holds the range afterwards, or None.
    """
    fresh = changed if mm.user.era.merge_into_fresh else None

    def alike(vma: VMA, offset: int) -> bool:
        return (
            vma.flags == flags
            and vma.file is file
            and vma.pgoff + offset == pgoff
            and vma.policy == policy
            and _mergeable_anon(anon_vma, vma.anon_vma, vma, fresh)
        )

    into_prev = prev is not None and prev.end == start and alike(prev, prev.end - prev.start)
    following = mm.find_vma(end)
    if following is not None and (following.start != end or not alike(following, start - end)):
        following = None
    if into_prev and prev is not None:
        if following is not None and _mergeable_anon(prev.anon_vma, following.anon_vma, None, None):
            _adopt(prev, changed, following)
            _grow(prev, prev.start, following.end)
        else:
            _adopt(prev, changed)
            _grow(prev, prev.start, end)
        return prev
    if following is not None:
        _adopt(following, changed)
        _grow(following, start, following.end)
        return following
    return None


def _adopt(vma: VMA, *sources: VMA | None) -> None:
    """The area will hold pages of others: it needs to know what they name."""
    if vma.anon_vma is None:
        for source in sources:
            if source is not None and source is not vma and source.anon_vma is not None:
                vma.anon_vma = source.anon_vma
                anon_vma_clone(vma, source)
                return


def _grow(vma: VMA, start: int, end: int) -> None:
    """Extend an area over its neighbours, which shrink or go (__vma_adjust)."""
    mm = vma.mm
    for other in mm.vmas[mm.index_of(start) : mm.index_of(end - 1) + 1]:
        if other is vma or other.start >= end:
            continue
        if other.start >= start and other.end <= end:
            remove_vma(other)
        elif other.start < start:
            other.end = start
        else:
            other.pgoff += end - other.start
            other.start = end
    vma.pgoff += start - vma.start
    vma.start, vma.end = start, end
    mm.user.area_index.forget()


def change_vma(vma: VMA, start: int, end: int, flags: int, policy: Mempolicy | None) -> VMA:
    """Give a part of an area other attributes, merging it with equal neighbours or splitting it off.

    Returns the area that holds the part; it has the flags already where it merged, and the caller sets them where not.
    """
    mm = vma.mm
    vmas = mm.vmas
    at = mm.index_of(vma.start)
    prev = vma if start > vma.start else vmas[at - 1] if at else None
    pgoff = vma.pgoff + start - vma.start
    merged = vma_merge(mm, prev, start, end, flags, vma.anon_vma, vma.file, pgoff, policy, vma)
    return isolate_range(vma, start, end) if merged is None else merged


# --- removing ---


def do_munmap(task: Process, address: int, length: int) -> int:
    """Unmap a range of bytes, holes included; 0 or -EINVAL (munmap)."""
    mm = task.mm
    assert mm is not None
    if address % PAGE_SIZE or address > TASK_SIZE or length > TASK_SIZE - address:
        return -EINVAL
    size = page_align(length)
    if not size:
        return -EINVAL
    start, end = address >> PAGE_SHIFT, (address + size) >> PAGE_SHIFT
    with mm.mmap_lock.write():
        for vma in [vma for vma in mm.vmas if vma.start < end and vma.end > start]:
            unmap_vma(isolate_range(vma, max(start, vma.start), min(end, vma.end)))
    return 0


def unmap_vma(vma: VMA) -> None:
    """Take a whole area and its pages away."""
    zap_page_range(vma, vma.start, vma.end)
    if vma.flags & VM_LOCKED:
        vma.mm.locked_vm -= vma.end - vma.start
    remove_vma(vma)


def exit_mmap(mm: MmStruct) -> None:
    """Take all of a process's memory away (exit_mmap)."""
    with mm.mmap_lock.write():
        for vma in list(mm.vmas):
            unmap_vma(vma)


def mmput(mm: MmStruct) -> None:
    """One less uses a process's memory; with the last one it goes (mmput)."""
    seam = mm.user.vm.seam
    if seam is not None:
        seam.point("aw", ("users", mm.name))
    mm.users -= 1
    if not mm.users:
        exit_mmap(mm)


@contextmanager
def mmget(mm: MmStruct) -> Iterator[None]:
    """One more uses a process's memory, and keeps it beyond the process's exit until the block ends (mmget)."""
    mm.users += 1
    try:
        yield
    finally:
        mmput(mm)


__all__ = [
    "TASK_PAGES",
    "change_vma",
    "do_mmap",
    "do_munmap",
    "exit_mmap",
    "insert_vma",
    "isolate_range",
    "mmget",
    "mmput",
    "page_align",
    "split_vma",
    "vma_merge",
]
