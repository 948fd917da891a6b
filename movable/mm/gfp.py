"""GFP flags, migratetypes and zone names, in the numbers of a 4.19 kernel (include/linux/gfp.h,
include/linux/mmzone.h).

A name that begins with two underscores cannot be used inside a class body, where Python would rewrite it; the bits that
drivers need have a second name without the underscores, which is the one in ``movable.__all__``.
"""

from __future__ import annotations

from movable.errors import UsageError

# Where the page may lie, and how it can move.
__GFP_DMA = 0x01
__GFP_HIGHMEM = 0x02
__GFP_DMA32 = 0x04
__GFP_MOVABLE = 0x08
__GFP_RECLAIMABLE = 0x10
# What the allocation may do.
__GFP_HIGH = 0x20
__GFP_IO = 0x40
__GFP_FS = 0x80
__GFP_WRITE = 0x100
__GFP_NOWARN = 0x200
__GFP_RETRY_MAYFAIL = 0x400
__GFP_NOFAIL = 0x800
__GFP_NORETRY = 0x1000
__GFP_MEMALLOC = 0x2000
__GFP_COMP = 0x4000
__GFP_ZERO = 0x8000
__GFP_NOMEMALLOC = 0x10000
__GFP_HARDWALL = 0x20000
__GFP_THISNODE = 0x40000
__GFP_ATOMIC = 0x80000
__GFP_ACCOUNT = 0x100000
__GFP_DIRECT_RECLAIM = 0x200000
__GFP_KSWAPD_RECLAIM = 0x400000
__GFP_RECLAIM = __GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM

GFP_ATOMIC = __GFP_HIGH | __GFP_ATOMIC | __GFP_KSWAPD_RECLAIM
GFP_KERNEL = __GFP_RECLAIM | __GFP_IO | __GFP_FS
GFP_KERNEL_ACCOUNT = GFP_KERNEL | __GFP_ACCOUNT
GFP_NOWAIT = __GFP_KSWAPD_RECLAIM
GFP_NOIO = __GFP_RECLAIM
GFP_NOFS = __GFP_RECLAIM | __GFP_IO
GFP_USER = GFP_KERNEL | __GFP_HARDWALL
GFP_DMA = __GFP_DMA
GFP_DMA32 = __GFP_DMA32
GFP_HIGHUSER = GFP_USER | __GFP_HIGHMEM
GFP_HIGHUSER_MOVABLE = GFP_HIGHUSER | __GFP_MOVABLE
GFP_TRANSHUGE_LIGHT = (GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN) & ~__GFP_RECLAIM
GFP_TRANSHUGE = GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM
GFP_MOVABLE_MASK = __GFP_RECLAIMABLE | __GFP_MOVABLE

# Names for class bodies. GFP_ATOMIC, GFP_DMA and GFP_DMA32 are compounds above; of these only ATOMIC differs from its
# bit.
GFP_HIGHMEM = __GFP_HIGHMEM
GFP_MOVABLE = __GFP_MOVABLE
GFP_RECLAIMABLE = __GFP_RECLAIMABLE
GFP_HIGH = __GFP_HIGH
GFP_NOWARN = __GFP_NOWARN
GFP_RETRY_MAYFAIL = __GFP_RETRY_MAYFAIL
GFP_NOFAIL = __GFP_NOFAIL
GFP_NORETRY = __GFP_NORETRY
GFP_MEMALLOC = __GFP_MEMALLOC
GFP_COMP = __GFP_COMP
GFP_ZERO = __GFP_ZERO
GFP_NOMEMALLOC = __GFP_NOMEMALLOC
GFP_THISNODE = __GFP_THISNODE
GFP_DIRECT_RECLAIM = __GFP_DIRECT_RECLAIM
GFP_KSWAPD_RECLAIM = __GFP_KSWAPD_RECLAIM

MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_HIGHATOMIC, MIGRATE_CMA, MIGRATE_ISOLATE = range(6)
MIGRATE_PCPTYPES = MIGRATE_HIGHATOMIC
MIGRATE_TYPES = 6
MIGRATETYPE_NAMES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate")
"""Names as /proc/pagetypeinfo prints them, by number (mm/page_alloc.c, migratetype_names)."""

ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_MOVABLE = range(4)
ZONE_NAMES = ("DMA", "DMA32", "Normal", "Movable")
"""Names of the zones of x86-64, from the most to the least wanted by devices."""

MAX_ORDER = 11
"""One more than the largest order of a block."""
PAGE_ALLOC_COSTLY_ORDER = 3

GFP_NAMES = {
    name: value for name, value in globals().items() if name.startswith("__GFP_") and value.bit_count() == 1
}
"""The single bits, by kernel name."""


def gfp_migratetype(gfp: int) -> int:
    """The migratetype that ``gfp`` asks for (include/linux/gfp.h, gfpflags_to_migratetype).

    Raises UsageError when both mobility bits are set.
    """
    bits = gfp & GFP_MOVABLE_MASK
    if bits == GFP_MOVABLE_MASK:
        raise UsageError(f"gfp {gfp:#x} asks for movable and reclaimable at once; set one of the two bits")
    return bits >> 3


def gfp_zone(gfp: int) -> int:
    """The number of the highest zone that ``gfp`` allows (include/linux/gfp.h, gfp_zone).

    x86-64 has no HighMem, so that __GFP_HIGHMEM alone means Normal. Raises UsageError for two of the bits that name
    different zones.
    """
    bits = gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM)
    if bits & (bits - 1):
        raise UsageError(f"gfp {gfp:#x} names more than one zone; set at most one of DMA, DMA32 and HIGHMEM")
    if bits == __GFP_DMA:
        return ZONE_DMA
    if bits == __GFP_DMA32:
        return ZONE_DMA32
    return ZONE_MOVABLE if bits and gfp & __GFP_MOVABLE else ZONE_NORMAL


def gfp_names(gfp: int) -> str:
    """The bits of ``gfp`` in words, joined by "|"."""
    return "|".join(name for name, bit in GFP_NAMES.items() if gfp & bit) or "none"
