"""Each zone at the moment of its last table: free blocks by order, the two indices, and what a perfect compaction could give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from movable.explain.material import FreeBlocks, Marks, Material, Request
from movable.mm.vmstat import count_blocks, index_of, unusable_of

DEFAULT_ORDER = 9
"""A huge page of 2 MiB where pages have 4 KiB."""
EXTFRAG_THRESHOLD = 500
"""Above it the kernel compacts for a request, below it calls the failure a lack of memory (vm.extfrag_threshold)."""


@dataclass(frozen=True, slots=True)
class ZoneOrder:
    """One zone and order. Indices are in thousandths; ``blocks_if_compacted`` is the most that any compaction could give."""

    node: int
    zone: str
    order: int
    free_blocks: int
    usable_blocks: int
    fragmentation_index: int
    unusable_index: int
    blocks_if_compacted: int


def tables(material: Material) -> list[FreeBlocks]:
    """Every table of free blocks; where a zone has rows by migratetype only, their sum."""
    found = list(material.free)
    known = {(row.node, row.zone) for row in found}
    sums: dict[tuple[int, str], FreeBlocks] = {}
    seen: set[tuple[int, str, str]] = set()
    for row in material.types:
        place = (row.node, row.zone)
        if place in known or (*place, row.migratetype) in seen:
            continue
        seen.add((*place, row.migratetype))
        whole = sums.setdefault(place, FreeBlocks(row.line, row.node, row.zone, []))
        whole.counts += [0] * (len(row.counts) - len(whole.counts))
        for order, count in enumerate(row.counts):
            whole.counts[order] += count
        whole.whole = whole.whole and row.whole
    return found + list(sums.values())


def last(material: Material) -> list[FreeBlocks]:
    """The last table of every zone, in the order in which zones came."""
    rows: dict[tuple[int, str], FreeBlocks] = {}
    for row in tables(material):
        rows[row.node, row.zone] = row
    return list(rows.values())


def first(material: Material, node: int, zone: str) -> FreeBlocks | None:
    """The first table of a zone, where there are two or more."""
    rows = [row for row in tables(material) if (row.node, row.zone) == (node, zone)]
    return rows[0] if len(rows) > 1 else None


def at(row: FreeBlocks, order: int) -> ZoneOrder:
    """One zone as seen by a request of ``order``."""
    info = count_blocks(row.counts, order)
    count = row.counts[order] if order < len(row.counts) else 0
    index, unusable = index_of(info, order), unusable_of(info, order)
    return ZoneOrder(row.node, row.zone, order, count, info.free_blocks_suitable, index, unusable, row.free >> order)


def every(material: Material) -> Iterator[ZoneOrder]:
    """Every zone and order."""
    for row in last(material):
        for order in range(len(row.counts)):
            yield at(row, order)


def marks_of(material: Material, node: int, zone: str) -> Marks | None:
    """The last watermarks of a zone."""
    return next((marks for marks in reversed(material.marks) if (marks.node, marks.zone) == (node, zone)), None)


def wanted_order(material: Material, given: int | None) -> tuple[int, str]:
    """The order that the question is about, and why: an option, a request that failed, the size of a pageblock, or a huge page."""
    if given is not None:
        return given, "as asked with --order"
    request: Request | None = next((one for one in reversed(material.requests) if one.order > 0), None)
    if request is not None:
        return request.order, f"what {request.task} asked for"
    run = next((one for one in material.runs if one.order > 0), None)
    if run is not None:
        return run.order, "what was compacted for"
    if material.pageblock_order is not None:
        return material.pageblock_order, "a pageblock"
    return DEFAULT_ORDER, "a huge page of 2 MiB"
