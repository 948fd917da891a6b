"""Watermarks: how many frames a zone keeps back, and whether a request may have some (mm/page_alloc.c)."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from movable.mm.gfp import MIGRATE_CMA, MIGRATE_HIGHATOMIC, MIGRATE_PCPTYPES, ZONE_NAMES
from movable.mm.mmzone import ALLOC_CMA, ALLOC_HARDER, ALLOC_HIGH, ALLOC_OOM, Zone, build_all_zonelists

if TYPE_CHECKING:
    from movable.mm.vm import VM

LOWMEM_RESERVE_RATIO = (256, 256, 32, 0)
"""By zone number: one frame in so many of the zones above is kept back (vm.lowmem_reserve_ratio)."""
WATERMARK_SCALE_FACTOR = 10
SMALL_MACHINE_FRAMES = 1024
"""Below so many frames the lower bound of min_free_kbytes would lock up most of the machine; see ``min_free_pages``."""


def zone_watermark_ok(zone: Zone, order: int, mark: int, classzone: int, alloc_flags: int = 0) -> bool:
    """Whether a block of ``order`` can go and ``mark`` frames stay free (__zone_watermark_ok).

    ``classzone`` is the highest zone that the request may use, as ``gfp_zone`` says. Of ALLOC_HIGH, ALLOC_HARDER and
    ALLOC_OOM each lets the request dip below the mark; without ALLOC_CMA the free frames of CMA do not count.
    """
    free = zone.nr_free - (1 << order) + 1
    harder = alloc_flags & (ALLOC_HARDER | ALLOC_OOM)
    if alloc_flags & ALLOC_HIGH:
        mark -= mark // 2
    if harder:
        mark -= mark // 2 if alloc_flags & ALLOC_OOM else mark // 4
    else:
        free -= zone.nr_reserved_highatomic
    if zone.nr_cma_blocks and not alloc_flags & ALLOC_CMA:
        free -= zone.nr_free_cma()
    if free <= mark + zone.lowmem_reserve[classzone]:
        return False
    return not order or _has_block(zone, order, alloc_flags)


def _has_block(zone: Zone, order: int, alloc_flags: int) -> bool:
    """Whether a list that the request may use holds a block that is large enough."""
    for area in zone.free_area[order:]:
        if any(area.free_list[:MIGRATE_PCPTYPES]):
            return True
        if alloc_flags & ALLOC_CMA and area.free_list[MIGRATE_CMA]:
            return True
        if alloc_flags & (ALLOC_HARDER | ALLOC_OOM) and area.free_list[MIGRATE_HIGHATOMIC]:
            return True
    return False


def min_free_pages(frames: int) -> int:
    """Frames that a machine of ``frames`` keeps for those who must not wait (init_per_zone_wmark_min).

    The kernel takes the root of 16 times the kilobytes, between 128 kB and 64 MB. The lower bound would be half of a
    machine of 64 frames; so one frame in 16 is kept below 1024 frames, where both rules give the same.
    """
    if frames < SMALL_MACHINE_FRAMES:
        return frames >> 4
    return min(max(isqrt(frames * 4 * 16), 128), 65536) >> 2


def setup_per_zone_wmarks(vm: VM) -> None:
    """Share the machine's reserve out over the zones, by size, and compute what lower zones keep back from higher
    requests.

    Call it again after memory came or went (setup_per_zone_wmarks, setup_per_zone_lowmem_reserve).
    """
    total = sum(zone.managed_pages for zone in vm.zones)
    reserve = min_free_pages(total)
    for zone in vm.zones:
        low = reserve * zone.managed_pages // total if total else 0
        step = max(low // 4, zone.managed_pages * WATERMARK_SCALE_FACTOR // 10000)
        zone._watermark = (low, low + step, low + 2 * step)
    for node in vm.nodes:
        for zone in node.zones:
            ratio = LOWMEM_RESERVE_RATIO[zone.index] or 1
            zone.lowmem_reserve = [0] * len(ZONE_NAMES)
            if len(node.zones) == 1:
                continue
            for highest in range(zone.index + 1, len(ZONE_NAMES)):
                above = sum(other.managed_pages for other in node.zones if zone.index < other.index <= highest)
                zone.lowmem_reserve[highest] = above // ratio
    build_all_zonelists(vm)
