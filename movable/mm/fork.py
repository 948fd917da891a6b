"""Copying the memory of a process (kernel/fork.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.memory import copy_page_range
from movable.mm.mm_types import VM_LOCKED, VMA
from movable.mm.mmap import insert_vma
from movable.mm.rmap import anon_vma_fork

if TYPE_CHECKING:
    from movable.mm.mm_types import MmStruct


def dup_mm(source: MmStruct, target: MmStruct) -> None:
    """Give the child every area of the parent, unlocked, with its policy and its private pages (dup_mmap)."""
    with source.mmap_lock.write():
        _copy_areas(source, target)


def _copy_areas(source: MmStruct, target: MmStruct) -> None:
    for vma in source.vmas:
        copy = VMA(target, vma.start, vma.end, vma.flags & ~VM_LOCKED, vma.file, vma.pgoff)
        copy.name = vma.name
        copy.policy = vma.policy.dup() if vma.policy is not None else None
        anon_vma_fork(copy, vma)
        insert_vma(copy)
        copy_page_range(copy, vma)
