"""What one run of compaction carries with it, and what it can come to (mm/internal.h, include/linux/compaction.h)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from movable.mm.gfp import GFP_KERNEL, MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER, gfp_migratetype, gfp_zone
from movable.mm.list import ListHead
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone

(
    COMPACT_NOT_SUITABLE_ZONE,
    COMPACT_SKIPPED,
    COMPACT_DEFERRED,
    COMPACT_NO_SUITABLE_PAGE,
    COMPACT_CONTINUE,
    COMPACT_COMPLETE,
    COMPACT_PARTIAL_SKIPPED,
    COMPACT_CONTENDED,
    COMPACT_SUCCESS,
) = range(9)
"""enum compact_result. The order matters: who asks for several zones takes the largest."""

COMPACT_RESULT_NAMES = (
    "not_suitable_zone skipped deferred no_suitable_page continue complete partial_skipped contended success".split()
)
"""The names as tracepoints print them, by value."""

COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_ASYNC = range(3)
MIN_COMPACT_PRIORITY = COMPACT_PRIO_SYNC_FULL

COMPACT_CLUSTER_MAX = 32
"""How many pages one batch isolates at most, but for one that takes all that is left of a pageblock."""


class CompactControl:
    """The state of one run over one zone (struct compact_control, with its field names).

    ``order`` is what the run is for, -1 for everything; ``gfp_mask`` tells the migratetype; ``mode`` is one of MIGRATE_*.
    ``whole_zone``: start at the ends, not where the last run stopped. ``ignore_skip_hint``, ``no_set_skip_hint``: do not
    read, or write, the skip bits of pageblocks. ``ignore_block_suitable``: take free pages from blocks of every type.
    ``direct_compaction``: an allocation waits. ``contended``: set it, and the run ends soon, as a fatal signal does.
    ``captured``: where the first frame of a block goes that has become free for the request, None where nobody takes it.
    ``rescan``: the batch before this one began in the same pageblock, so that this one takes the rest of it.
    ``fast_sources``, ``fast_targets``: ask the free lists before a scan. ``fast_search_fail`` counts searches in vain in a row,
    ``fast_start_pfn`` is the lowest pageblock found (the zone's end for none yet, -1 when it was used), ``search_order`` the order
    to ask first. ``stride``: of so many frames a scan for free ones looks at one to begin with; ``strides``: that changes.
    ``enough`` says whether a run without an order may end early, None where it may not.
    ``migratepages`` and ``freepages`` hold the isolated pages, with their counts beside them.
    """

    __slots__ = (
        "captured",
        "classzone_idx",
        "contended",
        "direct_compaction",
        "enough",
        "fast_search_fail",
        "fast_sources",
        "fast_start_pfn",
        "fast_targets",
        "finishing_block",
        "free_pfn",
        "freepages",
        "gfp_mask",
        "ignore_block_suitable",
        "ignore_skip_hint",
        "migrate_pfn",
        "migratepages",
        "migratetype",
        "mode",
        "no_set_skip_hint",
        "nr_freepages",
        "nr_migratepages",
        "order",
        "rescan",
        "search_order",
        "stride",
        "strides",
        "total_free_scanned",
        "total_migrate_scanned",
        "whole_zone",
        "zone",
    )

    def __init__(
        self,
        zone: Zone,
        order: int = -1,
        gfp_mask: int = GFP_KERNEL,
        mode: int = MIGRATE_SYNC,
        *,
        ignore_skip_hint: bool = False,
        no_set_skip_hint: bool = False,
        ignore_block_suitable: bool = False,
        direct_compaction: bool = False,
        whole_zone: bool = False,
    ) -> None:
        self.zone = zone
        self.order = order
        self.gfp_mask = gfp_mask
        self.migratetype = gfp_migratetype(gfp_mask)
        self.classzone_idx = gfp_zone(gfp_mask)
        self.mode = mode
        self.ignore_skip_hint = ignore_skip_hint
        self.no_set_skip_hint = no_set_skip_hint
        self.ignore_block_suitable = ignore_block_suitable
        self.direct_compaction = direct_compaction
        self.whole_zone = whole_zone
        self.contended = False
        self.captured: list[int] | None = None
        self.enough: Callable[[], bool] | None = None
        self.finishing_block = self.rescan = False
        self._bind_searches()
        task = zone.vm.current.name  # two runs at once have two lists each, and reports tell them apart
        self.migratepages = ListHead(f"migratepages of {task}")
        self.freepages = ListHead(f"freepages of {task}")
        self.nr_migratepages = 0
        self.nr_freepages = 0
        self.total_migrate_scanned = 0
        self.total_free_scanned = 0
        self.migrate_pfn = zone.start_pfn
        self.free_pfn = zone.end_pfn

    def _bind_searches(self) -> None:
        """How this run searches, in its era: small requests are not worth an emptied block, and others only what they can use."""
        era = self.zone.vm.era
        usable = not self.direct_compaction or self.migratetype == MIGRATE_MOVABLE
        usable = usable or (era.compaction_fast_huge and self.order >= self.zone.pageblock_order)
        costly = self.order > PAGE_ALLOC_COSTLY_ORDER
        self.fast_sources = era.compaction_fast_sources and costly and usable and not self.ignore_skip_hint
        self.fast_targets = era.compaction_fast_targets and self.order > 0
        self.strides = era.compaction_strides
        self.stride = COMPACT_CLUSTER_MAX if self.strides and self.mode == MIGRATE_ASYNC else 1
        self.fast_search_fail = 0
        self.fast_start_pfn = self.zone.end_pfn
        self.search_order = self.order
