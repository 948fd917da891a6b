"""Compaction that failed is not tried again at once: the back-off of a zone (mm/compaction.c).

A zone that failed at an order lets the next ``1 << compact_defer_shift`` attempts at that order or a higher one pass, less one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone

COMPACT_MAX_DEFER_SHIFT = 6


def defer_compaction(zone: Zone, order: int) -> None:
    """An attempt at ``order`` failed: wait twice as long as last time, 64 attempts at most."""
    zone.compact_considered = 0
    zone.compact_defer_shift = min(zone.compact_defer_shift + 1, COMPACT_MAX_DEFER_SHIFT)
    zone.compact_order_failed = min(zone.compact_order_failed, order)


def compaction_deferred(zone: Zone, order: int) -> bool:
    """Whether this attempt must wait; counts it. Orders below the one that failed never wait."""
    if order < zone.compact_order_failed:
        return False
    limit = 1 << zone.compact_defer_shift
    zone.compact_considered = min(zone.compact_considered + 1, limit)
    return zone.compact_considered < limit


def compaction_defer_reset(zone: Zone, order: int, alloc_success: bool) -> None:
    """Compaction reached ``order``; with ``alloc_success`` the allocation got its block too, and the back-off ends."""
    if alloc_success:
        zone.compact_considered = 0
        zone.compact_defer_shift = 0
    zone.compact_order_failed = max(zone.compact_order_failed, order + 1)


def compaction_restarting(zone: Zone, order: int) -> bool:
    """Whether this is the attempt that follows the longest wait, so that old hints are worth nothing."""
    return (
        order >= zone.compact_order_failed
        and zone.compact_defer_shift == COMPACT_MAX_DEFER_SHIFT
        and zone.compact_considered >= 1 << COMPACT_MAX_DEFER_SHIFT
    )
