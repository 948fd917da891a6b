"""/proc/kpageflags and /proc/kpagecount: eight little-endian bytes for every frame (fs/proc/page.c).

Both come in pieces too, so that a large machine needs no more memory than a piece.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from movable.mm.movable_ops import TYPE_SHIFT
from movable.mm.page import Page
from movable.mm.page_flags import (
    IN_SWAP_CACHE,
    PAGE_MAPPING_ANON,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_KSM,
    PAGE_TYPE_BASE,
    PG_active,
    PG_arch_1,
    PG_balloon,
    PG_dirty,
    PG_error,
    PG_head,
    PG_hwpoison,
    PG_locked,
    PG_lru,
    PG_mappedtodisk,
    PG_mlocked,
    PG_owner_priv_1,
    PG_private,
    PG_private_2,
    PG_reclaim,
    PG_referenced,
    PG_reserved,
    PG_slab,
    PG_swapbacked,
    PG_unevictable,
    PG_uptodate,
    PG_writeback,
)

if TYPE_CHECKING:
    from movable.eras import Era
    from movable.mm.vm import VM

KPF_LOCKED, KPF_ERROR, KPF_REFERENCED, KPF_UPTODATE, KPF_DIRTY, KPF_LRU, KPF_ACTIVE, KPF_SLAB = range(8)
KPF_WRITEBACK, KPF_RECLAIM, KPF_BUDDY, KPF_MMAP, KPF_ANON, KPF_SWAPCACHE, KPF_SWAPBACKED = range(8, 15)
KPF_COMPOUND_HEAD, KPF_COMPOUND_TAIL, KPF_HUGE, KPF_UNEVICTABLE, KPF_HWPOISON, KPF_NOPAGE = range(15, 21)
KPF_KSM, KPF_THP, KPF_BALLOON = range(21, 24)
KPF_RESERVED, KPF_MLOCKED, KPF_MAPPEDTODISK, KPF_PRIVATE, KPF_PRIVATE_2, KPF_OWNER_PRIVATE, KPF_ARCH = range(32, 39)

COPIED = (
    (PG_locked, KPF_LOCKED),
    (PG_error, KPF_ERROR),
    (PG_referenced, KPF_REFERENCED),
    (PG_uptodate, KPF_UPTODATE),
    (PG_dirty, KPF_DIRTY),
    (PG_lru, KPF_LRU),
    (PG_active, KPF_ACTIVE),
    (PG_slab, KPF_SLAB),
    (PG_writeback, KPF_WRITEBACK),
    (PG_reclaim, KPF_RECLAIM),
    (PG_swapbacked, KPF_SWAPBACKED),
    (PG_head, KPF_COMPOUND_HEAD),
    (PG_unevictable, KPF_UNEVICTABLE),
    (PG_hwpoison, KPF_HWPOISON),
    (PG_reserved, KPF_RESERVED),
    (PG_mlocked, KPF_MLOCKED),
    (PG_mappedtodisk, KPF_MAPPEDTODISK),
    (PG_private, KPF_PRIVATE),
    (PG_private_2, KPF_PRIVATE_2),
    (PG_owner_priv_1, KPF_OWNER_PRIVATE),
    (PG_arch_1, KPF_ARCH),
)
"""(bit of the page's flags, bit of the ABI) of the flags that are shown as they are."""
STICKY_COPIED = tuple(pair for pair in COPIED if pair[0] not in (PG_error, PG_mappedtodisk))
"""The same in kernels whose marks stay, which have two flags less. There UPTODATE is the mark of a movable page."""
CHUNK_FRAMES = 1 << 16
"""Frames in a piece: half a megabyte."""


def stable_page_flags(page: Page) -> int:
    """The ABI's flags of one page (stable_page_flags).

    An isolated movable page shows RECLAIM, because PG_isolated is that bit. MMAP can be wrong where an owner keeps
    something else in the map count.
    """
    flags, era = page._flags, page.vm.era
    word = sum((flags >> bit & 1) << shown for bit, shown in (STICKY_COPIED if era.sticky_mark else COPIED))
    if not flags >> PG_slab & 1 and page._mapcount >= 0:
        word |= 1 << KPF_MMAP
    if page._mapping & PAGE_MAPPING_ANON:
        word |= 1 << KPF_ANON
    if page._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_KSM:
        word |= 1 << KPF_KSM
    if flags >> PG_head & 1 and _is_thp(page):
        word |= 1 << KPF_THP
    if page.zone.buddy_order(page.pfn) >= 0:
        word |= 1 << KPF_BUDDY
    if _is_offline(page, era):
        word |= 1 << KPF_BALLOON
    if flags & IN_SWAP_CACHE == IN_SWAP_CACHE:
        word |= 1 << KPF_SWAPCACHE
    return word


def _is_offline(page: Page, era: Era) -> bool:
    """Whether the page's type is the one that balloons have: a bit that is cleared, or a number in the top byte."""
    if era.sticky_mark:
        return page._mapcount >> TYPE_SHIFT == era.page_types["offline"] >> TYPE_SHIFT
    return page._mapcount & (PAGE_TYPE_BASE | PG_balloon) == PAGE_TYPE_BASE


def _is_thp(head: Page) -> bool:
    return bool(head._flags >> PG_lru & 1 or head._mapping & PAGE_MAPPING_ANON)


class _Machine:
    """What a dump looks up again for every piece, sorted once."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.blocks = sorted(block for zone in vm.zones for block in zone.free_blocks())
        self.pages = sorted(vm.pages)
        self.holes = sorted(hole for zone in vm.zones for hole in zone.offline_ranges())
        self.heads = [page for page in vm.pages.values() if page._flags >> PG_head & 1 and page._refcount]

    def flags(self, words: array[int], start: int, end: int) -> None:
        """Fill in the flags of the frames from ``start`` to ``end``."""
        # Blocks are aligned to their size and pieces to a multiple of the largest, so that none reaches over an edge.
        for pfn, order in self.blocks[bisect_left(self.blocks, (start, 0)) : bisect_left(self.blocks, (end, 0))]:
            _fill(words, start, pfn, pfn + (1 << order), 1 << KPF_BUDDY)
        for head in self.heads:
            thp = _is_thp(head) << KPF_THP
            _fill(words, start, head.pfn + 1, head.pfn + (1 << head.order), 1 << KPF_COMPOUND_TAIL | thp)
        pages = self.vm.pages
        for pfn in self.pages[bisect_left(self.pages, start) : bisect_left(self.pages, end)]:
            words[pfn - start] |= stable_page_flags(pages[pfn])
        for first, last in self.holes:
            _fill(words, start, first, last, 1 << KPF_NOPAGE)

    def counts(self, words: array[int], start: int, end: int) -> None:
        """Fill in how often each frame is mapped; 0 for slab pages and pages with a type."""
        pages = self.vm.pages
        for pfn in self.pages[bisect_left(self.pages, start) : bisect_left(self.pages, end)]:
            page = pages[pfn]
            if not page._flags >> PG_slab & 1:
                words[pfn - start] = max(0, page._mapcount + 1)


def _fill(words: array[int], start: int, first: int, last: int, value: int) -> None:
    first, last = max(first - start, 0), min(last - start, len(words))
    if first < last:
        words[first:last] = array("Q", (value,)) * (last - first)


def _chunks(vm: VM, fill: Callable[[array[int], int, int], None]) -> Iterator[bytes]:
    for start in range(0, vm.nr_frames, CHUNK_FRAMES):
        end = min(start + CHUNK_FRAMES, vm.nr_frames)
        words = array("Q", bytes(8 * (end - start)))
        fill(words, start, end)
        if sys.byteorder == "big":
            words.byteswap()
        yield words.tobytes()


def kpageflags_chunks(vm: VM) -> Iterator[bytes]:
    """/proc/kpageflags in pieces of CHUNK frames, from frame 0 on. The machine must not change meanwhile."""
    return _chunks(vm, _Machine(vm).flags)


def kpageflags(vm: VM) -> bytes:
    """/proc/kpageflags: the flags of every frame, eight little-endian bytes each. A frame that is no memory shows
    NOPAGE."""
    return b"".join(kpageflags_chunks(vm))


def kpagecount_chunks(vm: VM) -> Iterator[bytes]:
    """/proc/kpagecount in pieces of CHUNK frames, from frame 0 on. The machine must not change meanwhile."""
    return _chunks(vm, _Machine(vm).counts)


def kpagecount(vm: VM) -> bytes:
    """/proc/kpagecount: how often every frame is mapped, eight little-endian bytes each."""
    return b"".join(kpagecount_chunks(vm))
