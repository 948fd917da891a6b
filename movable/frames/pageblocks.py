"""Which migratetype each pageblock of a real machine has. The kernel tells only how many there are of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.frames.snapshot import FIXED_CODES, KERNEL_CODE, MOVABLE_CODE, Snapshot, Span
from movable.mm.gfp import MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone


def pageblock_types(snapshot: Snapshot, span: Span, zone: Zone, codes: bytearray) -> bytes:
    """A type for each pageblock of a zone.

    With a pagetypeinfo, as many blocks as it says are not movable: those with the most frames that certainly cannot move, unmovable
    before reclaimable. Without one a block is unmovable where such frames are more than half of those in use.
    """
    size = 1 << zone.pageblock_order
    fixed = []
    for number in range(len(zone.pageblocks)):
        start = (zone.base + number) * size
        block = codes[start : start + size]
        stays = sum(block.count(code) for code in FIXED_CODES)
        used = stays + block.count(MOVABLE_CODE)
        certain = stays - block.count(KERNEL_CODE)
        fixed.append((certain, stays, used))
    types = bytearray([MIGRATE_MOVABLE]) * len(fixed)
    counts = snapshot.block_counts.get(span)
    if counts is None:
        for number, (_, stays, used) in enumerate(fixed):
            if 2 * stays > used:
                types[number] = MIGRATE_UNMOVABLE
        return bytes(types)
    worst = sorted(range(len(fixed)), key=lambda number: (-fixed[number][0], -fixed[number][1], number))
    unmovable, reclaimable = counts.get("Unmovable", 0), counts.get("Reclaimable", 0)
    for place, number in enumerate(worst[: unmovable + reclaimable]):
        types[number] = MIGRATE_UNMOVABLE if place < unmovable else MIGRATE_RECLAIMABLE
    return bytes(types)


def mark_zspages(zone: Zone, codes: bytearray, frames: int) -> None:
    """Let ``frames`` frames without any flag move: those of zsmalloc, which lie in movable pageblocks, the highest first."""
    size = 1 << zone.pageblock_order
    for number in range(len(zone.pageblocks) - 1, -1, -1):
        if not frames:
            return
        if zone.pageblocks[number] != MIGRATE_MOVABLE:
            continue
        start = (zone.base + number) * size
        for pfn in range(start, min(start + size, len(codes))):
            if frames and codes[pfn] == KERNEL_CODE:
                codes[pfn] = MOVABLE_CODE
                frames -= 1
