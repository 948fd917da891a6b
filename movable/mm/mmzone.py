"""struct zone: a range of frames, its free blocks, its pageblocks and its watermarks; struct pglist_data: a NUMA node, its zones,
and the order in which they are tried (include/linux/mmzone.h).

A free block is known by the number of its first frame, in two places that always agree: ``buddy`` leads from the
number to the block's code, and ``free_lists[code]`` is the list that it is on. A code is ``order << 3 | migratetype
of the list``. In a list the *last* key is the head, because that end is the cheap one; use ``FreeArea.blocks`` and
``FreeArea.first``.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.gfp import (
    __GFP_ATOMIC,
    GFP_DIRECT_RECLAIM,
    GFP_HIGH,
    GFP_MEMALLOC,
    GFP_MOVABLE,
    GFP_THISNODE,
    GFP_ZERO,
    MAX_ORDER,
    MIGRATE_CMA,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_TYPES,
    ZONE_NAMES,
    gfp_migratetype,
    gfp_zone,
)

if TYPE_CHECKING:
    from movable.mm.swap import LruVec
    from movable.mm.vm import VM

FreeList = OrderedDict[int, None]

WMARK_MIN, WMARK_LOW, WMARK_HIGH = range(3)
MORE_THAN_LOOK = GFP_DIRECT_RECLAIM | GFP_HIGH | __GFP_ATOMIC | GFP_MEMALLOC
"""Requests that may reclaim, or go below the min watermark."""
ALLOC_NO_WATERMARKS = 0x04
ALLOC_OOM = 0x08
ALLOC_HARDER = 0x10
ALLOC_HIGH = 0x20
ALLOC_CMA = 0x80


class FreeArea:
    """The free blocks of one order (struct free_area): ``free_list[migratetype]`` is an ordered set of first frames."""

    __slots__ = ("free_list", "order")

    def __init__(self, order: int, free_list: list[FreeList]) -> None:
        self.order = order
        self.free_list = free_list

    @property
    def nr_free(self) -> int:
        """How many blocks, of all migratetypes."""
        return sum(map(len, self.free_list))

    def blocks(self, migratetype: int) -> Iterator[int]:
        """The first frames of the blocks of a type, from the list's head to its tail."""
        return reversed(self.free_list[migratetype])

    def first(self, migratetype: int) -> int:
        """The block at the head of a type's list, -1 when there is none."""
        return next(reversed(self.free_list[migratetype]), -1)


