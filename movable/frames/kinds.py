"""What a frame is, from its word in /proc/kpageflags (include/uapi/linux/kernel-page-flags.h)."""

from __future__ import annotations

from typing import NamedTuple

from movable.mm.proc_page import (
    KPF_ANON,
    KPF_BUDDY,
    KPF_COMPOUND_HEAD,
    KPF_COMPOUND_TAIL,
    KPF_HUGE,
    KPF_HWPOISON,
    KPF_LRU,
    KPF_MMAP,
    KPF_NOPAGE,
    KPF_RESERVED,
    KPF_SLAB,
    KPF_SWAPBACKED,
    KPF_THP,
    KPF_UNEVICTABLE,
)

KPF_OFFLINE, KPF_ZERO_PAGE, KPF_PGTABLE = 23, 24, 26


class Kind(NamedTuple):
    """A sort of frame. ``movable`` says whether compaction can move it as a rule; ``there`` is False for a hole."""

    name: str
    movable: bool
    there: bool = True
    free: bool = False


HOLE = Kind("hole", False, there=False)
FREE = Kind("free", True, free=True)
POISONED = Kind("faulty", False)
BALLOON = Kind("balloon", True)
RESERVED = Kind("reserved", False)
SLAB = Kind("slab", False)
TABLE = Kind("page table", False)
HUGETLB = Kind("hugetlb", True)
THP = Kind("huge page", True)
ANON = Kind("anonymous", True)
SHMEM = Kind("shared memory", True)
FILE = Kind("file", True)
LOCKED = Kind("unevictable", True)
COMPOUND = Kind("kernel block", False)
KERNEL = Kind("kernel or driver", False)
KINDS = (
    FREE, ANON, FILE, SHMEM, THP, HUGETLB, LOCKED, BALLOON, KERNEL, COMPOUND, SLAB, TABLE, RESERVED, POISONED, HOLE,
)  # fmt: skip

_BY_BIT = (
    (KPF_NOPAGE, HOLE), (KPF_HWPOISON, POISONED), (KPF_BUDDY, FREE), (KPF_OFFLINE, BALLOON), (KPF_RESERVED, RESERVED),
    (KPF_ZERO_PAGE, RESERVED), (KPF_PGTABLE, TABLE), (KPF_SLAB, SLAB), (KPF_HUGE, HUGETLB), (KPF_THP, THP),
    (KPF_UNEVICTABLE, LOCKED), (KPF_ANON, ANON),
)  # fmt: skip


def kind_of(flags: int) -> Kind:
    """The kind that a word of flags says. A page of a driver has no flag of its own and counts as one of the kernel's."""
    for bit, kind in _BY_BIT:
        if flags >> bit & 1:
            return kind
    if flags >> KPF_LRU & 1 or flags >> KPF_MMAP & 1:
        return SHMEM if flags >> KPF_SWAPBACKED & 1 else FILE
    return COMPOUND if flags >> KPF_COMPOUND_HEAD & 1 or flags >> KPF_COMPOUND_TAIL & 1 else KERNEL
