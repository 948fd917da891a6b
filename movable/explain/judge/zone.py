"""One zone by its last table: what is free, whether a block can be had, why not, and whether compaction would begin."""

from __future__ import annotations

from collections.abc import Iterator

from movable.explain import zones
from movable.explain.judge.requests import kept_back, may_use, not_for
from movable.explain.material import Answer, FreeBlocks, Marks, Material
from movable.explain.zones import size_of
from movable.shown import many

KEPT = "free memory: blocks are there, and what is free is kept for emergencies, or for requests that need this zone"


def zone(material: Material, rows: list[FreeBlocks], order: int, why: str) -> Answer:
    """What the last table of a zone says, and what became of the first."""
    before, row = rows[0], rows[-1]
    answer = Answer(f"{zones.named(row)}, order {order} ({size_of(order, row.page_kb)}, {why})")
    if not row.whole:
        answer.facts.append("The row was cut, or its sum does not fit: what follows counts only what is there.")
    if zones.place(row) in zones.with_long_lists(material):
        answer.facts.append("A list with > is longer than the kernel counts: the numbers are the least that is free.")
    if not any(row.counts):
        _nothing(material, row, order, answer)
        return answer
    largest = max(each for each, count in enumerate(row.counts) if count)
    answer.facts.append(
        f"{row.free * row.page_kb} kB are free in {many(sum(row.counts), 'block')}; the largest is of order {largest} "
        f"({size_of(largest, row.page_kb)})."
    )
    possible = order < len(row.counts) or not row.whole or row.cut_before(order)
    if not possible:
        answer.facts.append(
            f"No block of order {order} can exist: order {len(row.counts) - 1} is the largest that the allocator keeps here. "
            "Longer runs come from CMA, or from the pool of huge pages."
        )
    elif row.cut_before(order):
        end = len(row.counts) - 1
        answer.facts.append(f"The row ends at order {end}: whether a block of order {order} is free cannot be said.")
        answer.advice.append("add the whole row of /proc/buddyinfo")
    else:
        _blocks(material, row, zones.at(row, order), answer)
    _watermarks(material, row, order, answer)
    if before is not row and before.counts == row.counts:
        answer.facts.append("The first table says the same.")
    elif before is not row and possible:
        was, now = zones.at(before, order), zones.at(row, order)
        answer.facts.append(
            f"Since the first table: {was.usable_blocks} to {now.usable_blocks} blocks of order {order}, "
            f"{before.free * row.page_kb} to {row.free * row.page_kb} kB free."
        )
    return answer


def _nothing(material: Material, row: FreeBlocks, order: int, answer: Answer) -> None:
    """A zone without free blocks: it has no memory, or all of it is in use."""
    marks = zones.marks_of(material, row)
    if zones.is_empty(marks):
        answer.facts.append("Nothing is free: the zone has no memory.")
        return
    known = marks is not None and "managed" in marks.values
    answer.facts.append(f"Nothing is free: {'' if known else 'the zone has no memory, or '}all of it is in use.")
    _watermarks(material, row, order, answer)


def _blocks(material: Material, row: FreeBlocks, now: zones.ZoneOrder, answer: Answer) -> None:
    """Whether a block can be had, and why not."""
    request = material.requests[-1] if material.requests else None
    if request is not None and not may_use(request, row):
        answer.facts.append(f"The request of {request.task} may not take pages of this zone, by its flags or its nodes.")
    if now.order == 0:  # any free page will do: what is kept back decides
        return
    if now.usable_blocks:
        answer.facts.append(
            f"{now.usable_blocks} of order {now.order} can be had at once: a request fails here only by watermarks or type."
        )
        only = not_for(row, now.order, request)
        if only:
            answer.facts.append(f"All of them are {only}: most requests may not take them.")
    else:
        answer.facts.extend(_reasons(now, answer))
    answer.facts.append(
        f"Unusable index {now.unusable_index / 1000:.3f}; a perfect compaction could give at most {now.blocks_if_compacted}."
    )


def _reasons(now: zones.ZoneOrder, answer: Answer) -> Iterator[str]:
    index = f"{now.fragmentation_index / 1000:.3f}"
    if now.blocks_if_compacted == 0:
        yield f"None can be had: lack of memory, less than one block is free in all (fragmentation index {index})."
        answer.advice.append("free memory: no compaction can help here")
    elif zones.is_broken_up(now.fragmentation_index, now.order):
        yield f"None can be had: free memory is broken up (fragmentation index {index}, towards 1 is fragmentation)."
        answer.advice.append(
            "compact (echo 1 > /proc/sys/vm/compact_memory), then look again: what stays is held by pages that cannot move"
        )
    else:
        yield f"None can be had: lack of memory more than fragmentation (fragmentation index {index}, towards 0 is lack of memory)."
        answer.advice.append("free memory first (caches, other work), then compact")


def boosted(marks: Marks) -> Iterator[str]:
    """How much of the watermarks is a boost, that a fallback between migratetypes brought."""
    boost = marks.values.get("boost", 0)
    if boost:
        yield (
            f"The watermarks are {boost} pages higher for a while (boost): a pageblock was mixed, and kswapd makes room "
            "(vm.watermark_boost_factor)."
        )


def _watermarks(material: Material, row: FreeBlocks, order: int, answer: Answer) -> None:
    marks = zones.marks_of(material, row)
    if marks is None or "low" not in marks.values:
        return
    low, minimum = marks.values["low"], marks.values.get("min", 0)
    answer.facts.extend(boosted(marks))
    reserve = kept_back(material, row, material.requests[-1] if material.requests else None)
    if order == 0:
        high = f", high {marks.values['high']}" if "high" in marks.values else ""
        answer.facts.append(f"{row.free} pages are free; watermarks: min {minimum}, low {low}{high}.")
    if row.free < minimum:
        answer.facts.append(
            f"Lack of memory: free pages ({row.free}) are below the min watermark ({minimum}): only emergency requests get any."
        )
    elif row.free < minimum + reserve:
        answer.facts.append(f"{reserve} pages are kept for requests that need this very zone (lowmem_reserve): others get none.")
    if marks.free_cma:
        answer.facts.append(f"{marks.free_cma * row.page_kb} kB of what is free are CMA: movable requests only.")
    needs = zones.free_for_compaction(marks, order) + reserve
    if reserve and minimum + reserve >= marks.values.get("managed", marks.values.get("present", needs)):
        answer.advice.clear()  # however much is free here, such a request gets none of it
    elif order and row.free < needs:
        kept = ", what is kept back" if reserve else ""
        which = zones.compaction_watermark(order)
        answer.facts.append(
            f"Compaction would be skipped: it wants {needs} free pages ({which} watermark{kept} and two blocks), "
            f"{row.free} are free."
        )
        at_once = order < len(row.counts) and zones.at(row, order).usable_blocks
        if not zones.at(row, order).blocks_if_compacted and order < len(row.counts):
            return
        answer.advice.insert(0, KEPT if at_once else "free memory before compaction: it has nowhere to move pages to")