class Zone:
    """A zone.

    ``start_pfn`` and ``nr_frames`` say where it lies; ``name`` is one of ZONE_NAMES. ``nr_free`` is NR_FREE_PAGES,
    which leaves out isolated pageblocks. ``pageblocks`` holds the migratetype of each pageblock, ``skip`` compaction's
    hint for each; ``base`` is the number of the first. ``pgalloc`` and ``pgfree`` count frames handed out and taken
    back. ``offline`` holds the pageblocks, by number in the zone, that are no memory at the moment. Raises UsageError
    for an unknown name.
    """

    __slots__ = (
        "_watermark",
        "base",
        "buddy",
        "compact_blockskip_flush",
        "compact_cached_free_pfn",
        "compact_cached_migrate_pfn",
        "compact_considered",
        "compact_defer_shift",
        "compact_order_failed",
        "end_pfn",
        "free_area",
        "free_lists",
        "index",
        "lowmem_reserve",
        "managed_pages",
        "name",
        "node",
        "nr_cma_blocks",
        "nr_free",
        "nr_isolate_pageblock",
        "nr_reserved_highatomic",
        "offline",
        "pageblock_order",
        "pageblocks",
        "pgalloc",
        "pgfree",
        "present_pages",
        "skip",
        "spanned_pages",
        "start_pfn",
        "vm",
        "vmstat",
    )

    def __init__(self, vm: VM, node: Node, name: str, start_pfn: int, nr_frames: int) -> None:
        if name not in ZONE_NAMES:
            raise UsageError(f"unknown zone {name!r} in node {node.nid}; use one of {', '.join(ZONE_NAMES)}")
        self.vm = vm
        self.node = node
        self.name = name
        self.index = ZONE_NAMES.index(name)
        self.start_pfn = start_pfn
        self.end_pfn = start_pfn + nr_frames
        self.spanned_pages = self.present_pages = self.managed_pages = nr_frames
        lists: list[FreeList] = [OrderedDict() for _ in range(MAX_ORDER * MIGRATE_TYPES)]
        self.free_area = [FreeArea(order, lists[order * MIGRATE_TYPES : (order + 1) * MIGRATE_TYPES]) for order in range(MAX_ORDER)]
        # Eight places an order, so that a code is also an index; the last two are never used.
        unused: FreeList = OrderedDict()
        self.free_lists = [block for area in self.free_area for block in (*area.free_list, unused, unused)]
        self.buddy: dict[int, int] = {}
        self.nr_free = 0
        self._watermark = (0, 0, 0)
        self.lowmem_reserve = [0] * len(ZONE_NAMES)
        self.nr_reserved_highatomic = 0
        self.pgalloc = 0
        self.pgfree = 0
        self.vmstat: defaultdict[str, int] = defaultdict(int)
        self.offline: set[int] = set()
        self._init_pageblocks(vm.pageblock_order)
        self._init_compaction()

    def _init_pageblocks(self, order: int) -> None:
        self.pageblock_order = order
        self.base = self.start_pfn >> order
        count = ((self.end_pfn - 1) >> order) - self.base + 1
        self.pageblocks = bytearray([MIGRATE_MOVABLE]) * count
        self.skip = bytearray(count)
        self.nr_isolate_pageblock = 0
        self.nr_cma_blocks = 0

    def _init_compaction(self) -> None:
        self.compact_cached_migrate_pfn = [self.start_pfn, self.start_pfn]
        self.compact_cached_free_pfn = ((self.end_pfn - 1) >> self.pageblock_order) << self.pageblock_order
        self.compact_considered = 0
        self.compact_defer_shift = 0
        self.compact_order_failed = 0
        self.compact_blockskip_flush = False

    def init_free(self) -> None:
        """Put every frame on the free lists, in the largest aligned blocks, all movable (mm/page_alloc.c,
        free_area_init).

        The lowest block goes in first, so that the highest is handed out first, as after the boot of a 4.19 kernel.
        """
        pfn, end = self.start_pfn, self.end_pfn
        while pfn < end:
            order = min(MAX_ORDER - 1, (end - pfn).bit_length() - 1)
            if pfn:
                order = min(order, (pfn & -pfn).bit_length() - 1)
            code = order << 3 | MIGRATE_MOVABLE
            self.buddy[pfn] = code
            self.free_lists[code][pfn] = None
            pfn += 1 << order
        self.nr_free = end - self.start_pfn

    # free blocks

    def buddy_order(self, pfn: int) -> int:
        """The order of the free block that begins at ``pfn``, -1 when none begins there (PageBuddy and page_order)."""
        code = self.buddy.get(pfn)
        return -1 if code is None else code >> 3

    def free_blocks(self) -> Iterator[tuple[int, int]]:
        """(first frame, order) of every free block, in no particular order."""
        return ((pfn, code >> 3) for pfn, code in self.buddy.items())

    def nr_free_cma(self) -> int:
        """Free frames on the lists of CMA (NR_FREE_CMA_PAGES)."""
        return sum(len(area.free_list[MIGRATE_CMA]) << area.order for area in self.free_area)

    # watermarks

    @property
    def watermark(self) -> tuple[int, int, int]:
        """(min, low, high), in frames. May be set, for an experiment; ``setup_per_zone_wmarks`` computes them again."""
        return self._watermark

    @watermark.setter
    def watermark(self, marks: tuple[int, int, int]) -> None:
        self._watermark = marks
        build_all_zonelists(self.vm)

    def reserve_highatomic(self, frames: int) -> None:
        """Change how many frames are kept for atomic requests of higher order."""
        self.nr_reserved_highatomic += frames
        build_all_zonelists(self.vm)

    # pageblocks

    def pageblock_type(self, pfn: int) -> int:
        """The migratetype of the pageblock that holds ``pfn`` (get_pageblock_migratetype)."""
        return self.pageblocks[(pfn >> self.pageblock_order) - self.base]

    def set_pageblock_migratetype(self, pfn: int, migratetype: int) -> None:
        """Change the type of a pageblock; its free blocks stay on the lists they are on (set_pageblock_migratetype)."""
        number = (pfn >> self.pageblock_order) - self.base
        old = self.pageblocks[number]
        self.pageblocks[number] = migratetype
        self.nr_isolate_pageblock += (migratetype == MIGRATE_ISOLATE) - (old == MIGRATE_ISOLATE)
        if MIGRATE_CMA in (old, migratetype):
            self.nr_cma_blocks += (migratetype == MIGRATE_CMA) - (old == MIGRATE_CMA)
            build_all_zonelists(self.vm)

    def is_isolate(self, pfn: int) -> bool:
        """Whether the pageblock that holds ``pfn`` is isolated (is_migrate_isolate_page)."""
        return self.pageblocks[(pfn >> self.pageblock_order) - self.base] == MIGRATE_ISOLATE

    def offline_ranges(self) -> Iterator[tuple[int, int]]:
        """(first frame, end) of every pageblock that is no memory at the moment, by frame number."""
        for number in sorted(self.offline):
            start = (self.base + number) << self.pageblock_order
            yield max(start, self.start_pfn), min(start + (1 << self.pageblock_order), self.end_pfn)

    def get_pageblock_skip(self, pfn: int) -> bool:
        """Whether compaction was told to skip the pageblock."""
        return bool(self.skip[(pfn >> self.pageblock_order) - self.base])

    def set_pageblock_skip(self, pfn: int) -> None:
        """Tell compaction to skip the pageblock."""
        self.skip[(pfn >> self.pageblock_order) - self.base] = 1

    def clear_pageblock_skip(self, pfn: int) -> None:
        """Let compaction look at the pageblock again."""
        self.skip[(pfn >> self.pageblock_order) - self.base] = 0

    def __repr__(self) -> str:
        return f"<node {self.node.nid}, zone {self.name}, frames {self.start_pfn} to {self.end_pfn - 1}>"


def build_all_zonelists(vm: VM) -> None:
    """Forget what allocations mean; call it when zones come or go (build_all_zonelists)."""
    for node in vm.nodes:
        node.contexts.clear()


# --- nodes ---


class AllocContext:
    """What an allocation with some gfp means on a node (struct alloc_context, mm/internal.h).

    ``zones`` is the zonelist, ``classzone`` the number of the highest zone allowed. ``fast`` is for order 0: pairs of a zone
    and the number of free frames that must be exceeded there, the migratetype, and whether the page is to be cleared. A
    zonelist with CMA in it has no such pairs for a request that may not use CMA, because the number would change all the time,
    nor where CMA may come first. ``last`` are the same pairs, at the min watermark, for a request that may only look.
    """

    __slots__ = ("classzone", "fast", "last", "migratetype", "zones")

    def __init__(self, zones: tuple[Zone, ...], gfp: int) -> None:
        self.zones = zones
        self.migratetype = gfp_migratetype(gfp)
        self.classzone = classzone = gfp_zone(gfp)
        low, least = (
            tuple((zone, zone.watermark[mark] + zone.lowmem_reserve[classzone] + zone.nr_reserved_highatomic) for zone in zones)
            for mark in (WMARK_LOW, WMARK_MIN)
        )
        if any(zone.nr_cma_blocks and (not gfp & GFP_MOVABLE or zone.vm.era.cma_first) for zone in zones):
            low = least = ()
        self.fast = (low, self.migratetype, bool(gfp & GFP_ZERO))
        self.last = () if gfp & MORE_THAN_LOOK else least

    def exhausted(self) -> bool:
        """Whether a request that may only look finds nothing: no zone has more than its min watermark."""
        for zone, floor in self.last:
            if zone.nr_free > floor:
                return False
        return bool(self.last)


class Node:
    """A node.

    ``nid`` is its number, ``zones`` its zones, ``vmstat`` its own counters (pgdat's vm_stat). ``contexts`` remembers
    for every gfp what an allocation with it means here; ``build_all_zonelists`` empties it.
    """

    __slots__ = ("_fallback", "contexts", "lruvec", "nid", "vm", "vmstat", "zones")

    def __init__(self, vm: VM, nid: int) -> None:
        self.vm = vm
        self.nid = nid
        self.zones: list[Zone] = []
        self.vmstat: defaultdict[str, int] = defaultdict(int)
        self.contexts: dict[int, AllocContext] = {}
        self._fallback: tuple[int, ...] = ()
        self.lruvec: LruVec | None = None

    @property
    def fallback(self) -> tuple[int, ...]:
        """The nodes to try, this one first: upwards, then around (build_zonelists, for equal distances)."""
        if not self._fallback:
            count = len(self.vm.nodes)
            self._fallback = tuple((self.nid + step) % count for step in range(count))
        return self._fallback

    @property
    def present_pages(self) -> int:
        """Frames of this node (node_present_pages)."""
        return sum(zone.present_pages for zone in self.zones)

    def zonelist(self, gfp: int) -> tuple[Zone, ...]:
        """The zones to try, best first: this node's from the highest allowed down, then the other nodes'.

        Other nodes follow in the order of build_zonelists for equal distances: upwards, then around. Movable zones
        serve only requests that may use high memory and are movable. Raises UsageError as ``gfp_zone`` does.
        """
        highest = gfp_zone(gfp)
        nodes = self.vm.nodes
        if gfp & GFP_THISNODE:
            order = [self]
        else:
            order = [node for node in nodes if node.nid >= self.nid] + [node for node in nodes if node.nid < self.nid]
        return tuple(
            zone
            for node in order
            for zone in sorted(node.zones, key=lambda zone: (-zone.index, zone.start_pfn))
            if zone.index <= highest
        )

    def context(self, gfp: int) -> AllocContext:
        """What an allocation with ``gfp`` means here. Raises UsageError for bits that contradict each other."""
        found = self.contexts.get(gfp)
        if found is None:
            found = self.contexts[gfp] = AllocContext(self.zonelist(gfp), gfp)
        return found

    def __repr__(self) -> str:
        return f"<node {self.nid}>"
